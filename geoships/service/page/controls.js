// What is seen of the scene: brightness, contrast and colour, scores over it or beside it, outlines, base map.
import { h, icon } from "./dom.js";
import { startCompare } from "./compare.js";

const PICTURE = { brightness: "Brightness", contrast: "Contrast", saturation: "Colour" };
const PLAIN = { brightness: 0, contrast: 0, saturation: 0 };

export function pictureControls(map, job, settings, view, changed) {
  const onMap = Boolean(map.gl);
  const picture = { ...PLAIN };
  for (const name of Object.keys(PICTURE)) if (Number.isFinite(Number(view[name]))) picture[name] = Number(view[name] ?? 0);
  const sliders = Object.entries(PICTURE).map(([name, label]) => {
    const input = h("input", { id: name, type: "range", min: -1, max: 1, step: 0.05, value: picture[name] });
    input.addEventListener("input", () => { picture[name] = Number(input.value); apply(); });
    return { name, input, row: h("div", { class: "field" }, h("label", { for: name }, label), input) };
  });
  const reset = h("button", { type: "button", class: "quiet small", onclick: () => {
    Object.assign(picture, PLAIN);
    for (const { name, input } of sliders) input.value = picture[name];
    apply();
  } }, "As it was");
  function apply() {
    map.setPicture(picture);
    changed(Object.fromEntries(Object.entries(picture).map(([name, value]) => [name, value ? String(value) : null])));
  }
  const outlines = check("outlines", "Outlines of ships", true, (on) => map.showShips(on));
  const base = settings.baseMap && onMap ? check("base", "Base map", view.base === "on", (on) => {
    map.showLayer("base", on);
    changed({ base: on ? "on" : null });
  }) : "";
  if (Object.values(picture).some(Boolean)) map.setPicture(picture);
  if (view.base === "on" && base) map.showLayer("base", true);
  return h("details", { class: "controls", open: innerWidth > 700 },
    h("summary", {}, icon("layers"), h("span", {}, "Picture")),
    h("div", { class: "fields" }, ...sliders.map(({ row }) => row), reset, onMap ? scoreControls(map, view, changed) : "", outlines, base));
}

function check(id, label, checked, run) {
  const input = h("input", { id, type: "checkbox", checked });
  input.addEventListener("change", () => run(input.checked));
  return h("div", { class: "check" }, input, h("label", { for: id }, label));
}

// Scores: none, over the scene, or beside it.
function scoreControls(map, view, changed) {
  const modes = { off: "Off", over: "Over the scene", beside: "Before and after" };
  const opacity = h("input", { id: "opacity", type: "range", min: 0.1, max: 1, step: 0.05, value: 0.85 });
  const field = h("div", { class: "field" }, h("label", { for: "opacity" }, "Strength"), opacity);
  opacity.addEventListener("input", () => map.setScores(Number(opacity.value)));
  const show = (mode) => {
    map.second?.stop();
    map.showLayer("scores", mode === "over");
    if (mode === "beside") startCompare(map);
    field.hidden = mode !== "over";
    changed({ scores: mode === "off" ? null : mode });
  };
  const chosen = modes[view.scores] ? view.scores : "off";
  const choices = Object.entries(modes).map(([mode, label]) => {
    const input = h("input", { type: "radio", name: "scores", id: `scores-${mode}`, value: mode, checked: mode === chosen });
    input.addEventListener("change", () => show(mode));
    return h("div", { class: "check" }, input, h("label", { for: `scores-${mode}` }, label));
  });
  show(chosen);
  return h("fieldset", {}, h("legend", {}, "Scores of the model"), ...choices, field);
}
