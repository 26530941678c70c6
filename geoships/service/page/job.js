// One job: its progress, then map, table, card and filters, which all show the same `Ships`.
import { range, rangeText, read, write } from "./address.js";
import { ask } from "./api.js";
import { shipCard } from "./card.js";
import { pictureControls } from "./controls.js";
import { copy } from "./copy.js";
import { button, h, say, saying } from "./dom.js";
import { OutlineEditor } from "./editor.js";
import { exportMenu } from "./exports.js";
import { filterForm } from "./filters.js";
import { moment } from "./format.js";
import { SceneMap, hasWebGL } from "./map.js";
import { ScenePicture } from "./picture.js";
import { loadShips } from "./ships.js";
import { ShipTable } from "./table.js";
import { showWaiting } from "./waiting.js";

const NO_MAP = "This browser has no WebGL: the scene is a picture here, and outlines are changed by numbers.";
const NARROW = 900; // pixels, up to which table and map stand below each other
const NO_PLACE = "This scene has no place on Earth: coordinates are its pixels.";

export async function showJob(main, id, settings) {
  const job = await ask(`/jobs/${encodeURIComponent(id)}`);
  document.title = `${job.title} – geoships`;
  let stop = () => {};
  let gone = false;
  const begin = async (done) => {
    const view = new JobView(main, done, settings);
    await view.start();
    if (gone) view.stop();
    else stop = () => view.stop();
  };
  if (job.status === "successful") await begin(job);
  else stop = showWaiting(main, job, saying(begin));
  return () => { gone = true; stop(); };
}

class JobView {
  #ended = new AbortController();

  constructor(main, job, settings) {
    Object.assign(this, { main, job, settings });
    this.writes = settings.caller.scopes.includes("write");
  }

  async start() {
    const view = read();
    this.ships = await loadShips(this.job);
    this.#restore(view);
    this.place = h("div", { class: "map", id: "map" });
    const mapArea = h("section", { class: "map-area", "aria-label": "Map" }, this.place);
    this.panel = h("section", { class: "panel", "aria-label": "Ships of the scene" });
    this.main.replaceChildren(h("div", { class: "job" }, mapArea, this.panel));
    this.map = await this.#startMap(view);
    mapArea.append(pictureControls(this.map, this.job, this.settings, view, write));
    this.#header();
    this.#fillPanel();
    this.ships.addEventListener("selected", ({ detail }) => {
      this.#card();
      write({ ship: this.ships.selected?.id ?? null });
      if (detail.from === "table" && innerWidth <= NARROW) scrollTo({ top: 0 }); // where map and card are
    });
    this.ships.addEventListener("changed", () => { this.#card(); this.#undoLabel(); });
    document.addEventListener("keydown", (event) => this.#key(event), { signal: this.#ended.signal });
    this.#card();
  }

  #restore(view) {
    const { filter } = this.ships;
    Object.assign(filter, { score: range(view.score), length_m: range(view.length), verdict: view.verdict ?? "", class: view.class ?? "", box: view.box ? [-180, -90, 180, 90] : null });
    const [by, way] = (view.sort ?? "score,down").split(",");
    Object.assign(this.ships.sort, { by, down: way === "down" });
    if (view.ship) this.ships.select(view.ship);
  }

  #remember() {
    const { filter, sort } = this.ships;
    const plain = sort.by === "score" && sort.down;
    write({
      score: rangeText(filter.score), length: rangeText(filter.length_m), verdict: filter.verdict, class: filter.class,
      box: filter.box ? "map" : null, sort: plain ? null : `${sort.by},${sort.down ? "down" : "up"}`,
    });
  }

  async #startMap(view) {
    if (!this.job.result.placed) return new ScenePicture(this.place, this.job, this.ships, NO_PLACE);
    if (!hasWebGL()) return new ScenePicture(this.place, this.job, this.ships, NO_MAP);
    const [zoom, lat, lon] = (view.map ?? "").split("/").map(Number);
    const start = Number.isFinite(lon) ? { center: [lon, lat], zoom } : null;
    try {
      const map = await SceneMap.make(this.place, this.job, this.settings, this.ships, start);
      map.gl.on("moveend", () => {
        const { lng, lat: north } = map.gl.getCenter();
        write({ map: `${map.gl.getZoom().toFixed(2)}/${north.toFixed(5)}/${lng.toFixed(5)}` });
      });
      return map;
    } catch (error) {
      this.place.replaceChildren();
      this.place.className = "map";
      return new ScenePicture(this.place, this.job, this.ships, `${NO_MAP} (${error.message})`);
    }
  }

