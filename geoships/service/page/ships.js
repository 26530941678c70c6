// The ships of a job with what people said of them: what is shown, in which order, which is selected, and undo.
import { ask, features, jobUrl } from "./api.js";

export const VERDICTS = ["undecided", "accepted", "rejected", "drawn"];
const NOTHING = { verdict: null, geometry: null, note: "" };

export class Ship {
  constructor(feature, said = null) {
    this.id = String(feature.id);
    this.feature = feature;
    this.said = said;
  }

  get name() { return this.isDrawn ? `Drawn ship ${this.id.slice(6, 10)}` : `Ship ${this.id}`; }
  get isDrawn() { return this.said?.verdict === "drawn"; }
  get verdict() { return this.said?.verdict ?? "undecided"; }
  get note() { return this.said?.note ?? ""; }
  get geometry() { return this.said?.geometry ?? this.feature.geometry; }
  get isEdited() { return Boolean(this.said?.geometry) && !this.isDrawn; }
  get values() { return { ...this.feature.properties, ...this.said?.measures }; }
  get place() {
    const { lon, lat } = this.values;
    return lon === null || lon === undefined ? null : [lon, lat];
  }
}

const drawnFeature = (said) => ({ type: "Feature", id: said.ship, properties: {}, geometry: said.geometry });

// Ships as detected, and what was said of them.
export async function loadShips(job) {
  const found = job.result.placed
    ? await features(job.jobID)
    : (await (await fetch(jobUrl(job.jobID, "/files/ships.geojson"))).json()).features; // coordinates are pixels
  const { corrections } = await ask(`/jobs/${job.jobID}/corrections`);
  const said = new Map(corrections.map((each) => [each.ship, each]));
  const ships = found.map((feature) => new Ship(feature, said.get(String(feature.id ?? feature.properties.id)) ?? null));
  ships.push(...corrections.filter((each) => each.verdict === "drawn").map((each) => new Ship(drawnFeature(each), each)));
  return new Ships(job, ships);
}

export class Ships extends EventTarget {
  #done = []; // what can be undone, the last one last

  constructor(job, all) {
    super();
    this.job = job;
    this.all = all;
    this.selected = null;
    this.sort = { by: "score", down: true };
    this.filter = { score: [null, null], length_m: [null, null], verdict: "", class: "", box: null };
  }

  get(id) { return this.all.find((ship) => ship.id === id) ?? null; }
  get undoable() { return this.#done.at(-1)?.label ?? null; }
  get classes() { return [...new Set(this.all.map((ship) => ship.values.class).filter(Boolean))].sort(); }

  // Lowest and highest value of a property, [0, 0] without ships.
  extent(name) {
    const values = this.all.map((ship) => ship.values[name]).filter((value) => value !== null && value !== undefined);
    return values.length ? [Math.min(...values), Math.max(...values)] : [0, 0];
  }

  get shown() {
    const { by, down } = this.sort;
    const value = (ship) => by === "id" ? Number(ship.id) || Infinity : by === "verdict" ? VERDICTS.indexOf(ship.verdict) : ship.values[by] ?? -Infinity;
    const order = (one, other) => {
      const [a, b] = [value(one), value(other)];
      return a === b ? 0 : (typeof a === "string" ? a.localeCompare(b) : a - b) * (down ? -1 : 1);
    };
    return this.all.filter((ship) => this.#fits(ship)).sort(order);
  }

  // A drawn ship has no score, and no range leaves it out: as the service sees it.
  #fits(ship) {
    const { verdict, box } = this.filter;
    const within = (name) => {
      const [low, high] = this.filter[name];
      const value = ship.values[name];
      if ((low === null && high === null) || (ship.isDrawn && name === "score")) return true;
      return value !== null && value !== undefined && value >= (low ?? -Infinity) && value <= (high ?? Infinity);
    };
    return (!verdict || ship.verdict === verdict) && (!this.filter.class || ship.values.class === this.filter.class)
      && within("score") && within("length_m") && (!box || touches(ship.geometry, box));
  }

  change(part, value) {
    Object.assign(this[part], value);
    this.#tell("shown");
  }

  select(id, { from = "" } = {}) {
    if (this.selected?.id === id) return;
    this.selected = id === null ? null : this.get(id);
    this.dispatchEvent(new CustomEvent("selected", { detail: { from } }));
  }

  // The ship after the selected one in the table, or before it with -1.
  step(by) {
    const { shown } = this;
    const index = shown.indexOf(this.selected);
    const next = index < 0 ? (by > 0 ? 0 : shown.length - 1) : Math.min(shown.length - 1, Math.max(0, index + by));
    if (shown[next]) this.select(shown[next].id, { from: "step" });
  }

  // Says something of a ship: {verdict}, {geometry}, {note}; undo takes it back.
  async say(ship, change, label) {
    const before = ship.said;
    await this.#put(ship, { ...NOTHING, ...before, ...change });
    this.#done.push({ label, run: () => this.#put(ship, before ?? NOTHING) });
    this.#tell("changed");
  }

  async add(geometry, note = "") {
    const said = await ask(`/jobs/${this.job.jobID}/corrections`, { method: "POST", json: { geometry, note } });
    const ship = new Ship(drawnFeature(said), said);
    this.all.push(ship);
    this.#done.push({ label: "add ship", run: () => this.#remove(ship) });
    this.#tell("changed");
    this.select(ship.id, { from: "add" });
    return ship;
  }

  // Takes a drawn ship away.
  async remove(ship) {
    const { geometry, note } = ship;
    await this.#remove(ship);
    this.#done.push({ label: "delete ship", run: () => this.add(geometry, note).then(() => this.#done.pop()) });
    this.#tell("changed");
  }

  async undo() {
    const last = this.#done.pop();
    if (!last) return null;
    try {
      await last.run();
    } catch (error) {
      this.#done.push(last);
      throw error;
    }
    this.#tell("changed");
    return last.label;
  }

  async #put(ship, { verdict, geometry, note }) {
    const place = `/jobs/${this.job.jobID}/corrections/${encodeURIComponent(ship.id)}`;
    if (verdict === "drawn") {
      ship.said = await ask(place, { method: "PUT", json: { geometry, note } });
    } else if (verdict || geometry || note) {
      ship.said = await ask(place, { method: "PUT", json: { verdict, geometry, note } });
    } else {
      if (ship.said) await ask(place, { method: "DELETE" });
      ship.said = null;
    }
  }

  async #remove(ship) {
    await ask(`/jobs/${this.job.jobID}/corrections/${encodeURIComponent(ship.id)}`, { method: "DELETE" });
    this.all = this.all.filter((each) => each !== ship);
    if (this.selected === ship) this.select(null);
  }

  #tell(name) { this.dispatchEvent(new Event(name)); }
}

// Whether the bounds of a geometry touch a box of west, south, east and north.
function touches(geometry, [west, south, east, north]) {
  if (!geometry) return false;
  const points = geometry.coordinates.flat(geometry.type === "Polygon" ? 1 : 2);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return Math.max(...ys) >= south && Math.min(...ys) <= north && Math.max(...xs) >= west && Math.min(...xs) <= east;
}
