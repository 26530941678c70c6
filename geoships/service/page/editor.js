// The outline of a ship: its corners on the map, or a hull from a few numbers, all of it by keyboard, too.
import { button, h } from "./dom.js";
import { fewer, hull, measure, outerRing } from "./outline.js";

const NUMBERS = {
  lon: ["Longitude", "any", -180, 180], lat: ["Latitude", "any", -90, 90], length: ["Length, m", 1, 1, 1000],
  width: ["Width, m", 1, 1, 200], heading: ["Heading, °", 1, 0, 359],
};
const SMALLEST = 4; // metres

export class OutlineEditor {
  #handles = [];

  // `ship` is null for a new one; `save` gets a polygon, `done` is called at the end in any case.
  constructor(place, map, ship, { save, done }) {
    Object.assign(this, { place, map, ship, save, done });
    this.ring = ship ? fewer(outerRing(ship.geometry)) : null;
    this.bow = null;
    this.inputs = Object.fromEntries(Object.entries(NUMBERS).map(([name, [, step, min, max]]) => [name, h("input", { id: `shape-${name}`, type: "number", step, min, max, required: true })]));
    for (const input of Object.values(this.inputs)) input.addEventListener("input", () => this.#fromNumbers());
    this.hint = h("p", { class: "hint", role: "status" });
    this.ok = h("button", { type: "submit", class: "main" }, "Save");
    this.element = h("form", { class: "editor", "aria-labelledby": "editor", onsubmit: (event) => { event.preventDefault(); this.#save(); }, onkeydown: (event) => { if (event.key === "Escape") { event.stopPropagation(); this.stop(); } } },
      h("h2", { id: "editor" }, ship ? `Outline of ${ship.name}` : "Add a missed ship"), this.hint,
      h("fieldset", {}, h("legend", {}, "A hull by numbers"), h("div", { class: "numbers" },
        Object.entries(NUMBERS).map(([name, [label]]) => h("div", {}, h("label", { for: `shape-${name}` }, label), this.inputs[name]))),
      ship ? "" : button("add", map.gl ? "Place it in the middle of the map" : "Place it", () => this.#fromNumbers(), { class: "quiet" })),
      h("div", { class: "actions" }, this.ok, h("button", { type: "button", onclick: () => this.stop() }, "Cancel")));
    place.replaceChildren(this.element);
    this.#fill(ship ? measure([...this.ring, this.ring[0]]) : { lon: map.gl ? map.center[0] : map.job.result.bbox[0], lat: map.gl ? map.center[1] : map.job.result.bbox[1], length: 100, width: 18, heading: 0 });
    if (map.gl && ship) map.near(this.ring);
    if (map.gl) map.busy = (position) => this.#click(position.toArray());
    this.#draw();
    this.inputs[ship ? "length" : "lon"].focus({ preventScroll: true });
  }

  #fill(values) {
    for (const [name, input] of Object.entries(this.inputs)) {
      const digits = { lon: 6, lat: 6 }[name] ?? 0;
      if (values[name] !== undefined && document.activeElement !== input) input.value = values[name].toFixed(digits);
    }
  }

  #fromNumbers() {
    if (Object.values(this.inputs).some((input) => !input.checkValidity() || input.value === "")) return;
    this.ring = hull(Object.fromEntries(Object.entries(this.inputs).map(([name, input]) => [name, Number(input.value)]))).slice(0, -1);
    this.#draw();
  }

  // A new ship by two clicks: the bow, then the stern.
  #click(position) {
    if (this.ring) return;
    if (!this.bow) {
      this.bow = position;
      this.#draw();
      return;
    }
    const { length, heading, lon, lat } = measure([this.bow, position, this.bow]) ?? { length: 0 };
    if (length < SMALLEST) return;
    const forward = this.bow[1] > position[1] || (this.bow[1] === position[1] && this.bow[0] > position[0]);
    this.ring = hull({ lon, lat, length, width: Math.max(SMALLEST, length / 6), heading: forward ? heading : (heading + 180) % 360 }).slice(0, -1);
    this.#measured();
    this.#draw();
  }

  #measured() { this.#fill(measure([...this.ring, this.ring[0]])); }

  #draw() {
    this.ok.disabled = !this.ring;
    this.hint.textContent = this.ring
      ? this.map.gl ? "Drag a corner, or move it with the arrow keys. Small dots add a corner, Delete removes one." : "The hull is placed; change its numbers, or save it."
      : this.map.gl ? this.bow ? "Now click its stern." : "Click its bow on the map, then its stern, or give its numbers." : "Give its numbers.";
    if (!this.map.gl) return;
    this.map.sketch(this.ring);
    for (const { marker } of this.#handles) marker.remove();
    this.#handles = [];
    if (!this.ring) {
      if (this.bow) this.#handles.push(this.map.handle(this.bow, { label: "Bow", kind: "corner", moved: (to) => { this.bow = to; }, key: () => false }));
      return;
    }
    this.ring.forEach((corner, index) => this.#handles.push(this.#corner(corner, index), this.#middle(index)));
  }

  #corner(corner, index) {
    return this.map.handle(corner, {
      label: `Corner ${index + 1} of ${this.ring.length}`, kind: "corner",
      moved: (to, end) => { this.ring[index] = to; this.map.sketch(this.ring); this.#measured(); if (end) this.#draw(); },
      key: (name) => (name === "Delete" || name === "Backspace") && this.#remove(index),
    });
  }

  #middle(index) {
    const [a, b] = [this.ring[index], this.ring[(index + 1) % this.ring.length]];
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const add = () => { this.ring.splice(index + 1, 0, middle); this.#draw(); this.#handles[2 * (index + 1)].element.focus(); return true; };
    const handle = this.map.handle(middle, { label: `Add a corner after ${index + 1}`, kind: "middle", moved: () => {}, key: (name) => (name === "Enter" || name === " ") && add() });
    handle.element.addEventListener("click", add);
    return handle;
  }

  #remove(index) {
    if (this.ring.length <= 3) return false;
    this.ring.splice(index, 1);
    this.#measured();
    this.#draw();
    this.#handles[2 * (index % this.ring.length)].element.focus();
    return true;
  }

  async #save() {
    const ring = this.ring.map(([lon, lat]) => [Number(lon.toFixed(7)), Number(lat.toFixed(7))]);
    if (await this.save({ type: "Polygon", coordinates: [[...ring, ring[0]]] })) this.stop();
  }

  stop() {
    for (const { marker } of this.#handles) marker.remove();
    this.#handles = [];
    if (this.map.gl) {
      this.map.busy = null;
      this.map.sketch(null);
    }
    this.element.remove();
    this.done();
  }
}