  #header() {
    const { result } = this.job;
    const about = [result.datetime ? moment(result.datetime) : null, result.model].filter(Boolean).join(" · ");
    document.querySelector("#title").replaceChildren(h("h1", { title: this.job.title }, this.job.title), h("p", {}, about));
    this.undoing = button("undo", "Undo", saying(() => this.#undo()), { text: false, class: "tool" });
    document.querySelector("#tools").replaceChildren(...[
      this.writes ? this.undoing : null,
      button("link", "Copy a link to this view", () => copy(location.href, "Link"), { text: false, class: "tool" }),
      exportMenu(this.ships),
    ].filter(Boolean));
    this.#undoLabel();
  }

  #undoLabel() {
    const label = this.ships.undoable;
    this.undoing.disabled = !label;
    for (const name of ["aria-label", "title"]) this.undoing.setAttribute(name, label ? `Undo: ${label}` : "Undo");
  }

  #fillPanel() {
    this.cardPlace = h("div", { class: "card-place" });
    const [filters, number] = filterForm(this.ships, this.map, () => this.#remember());
    const table = new ShipTable(this.ships, { decide: this.#decide, changed: () => this.#remember(), writes: this.writes });
    const add = this.writes && this.job.result.placed ? button("add", "Add a missed ship", () => this.#edit(null), { class: "small" }) : "";
    const warnings = (this.job.result.warnings ?? []).map((text) => h("p", { class: "warning" }, text));
    this.panel.replaceChildren(
      warnings.length ? h("details", { class: "warnings" }, h("summary", {}, warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`), ...warnings) : "",
      filters, h("div", { class: "bar" }, number, add), table.element, this.cardPlace,
      h("p", { class: "keys" }, "Keys: ", ...[["J", "next"], ["K", "before"], ["A", "accept"], ["R", "reject"], ["U", "undo"]].flatMap(([key, what]) => [h("kbd", {}, key), ` ${what} `])));
  }

  #card() {
    if (this.editor) return;
    const ship = this.ships.selected;
    const active = this.cardPlace.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent : null;
    this.cardPlace.replaceChildren(ship ? shipCard(ship, {
      job: this.job, writes: this.writes, canEdit: this.job.result.placed, decide: this.#decide,
      note: saying((each, text) => this.ships.say(each, { note: text }, "note")),
      edit: (each) => this.#edit(each), remove: saying((each) => this.ships.remove(each)),
      close: () => this.ships.select(null), step: (by) => this.ships.step(by),
    }) : "");
    if (active) [...this.cardPlace.querySelectorAll("button")].find((each) => (each.getAttribute("aria-label") ?? each.textContent) === active)?.focus();
  }

  // Accepts or rejects a ship; the same again takes it back.
  #decide = saying(async (ship, verdict) => {
    if (ship.isDrawn) return;
    const next = ship.verdict === verdict ? null : verdict;
    await this.ships.say(ship, { verdict: next }, `${verdict === "accepted" ? "accept" : "reject"} ${ship.name}`);
    say(`${ship.name}: ${next ?? "undecided"}`, { action: { label: "Undo", run: saying(() => this.#undo()) } });
  });

  async #undo() {
    const label = await this.ships.undo();
    say(label ? `Undone: ${label}` : "There is nothing to undo.");
  }

  #edit(ship) {
    this.editor?.stop();
    this.editor = new OutlineEditor(this.cardPlace, this.map, ship, {
      save: saying(async (geometry) => {
        if (ship) await this.ships.say(ship, { geometry }, `outline of ${ship.name}`);
        else await this.ships.add(geometry);
        say(ship ? `${ship.name} has a new outline.` : "The ship is added.");
        return true;
      }),
      done: () => { this.editor = null; this.#card(); },
    });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "z" && this.writes && !typing(event.target)) { event.preventDefault(); saying(() => this.#undo())(); }
      return;
    }
    if (event.altKey || this.editor || typing(event.target)) return;
    const { selected } = this.ships;
    const run = {
      j: () => this.ships.step(1), k: () => this.ships.step(-1), Escape: () => this.ships.select(null),
      ...(this.writes ? { u: saying(() => this.#undo()) } : {}),
      ...(this.writes && selected ? { a: () => this.#decide(selected, "accepted"), r: () => this.#decide(selected, "rejected") } : {}),
    }[event.key];
    if (run) run();
  }

  stop() {
    this.#ended.abort();
    this.editor?.stop();
    this.map?.stop();
  }
}

const typing = (element) => element.matches("input:not([type=range], [type=checkbox], [type=radio]), textarea, select");
