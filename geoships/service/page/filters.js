// Which ships are shown: by score, length, what was decided, class, and what the map shows.
import { h } from "./dom.js";
import { count } from "./format.js";
import { VERDICTS } from "./ships.js";

const STEP = { score: 0.01, length_m: 5 };

export function filterForm(ships, map, changed) {
  const ends = {
    score: [Math.floor(ships.extent("score")[0] * 20) / 20, 1],
    length_m: [0, Math.max(10, Math.ceil(ships.extent("length_m")[1] / 10) * 10)],
  };
  const set = (part) => { ships.change("filter", part); changed(); };
  const number = h("p", { class: "count", id: "count" });
  const tell = () => {
    const { length } = ships.shown;
    number.textContent = !ships.all.length ? "No ships were found in this scene."
      : length === ships.all.length ? count(length, "ship") : `${length.toLocaleString("en")} of ${count(ships.all.length, "ship")}`;
  };
  for (const name of ["shown", "changed"]) ships.addEventListener(name, tell);
  tell();
  const element = h("form", { class: "filters", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() },
    span("score", "Score", ends.score, ships, set, (value) => value.toFixed(2)),
    span("length_m", "Length", ends.length_m, ships, set, (value) => `${value} m`),
    h("div", { class: "choices" },
      choice("verdict", "Decision", { "": "All", ...Object.fromEntries(VERDICTS.map((name) => [name, name[0].toUpperCase() + name.slice(1)])) }, ships, set),
      ships.classes.length > 1 ? choice("class", "Class", { "": "All", ...Object.fromEntries(ships.classes.map((name) => [name, name])) }, ships, set) : "",
      map.gl ? inView(ships, map, set) : ""));
  return [element, number];
}

// Two sliders in one line: the least and the greatest value; null at an end that leaves nothing out.
function span(name, label, [least, most], ships, set, text) {
  const value = (index) => ships.filter[name][index] ?? [least, most][index];
  const said = h("output", { for: `${name}-low ${name}-high` });
  const low = h("input", { id: `${name}-low`, type: "range", min: least, max: most, step: STEP[name], value: value(0), "aria-label": `${label}, at least` });
  const high = h("input", { id: `${name}-high`, type: "range", min: least, max: most, step: STEP[name], value: value(1), "aria-label": `${label}, at most` });
  const track = h("div", { class: "track" }, low, high);
  const show = () => {
    const [a, b] = [Number(low.value), Number(high.value)];
    const share = (at) => `${(100 * (at - least) / (most - least || 1)).toFixed(1)}%`;
    track.style.setProperty("--low", share(a));
    track.style.setProperty("--high", share(b));
    said.textContent = `${text(a)} – ${text(b)}`;
    for (const [input, at] of [[low, a], [high, b]]) input.setAttribute("aria-valuetext", text(at));
  };
  const moved = (own) => {
    if (Number(low.value) > Number(high.value)) own.value = (own === low ? high : low).value;
    show();
    const [a, b] = [Number(low.value), Number(high.value)];
    set({ [name]: [a <= least ? null : a, b >= most ? null : b] });
  };
  low.addEventListener("input", () => moved(low));
  high.addEventListener("input", () => moved(high));
  show();
  return h("div", { class: "span" }, h("span", { class: "label" }, label), track, said);
}

function choice(name, label, options, ships, set) {
  const select = h("select", { id: name }, Object.entries(options).map(([value, text]) => h("option", { value }, text)));
  select.value = ships.filter[name];
  select.addEventListener("change", () => set({ [name]: select.value }));
  return h("div", { class: "choice" }, h("label", { for: name }, label), select);
}

function inView(ships, map, set) {
  const input = h("input", { id: "in-view", type: "checkbox" });
  const apply = () => set({ box: input.checked ? map.bounds : null });
  input.addEventListener("change", apply);
  map.gl.on("moveend", () => { if (input.checked) apply(); });
  if (ships.filter.box) { // from a link: that of the map once it is there
    input.checked = true;
    apply();
  }
  return h("div", { class: "check" }, input, h("label", { for: "in-view" }, "Only in the map's view"));
}
