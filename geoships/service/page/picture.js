// The scene as a picture with outlines: for scenes without a place on Earth, and for browsers without WebGL.
import { jobUrl } from "./api.js";
import { h } from "./dom.js";
import { COLOURS } from "./layers.js";

const SVG = "http://www.w3.org/2000/svg";

// Longitude and latitude to pixels of the scene, by its corners; null where they are not those of a plain rectangle.
function toPixels({ placed, geometry, columns, rows }) {
  if (!placed) return ([x, y]) => [x, y];
  const ring = geometry.type === "Polygon" ? geometry.coordinates[0] : [];
  if (ring.length !== 5) return null;
  const corners = ring.slice(0, 4);
  const by = (sign) => corners.reduce((found, corner) => sign(corner) > sign(found) ? corner : found);
  const [nw, ne, sw] = [by(([x, y]) => y - x), by(([x, y]) => x + y), by(([x, y]) => -x - y)];
  const [a, b] = [[ne[0] - nw[0], ne[1] - nw[1]], [sw[0] - nw[0], sw[1] - nw[1]]];
  const size = a[0] * b[1] - a[1] * b[0];
  return ([x, y]) => {
    const [dx, dy] = [x - nw[0], y - nw[1]];
    return [(dx * b[1] - dy * b[0]) / size * columns, (a[0] * dy - a[1] * dx) / size * rows];
  };
}

export class ScenePicture {
  #ended = new AbortController();

  constructor(place, job, ships, reason) {
    Object.assign(this, { place, job, ships });
    const { columns, rows } = job.result;
    this.pixels = toPixels(job.result);
    this.image = h("img", { src: jobUrl(job.jobID, this.pixels ? "/files/picture.webp" : "/files/preview.png"), alt: `The scene ${job.title}; the table has its ships` });
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    this.svg.setAttribute("aria-hidden", "true");
    this.stage = h("div", { class: "stage" }, this.image, this.svg);
    place.append(h("div", { class: "picture" }, this.stage), h("p", { class: "note" }, reason));
    place.dataset.picture = "true";
    const { signal } = this.#ended;
    for (const name of ["shown", "changed", "selected"]) ships.addEventListener(name, () => this.#draw(), { signal });
    this.svg.addEventListener("click", (event) => ships.select(event.target.dataset?.ship ?? null, { from: "map" }));
    this.#draw();
  }

  #draw() {
    if (!this.pixels) return;
    const width = Math.max(this.job.result.columns, this.job.result.rows) / 400;
    this.svg.replaceChildren(...this.ships.shown.filter((ship) => ship.geometry).map((ship) => {
      const path = document.createElementNS(SVG, "path");
      const parts = ship.geometry.type === "Polygon" ? [ship.geometry.coordinates] : ship.geometry.coordinates;
      const text = parts.flat().map((ring) => `M${ring.map((point) => this.pixels(point).map((value) => value.toFixed(2)).join(" ")).join("L")}Z`).join("");
      const chosen = ship === this.ships.selected;
      const set = { d: text, "data-ship": ship.id, stroke: COLOURS[ship.verdict], fill: COLOURS[ship.verdict], "fill-opacity": chosen ? 0.4 : 0.05, "stroke-width": chosen ? 2 * width : width };
      if (ship.verdict === "rejected") set["stroke-dasharray"] = `${3 * width} ${2 * width}`;
      for (const [name, value] of Object.entries(set)) path.setAttribute(name, value);
      return path;
    }));
  }

  setPicture({ brightness, contrast, saturation }) {
    this.image.style.filter = `brightness(${1 + 0.8 * brightness}) contrast(${1 + 0.8 * contrast}) saturate(${1 + saturation})`;
  }

  showShips(visible) { this.svg.style.visibility = visible ? "" : "hidden"; }

  stop() { this.#ended.abort(); }
}
