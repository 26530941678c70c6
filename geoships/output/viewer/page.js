"use strict";
// Shows the scene, its ships and their table; everything comes from the element #content (see geoships/workflows/view.py).
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const { columns, values, scene } = content;
  const count = content.outlines.length;
  const ROWS = 200; // of the table at first, and added by each click on the button
  const RAMP = ["#ff5d3b", "#ff9a3d", "#ffd23f", "#f6ff6e"]; // of scores, from low to high

  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const find = (selector) => document.querySelector(selector);

  // --- values

  const shown = (column, ship) => {
    const value = values[column.name][ship];
    if (value === null) return "–";
    if (column.kind === "number") {
      const text = value.toLocaleString("en", { maximumFractionDigits: column.digits, minimumFractionDigits: column.digits });
      return `${text}${column.unit && column.unit !== "°" ? " " : ""}${column.unit}`;
    }
    return column.kind === "bool" ? (value ? "yes" : "no") : String(value);
  };
  const classes = new Map((content.classes || []).map((each) => [each.name, each.colour]));
  const classOf = (ship) => classes.size ? values.class[ship] : null;
  const name = (ship) => {
    const kind = classOf(ship) || "ship";
    return `${kind[0].toUpperCase()}${kind.slice(1)} ${content.names[ship]}`;
  };
  const scores = values.score || null;
  const known = scores ? scores.filter((score) => score !== null) : [];
  const lowest = known.length ? Math.floor(Math.min(...extremes(known)) * 100) / 100 : 0;
  const highest = known.length ? Math.max(...extremes(known)) : 1;

  function extremes(numbers) { // spread into Math.min, a long list would overflow the stack
    let low = Infinity, high = -Infinity;
    for (const number of numbers) { low = Math.min(low, number); high = Math.max(high, number); }
    return [low, high];
  }

  function colour(ship) {
    if (classes.has(classOf(ship))) return classes.get(classOf(ship));
    const score = scores ? scores[ship] : null;
    if (score === null) return RAMP[2];
    const part = highest > lowest ? (score - lowest) / (highest - lowest) : 1;
    const place = Math.min(RAMP.length - 1, Math.max(0, part * (RAMP.length - 1)));
    const at = Math.min(RAMP.length - 2, Math.floor(place));
    const channel = (hex, index) => parseInt(hex.slice(1 + 2 * index, 3 + 2 * index), 16);
    const mixed = [0, 1, 2].map((i) => Math.round(channel(RAMP[at], i) + (place - at) * (channel(RAMP[at + 1], i) - channel(RAMP[at], i))));
    return `rgb(${mixed.join(",")})`;
  }

  // --- map

  const crs = content.on_map ? L.CRS.EPSG3857 : L.Util.extend({}, L.CRS.Simple, {
    distance: (a, b) => Math.hypot(a.lat - b.lat, a.lng - b.lng) * (content.pixel_metres || 1),
  });
  const map = L.map("map", {
    crs, renderer: L.canvas({ padding: 0.3, tolerance: 5 }), attributionControl: false, zoomSnap: 0.25,
    minZoom: content.on_map ? 0 : -10, maxZoom: 24, worldCopyJump: false,
  });
  const bounds = L.latLngBounds(scene.bounds);
  L.imageOverlay(scene.picture, bounds, { alt: `Scene ${content.title}` }).addTo(map);
  map.fitBounds(bounds);
  map.setMinZoom(map.getZoom() - 3);
  map.setMaxZoom(Math.max(map.getZoom(), Math.ceil(map.getScaleZoom(32 * scene.columns / map.getSize().x, map.getZoom()))));
  if (content.on_map || content.pixel_metres) L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);

  // Delta-encoded integers, alternating y and x.
  const decoded = (ring) => {
    const points = [];
    let y = 0, x = 0;
    for (let i = 0; i < ring.length; i += 2) {
      y += ring[i]; x += ring[i + 1];
      points.push([y / content.unit, x / content.unit]);
    }
    return points;
  };
  const made = review.decisions(`geoships ${content.title} ${count} ${content.about}`);
  const VERDICT_LOOK = { accepted: { color: "#37d67a" }, rejected: { color: "#aab4be", dashArray: "4 4" } };
  const drawn = (ship) => ({ color: colour(ship), dashArray: null, weight: 2, ...VERDICT_LOOK[made.verdict(ship)] });
  const dots = L.layerGroup();
  const ships = content.outlines.map((parts, ship) => {
    const corners = parts.map((rings) => rings.map(decoded));
    const look = { ...drawn(ship), fillOpacity: 0.05 };
    const outline = L.polygon(corners, look);
    // A ring makes small ships visible, and large enough to tap.
    const middle = corners.length ? outline.getBounds().getCenter() : null;
    const dot = middle ? L.circleMarker(middle, { ...look, weight: 1.5, radius: 7 }) : null;
    for (const layer of [outline, dot]) if (layer) layer.on("click", () => choose(ship, true));
    return { outline, dot, middle, corners };
  });
  const smallest = (() => { // minimum zoom at which most ships are larger than their ring
    const zoom = map.getZoom();
    const lengths = ships.filter((ship) => ship.middle).map(({ outline }) => {
      const box = outline.getBounds();
      const low = map.project(box.getSouthWest(), zoom), high = map.project(box.getNorthEast(), zoom);
      return Math.max(Math.abs(high.x - low.x), Math.abs(high.y - low.y));
    }).sort((a, b) => a - b);
    const median = lengths.length ? lengths[lengths.length >> 1] : 1;
    return map.getScaleZoom(22 / Math.max(median, 1e-9), zoom);
  })();
  const ring = () => { if (map.getZoom() < smallest) dots.addTo(map); else dots.remove(); };
  map.on("zoomend", ring);

  const plate = (position, build) => {
    const control = L.control({ position });
    control.onAdd = () => build();
    control.addTo(map);
  };
  if (classes.size) plate("topright", () => {
    const box = element("div", null, { class: "plate classes" });
    for (const [kind, tint] of classes) {
      const line = element("span"), mark = element("i");
      mark.style.background = tint;
      line.append(mark, element("b", kind));
      box.append(line);
    }
    return box;
  });
  else if (known.length) plate("topright", () => {
    const box = element("div", null, { class: "plate" });
    const bar = element("i");
    bar.style.background = `linear-gradient(90deg, ${RAMP.join(",")})`;
    const ends = element("span");
    ends.append(element("b", lowest.toFixed(2)), element("b", "score"), element("b", highest.toFixed(2)));
    box.append(bar, ends);
    return box;
  });
  const place = element("div", null, { class: "plate position" });
  plate("bottomright", () => place);
  map.on("mousemove", ({ latlng }) => {
    const at = content.on_map ? latlng.wrap() : latlng;
    place.textContent = content.on_map ? `lon ${at.lng.toFixed(5)}, lat ${at.lat.toFixed(5)}`
      : `column ${at.lng.toFixed(1)}, row ${(-at.lat).toFixed(1)}`;
  });

  // --- a ship

  const picture = (ship, size) => content.chips[ship] === undefined ? null : element("img", null, {
    src: `data:image/webp;base64,${content.chips[ship]}`, alt: `${name(ship)} in the scene`, width: size, height: size, loading: "lazy",
  });
  function details(ship) {
    const box = element("div", null, { class: "ship" });
    const chip = picture(ship, 160);
    const list = element("dl");
    for (const column of columns) list.append(element("dt", column.label), element("dd", shown(column, ship)));
    box.append(element("h2", name(ship)), ...(chip ? [chip] : []), list, buttons(ship, true));
    return box;
  }

  // --- decisions

  const DECISIONS = [ // name of the state, what the button says and does, its sign in the table, its key
    ["accepted", "Accept", "\u2713", "a", (ship) => made.toggle(ship, "accepted")],
    ["rejected", "Reject", "\u2715", "r", (ship) => made.toggle(ship, "rejected")],
    ["hidden", "Hide", "\u2013", "h", (ship) => made.hide(ship)],
  ];
  const isOn = (ship, state) => state === "hidden" ? made.hidden(ship) : made.verdict(ship) === state;

  function buttons(ship, words) {
    const box = element("span", null, { class: "decide" });
    for (const [state, action, sign, , act] of DECISIONS) {
      const button = element("button", words ? action : sign, {
        type: "button", class: state, "aria-label": `${action} ${name(ship)}`, "aria-pressed": String(isOn(ship, state)), title: action,
      });
      button.addEventListener("click", (event) => { event.stopPropagation(); decide(ship, act); });
      box.append(button);
    }
    return box;
  }

  function decide(ship, act) {
    const at = visible.indexOf(ship), held = document.activeElement;
    const kept = held && held.closest(".decide") ? held.className : null;
    act(ship);
    const { outline, dot } = ships[ship];
    outline.setStyle({ ...drawn(ship), weight: ship === chosen ? 4 : 2 });
    if (dot) dot.setStyle({ ...drawn(ship), weight: 1.5 });
    const shown = limit;
    refresh();
    if (shown > limit) { limit = shown; fill(); }
    const button = kept && body.querySelector(`tr[data-ship="${ship}"] .decide .${kept}`);
    if (button) button.focus();
    if (chosen === ship) popup.setContent(details(ship));
    else if (chosen === null && !onMap.has(ship) && visible.length && at >= 0) at_hand = visible[Math.min(at, visible.length - 1)];
  }
  let at_hand = null; // the ship that takes the place of one that went out of sight

  let chosen = null;
  const popup = L.popup({ maxWidth: 300, minWidth: 190 });
  function choose(ship, fromMap) {
    const before = chosen;
    chosen = ship;
    for (const [other, weight] of [[before, 2], [ship, 4]]) {
      if (other !== null) ships[other].outline.setStyle({ weight });
    }
    at_hand = null;
    if (fromMap) reveal(ship);
    for (const row of body.rows) row.setAttribute("aria-selected", String(Number(row.dataset.ship) === ship));
    if (fromMap) {
      const row = body.querySelector(`tr[data-ship="${ship}"]`);
      if (row) row.scrollIntoView({ block: "nearest" });
    }
    const { middle } = ships[ship];
    if (!middle) return;
    if (!fromMap) map.setView(middle, Math.max(map.getZoom(), Math.min(smallest + 1, map.getMaxZoom())), { animate: false });
    popup.setLatLng([ships[ship].outline.getBounds().getNorth(), middle.lng]).setContent(details(ship)).openOn(map);
  }
  map.on("popupclose", () => {
    if (chosen === null) return;
    ships[chosen].outline.setStyle({ weight: 2 });
    for (const row of body.rows) row.setAttribute("aria-selected", "false");
    chosen = null;
  });

  function step(by) {
    if (!visible.length) return;
    const at = visible.indexOf(chosen);
    const next = at_hand !== null ? visible.indexOf(at_hand) : at < 0 ? (by > 0 ? 0 : visible.length - 1) : at + by;
    const ship = visible[Math.max(0, Math.min(visible.length - 1, next))];
    reveal(ship);
    choose(ship, false);
    const row = body.querySelector(`tr[data-ship="${ship}"]`);
    if (row) row.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") map.closePopup();
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const key = event.key.toLowerCase();
    if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
    if (chosen === null) return;
    const ship = chosen, decision = DECISIONS.find(([, , , letter]) => letter === key);
    if (decision) decide(ship, decision[4]);
    if (key === "u") decide(ship, made.clear);
  });

  // --- table

  const head = find("thead tr"), body = find("tbody"), more = find("#more");
  const tabled = columns.filter((column) => column.table);
  let order = { column: tabled.find((column) => column.name === "score") || tabled[0], down: true };
  let visible = [], limit = ROWS;

  const cells = [{ name: null, label: classes.size ? "object" : "ship", kind: "text" }, ...tabled];
  for (const column of cells) {
    const cell = element("th", null, { scope: "col", class: column.kind === "number" ? "" : "text" });
    const button = element("button", column.unit ? `${column.label} (${column.unit})` : column.label, { type: "button" });
    button.addEventListener("click", () => {
      const same = order.column && order.column.name === column.name;
      order = { column, down: same ? !order.down : column.kind === "number" };
      refresh();
    });
    cell.append(button);
    head.append(cell);
  }
  head.append(element("th", "decide", { scope: "col", class: "text decision" }));

  function compare(a, b) {
    if (!order.column) return a - b;
    if (order.column.name === null) return order.down ? b - a : a - b;
    const first = values[order.column.name][a], second = values[order.column.name][b];
    if (first === second) return a - b;
    if (first === null || second === null) return first === null ? 1 : -1; // missing values sort last
    const sign = typeof first === "string" ? first.localeCompare(second) : first - second;
    return order.down ? -sign : sign;
  }

  function row(ship) {
    const line = element("tr", null, {
      "data-ship": ship, "aria-selected": String(ship === chosen), class: made.verdict(ship),
    });
    const first = element("td", null, { class: "text" });
    const button = element("button", null, { type: "button", "aria-label": `Show ${name(ship)} on the map` });
    const chip = picture(ship, 32);
    if (chip) { chip.alt = ""; button.append(chip); }
    button.append(element("span", content.names[ship]));
    first.append(button);
    const last = element("td", null, { class: "text decision" });
    last.append(buttons(ship, false));
    line.append(first, ...tabled.map((column) =>
      element("td", shown({ ...column, unit: "" }, ship), { class: column.kind === "number" ? "" : "text" })), last);
    line.addEventListener("click", () => choose(ship, false));
    return line;
  }

  function fill() {
    body.replaceChildren(...visible.slice(0, limit).map(row));
    more.hidden = visible.length <= limit;
    more.textContent = `Show more (${visible.length - limit} left)`;
  }
  more.addEventListener("click", () => { limit += ROWS; fill(); });
  function reveal(ship) {
    const at = visible.indexOf(ship);
    if (at >= limit) { limit = at + 20; fill(); }
  }

  // --- filter

  const slider = find("#score"), least = find("#least");
  slider.min = lowest;
  slider.max = Math.max(lowest, Math.floor(highest * 100) / 100);
  slider.value = lowest;
  find("#filter").hidden = !(known.length && slider.max > slider.min);
  if (find("#filter").hidden) find("#filter").style.display = "none";
  const onMap = new Set();

  const lengths = values.length_m || [];
  find("#lengths").hidden = !lengths.some((length) => length !== null);
  function fitsLength(ship, low, high) { // a ship without a length fits where no limit is given
    if (low === "" && high === "") return true;
    const length = lengths[ship];
    return length !== null && (low === "" || length >= Number(low)) && (high === "" || length <= Number(high));
  }

  function refresh() {
    const from = Number(slider.value), all = from <= lowest, wanted = find("#verdicts").value;
    const [low, high] = ["#shortest", "#longest"].map((selector) => find(selector).value);
    least.textContent = from.toFixed(2);
    visible = [];
    ships.forEach(({ outline, dot }, ship) => {
      const keep = (all || !scores || (scores[ship] !== null && scores[ship] >= from))
        && fitsLength(ship, low, high) && made.fits(ship, wanted);
      if (keep) visible.push(ship);
      if (keep === onMap.has(ship)) return;
      if (keep) { outline.addTo(map); if (dot) dots.addLayer(dot); onMap.add(ship); }
      else { outline.remove(); if (dot) dots.removeLayer(dot); onMap.delete(ship); }
    });
    if (chosen !== null && !onMap.has(chosen)) map.closePopup();
    visible.sort(compare);
    limit = ROWS;
    fill();
    for (const [index, cell] of [...head.cells].slice(0, cells.length).entries()) {
      const sorted = order.column && cells[index].name === order.column.name;
      cell.setAttribute("aria-sort", sorted ? (order.down ? "descending" : "ascending") : "none");
    }
    const noun = classes.size ? "object" : "ship";
    find("#count").textContent = count === 0 ? `No ${noun}s were found in this scene.`
      : `${visible.length} of ${count} ${noun}${count === 1 ? "" : "s"} shown`;
  }
  let waiting = false;
  for (const control of ["#score", "#shortest", "#longest", "#verdicts"].map(find)) {
    control.addEventListener("input", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; refresh(); });
    });
  }

  const stem = content.title.replace(/\.[^.]*$/, "");
  find("#geojson").addEventListener("click", () => review.save(
    `${stem}.ships.geojson`, "application/geo+json", review.geojson(content, made, visible, ships.map(({ corners }) => corners))));
  find("#csv").addEventListener("click", () => review.save(`${stem}.ships.csv`, "text/csv", review.csv(content, made, visible)));

  find("h1").textContent = content.title;
  find("#about").textContent = content.about;
  find("footer").append(...content.notes.map((note) => element("p", note)));
  ring();
  refresh();
})();
