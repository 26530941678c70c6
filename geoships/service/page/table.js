// The table of ships: the accessible form of the map, with the same selection and the same actions.
import { h, button } from "./dom.js";
import { degrees, metres, score } from "./format.js";

const COLUMNS = [
  ["id", "Ship", null],
  ["score", "Score", score],
  ["length_m", "Length", metres],
  ["width_m", "Width", metres],
  ["heading_deg", "Heading", degrees],
  ["verdict", "Decision", null],
];
const ROWS = 150; // at once

export class ShipTable {
  #rows = new Map(); // row by ship
  #most = ROWS;

  constructor(ships, { decide, changed, writes }) {
    Object.assign(this, { ships, decide, changed, writes });
    this.heads = new Map(COLUMNS.map(([name, label]) => [name, h("th", { scope: "col", class: `c-${name}` }, h("button", { type: "button", onclick: () => this.#sort(name) }, label))]));
    this.body = h("tbody", { onkeydown: (event) => this.#key(event), onclick: (event) => this.#click(event) });
    this.more = h("button", { type: "button", class: "more", onclick: () => { this.#most += ROWS; this.draw(); } }, "More ships");
    this.element = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Ships" },
      h("table", {}, h("caption", { class: "unseen" }, "Ships; a head sorts, a ship's name selects it on the map"),
        h("thead", {}, h("tr", {}, ...this.heads.values())), this.body), this.more);
    for (const name of ["shown", "changed"]) ships.addEventListener(name, () => this.draw());
    ships.addEventListener("selected", ({ detail }) => this.#select(detail.from));
    this.draw();
    this.#select("begin");
  }

  #sort(by) {
    const down = this.ships.sort.by === by ? !this.ships.sort.down : ["score", "length_m", "width_m"].includes(by);
    this.ships.change("sort", { by, down });
    this.changed();
  }

  draw() {
    const { by, down } = this.ships.sort;
    for (const [name, head] of this.heads) {
      if (name === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const { shown } = this.ships;
    const { activeElement } = document;
    const focused = this.body.contains(activeElement) ? activeElement : null;
    this.body.replaceChildren(...shown.slice(0, this.#most).map((ship) => this.#row(ship)));
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    this.more.hidden = shown.length <= this.#most;
  }

  #row(ship) {
    const row = this.#rows.get(ship.id) ?? this.#newRow(ship);
    const state = JSON.stringify([ship.verdict, ship.note, ship.isEdited, ship.values.length_m]);
    if (row.dataset.state !== state) {
      row.dataset.state = state;
      row.className = ship.verdict;
      COLUMNS.forEach(([name, , text], index) => { if (text) row.cells[index].textContent = text(ship.values[name]); });
      row.querySelector(".marks").textContent = [ship.isEdited && "new outline", ship.note && "note"].filter(Boolean).join(", ");
      for (const each of row.querySelectorAll("[data-verdict]")) each.setAttribute("aria-pressed", String(each.dataset.verdict === ship.verdict));
    }
    return row;
  }

  #newRow(ship) {
    const actions = !this.writes ? ship.verdict : ship.isDrawn ? h("span", { class: "drawn-mark" }, "drawn") : h("span", { class: "decide" },
      ...["accepted", "rejected"].map((verdict) => {
        const label = { accepted: "Accept", rejected: "Reject" }[verdict];
        return button(label.toLowerCase(), `${label} ${ship.name}`, () => this.decide(ship, verdict), { text: false, "data-verdict": verdict, "aria-pressed": "false" });
      }));
    const cells = COLUMNS.map(([name]) => h("td", { class: `c-${name}` },
      name === "id" ? [h("button", { type: "button", class: "name" }, ship.name), h("span", { class: "marks" })] : name === "verdict" ? actions : ""));
    const row = h("tr", { "data-ship": ship.id }, cells);
    this.#rows.set(ship.id, row);
    return row;
  }

  #click(event) {
    if (event.target.closest(".decide")) return;
    const row = event.target.closest("tr");
    if (row) this.ships.select(row.dataset.ship, { from: "table" });
  }

  #key(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const row = step && event.target.closest("tr")?.[step];
    if (!row) return;
    event.preventDefault();
    row.querySelector(".name").focus();
    this.ships.select(row.dataset.ship, { from: "table" });
  }

  #select(from) {
    for (const row of this.body.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
    const { selected } = this.ships;
    if (!selected) return;
    const index = this.ships.shown.indexOf(selected);
    if (index >= this.#most) { this.#most = index + ROWS; this.draw(); }
    const row = this.#rows.get(selected.id);
    row?.setAttribute("aria-current", "true");
    if (row?.isConnected && from !== "table" && innerWidth > 900) row.scrollIntoView({ block: "nearest" });
  }
}
