// Elements of the page, icons, and what is said to all, also to those who hear the page.

// h("button", { class: "main", onclick: run }, "Run"): null and false are left out.
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const ICONS = {
  accept: "M5 12.5l4.5 4.5L19 7.5",
  reject: "M6 6l12 12M18 6L6 18",
  undo: "M9 7L4.5 11.5 9 16M5 11.5h9a5 5 0 0 1 0 10h-3",
  edit: "M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19z",
  add: "M12 5v14M5 12h14",
  save: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  back: "M14.5 5.5L8 12l6.5 6.5",
  next: "M9.5 5.5L16 12l-6.5 6.5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  upload: "M12 16V5M7 9.5L12 4.5l5 5M5 20h14",
  layers: "M12 4l8 4.5-8 4.5-8-4.5zM4 13l8 4.5 8-4.5",
  axis: "M12 3v18M8 7l4-4 4 4M8 17l4 4 4-4",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// A button with an icon; without a text its label is read out and shown by the pointer.
export function button(name, label, run, { text = true, ...more } = {}) {
  const hidden = text ? {} : { "aria-label": label, title: label };
  return h("button", { type: "button", onclick: run, ...hidden, ...more }, icon(name), text ? h("span", {}, label) : null);
}

let fading;

// Shows a line for a few seconds. A fault stays longer.
export function say(text, { fault = false, action = null } = {}) {
  const place = document.querySelector("#said");
  place.replaceChildren(h("p", { class: fault ? "fault" : "" }, text, action && h("button", { type: "button", onclick: action.run }, action.label)));
  clearTimeout(fading);
  fading = setTimeout(() => place.replaceChildren(), fault ? 12_000 : 5_000);
}

// Runs what may fail, and says so.
export const saying = (run) => async (...args) => {
  try {
    return await run(...args);
  } catch (error) {
    say(error.message, { fault: true });
    return undefined;
  }
};
