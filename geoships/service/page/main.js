// Starts the page: the list of jobs, or one job, as the address says.
import { read } from "./address.js";
import { ask } from "./api.js";
import { button, h, icon, say } from "./dom.js";
import { showHome } from "./home.js";
import { showJob } from "./job.js";
import { forgetKey } from "./key.js";
import { startTheme, toggleTheme } from "./theme.js";

const main = document.querySelector("#main");
let leave = () => {};
let shown = null;

function header(settings) {
  const keyed = settings.caller.name !== "local";
  document.querySelector("#top").replaceChildren(
    h("a", { class: "brand", href: "#", "aria-label": "geoships: all scenes" }, h("img", { src: "page/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "geoships")),
    h("div", { id: "title" }),
    h("div", { id: "tools" }),
    keyed ? h("button", { type: "button", class: "quiet", onclick: forgetKey, title: `Key: ${settings.caller.name}` }, "Sign out") : "",
    button("dark", "Dark or light", toggleTheme, { text: false, class: "quiet" }),
  );
}

async function show(settings) {
  const { job } = read();
  const next = job ?? "";
  if (next === shown) return;
  shown = next;
  leave();
  leave = () => {};
  for (const part of ["#title", "#tools"]) document.querySelector(part).replaceChildren();
  main.replaceChildren();
  document.body.classList.toggle("at-job", Boolean(job));
  let gone = false;
  leave = () => { gone = true; };
  const view = job ? showJob(main, job, settings) : showHome(main, settings);
  const stop = await view.catch((error) => {
    main.replaceChildren(h("section", { class: "message" }, h("h1", {}, "That did not work"), h("p", {}, error.message), h("p", {}, h("a", { href: "#" }, "All scenes"))));
    return () => {};
  });
  if (gone) stop();
  else leave = stop;
}

// The link to the content moves the focus alone: the address belongs to the view.
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

async function start() {
  startTheme();
  try {
    const settings = await ask("/settings");
    header(settings);
    addEventListener("hashchange", () => show(settings));
    await show(settings);
  } catch (error) {
    main.replaceChildren(h("section", { class: "message" }, icon("layers"), h("h1", {}, "The service does not answer"), h("p", {}, error.message)));
    say(error.message, { fault: true });
  }
}

start();
