// The card of the selected ship: its picture, its figures, and what a person says of it.
import { jobUrl } from "./api.js";
import { copy } from "./copy.js";
import { button, h, icon } from "./dom.js";
import { area, degrees, metres, place, score } from "./format.js";

export function shipCard(ship, { job, writes, canEdit, decide, note, edit, remove, close, step }) {
  const { values } = ship;
  const title = h("h2", { id: "ship", tabindex: -1 }, ship.name);
  return h("section", { class: `ship ${ship.verdict}`, "aria-labelledby": "ship" },
    h("div", { class: "head" }, title, h("span", { class: "badge" }, ship.verdict),
      h("span", { class: "space" }),
      button("back", "Ship before", () => step(-1), { text: false, class: "quiet" }),
      button("next", "Next ship", () => step(1), { text: false, class: "quiet" }),
      button("reject", "Close", close, { text: false, class: "quiet" })),
    h("div", { class: "body" }, chip(ship, job), figures(ship, values)),
    writes ? actions(ship, { canEdit, decide, edit, remove }) : "",
    writes ? noteField(ship, note) : ship.note ? h("p", {}, ship.note) : "");
}

function chip(ship, job) {
  if (!job.result.placed || !ship.geometry) return "";
  const version = ship.said?.updated ? `&v=${encodeURIComponent(ship.said.updated)}` : "";
  const image = h("img", { class: "chip", width: 128, height: 128, alt: `${ship.name} in the scene, north up`, src: jobUrl(job.jobID, `/ships/${encodeURIComponent(ship.id)}/chip.webp?size=256${version}`) });
  image.addEventListener("error", () => { image.hidden = true; });
  return image;
}

function figures(ship, values) {
  const heading = h("span", { class: "heading" }, degrees(values.heading_deg));
  if (values.heading_deg !== null && values.heading_deg !== undefined) {
    const arrow = icon("axis");
    arrow.style.transform = `rotate(${values.heading_deg}deg)`;
    heading.prepend(arrow);
  }
  const rows = [["Score", score(values.score)], ["Length", metres(values.length_m)], ["Width", metres(values.width_m)], ["Area", area(values.area_m2)], ["Heading", heading]];
  if (values.class) rows.unshift(["Class", values.class]);
  if (ship.place) {
    const text = place(ship.place);
    rows.push(["Place", h("span", { class: "place" }, text, " ", button("copy", "Copy the coordinates", () => copy(text, "Coordinates"), { text: false, class: "quiet" }))]);
  }
  return h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function actions(ship, { canEdit, decide, edit, remove }) {
  const verdict = (name, label) => button(name, label, () => decide(ship, { accept: "accepted", reject: "rejected" }[name]), {
    class: `verdict ${name}`, "aria-pressed": String(ship.verdict === { accept: "accepted", reject: "rejected" }[name]),
  });
  return h("div", { class: "actions" },
    ship.isDrawn ? button("remove", "Delete", () => remove(ship), {}) : [verdict("accept", "Accept"), verdict("reject", "Reject")],
    canEdit ? button("edit", "Edit outline", () => edit(ship), {}) : "");
}

function noteField(ship, note) {
  const field = h("textarea", { id: "note", rows: 1, maxlength: 2000, placeholder: "Anything worth knowing" });
  field.value = ship.note;
  field.addEventListener("change", () => note(ship, field.value.trim()));
  return h("div", { class: "note-field" }, h("label", { for: "note" }, "Note"), field);
}
