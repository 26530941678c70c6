// What a person decides of the ships of the page, and the files that keep it. Used by page.js.
const review = (() => {
  const VERDICTS = ["accepted", "rejected"];

  // Decisions by ship; kept in the browser, where it allows that, so that they outlive the page.
  function decisions(key) {
    let made = {};
    try { made = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* the browser keeps nothing for this page */ }
    const state = (ship) => made[ship] || { verdict: "", hidden: false };
    const set = (ship, change) => {
      made[ship] = { ...state(ship), ...change };
      try { localStorage.setItem(key, JSON.stringify(made)); } catch { /* as above */ }
    };
    return {
      verdict: (ship) => state(ship).verdict,
      hidden: (ship) => state(ship).hidden,
      toggle: (ship, verdict) => set(ship, { verdict: state(ship).verdict === verdict ? "" : verdict }),
      hide: (ship) => set(ship, { hidden: !state(ship).hidden }),
      clear: (ship) => set(ship, { verdict: "", hidden: false }),
      fits: (ship, wanted) => {
        if (wanted === "hidden" || state(ship).hidden) return wanted === "hidden" && state(ship).hidden;
        return !wanted || wanted === (state(ship).verdict || "undecided");
      },
    };
  }

  const table = (content, made, ship) => {
    const row = { id: content.names[ship] };
    for (const { name } of content.columns) row[name] = content.values[name][ship];
    return { ...row, verdict: made.verdict(ship) || "undecided" };
  };

  // Longitude and latitude, or pixels (column, row) of a scene without a place; rings are closed.
  function geometry(content, corners) {
    const position = ([y, x]) => content.on_map ? [x, y] : [x, -y];
    const polygons = corners.map((rings) => rings.map((ring) => {
      const west = Math.min(...ring.map(([, x]) => x)); // beyond the antimeridian longitudes count on
      const shift = content.on_map && west >= 180 ? 360 : 0;
      return [...ring, ring[0]].map(([y, x]) => position([y, x - shift])).map(([a, b]) => [Number(a.toFixed(7)), Number(b.toFixed(7))]);
    }));
    return polygons.length ? { type: "MultiPolygon", coordinates: polygons } : null;
  }

  function geojson(content, made, ships, corners) {
    const features = ships.map((ship) => ({
      type: "Feature", properties: table(content, made, ship), geometry: geometry(content, corners[ship]),
    }));
    const note = content.on_map ? {} : { description: "Coordinates are pixels (column, row): the scene has no place on Earth" };
    return JSON.stringify({ type: "FeatureCollection", ...note, features });
  }

  function csv(content, made, ships) {
    const names = ["id", ...content.columns.map(({ name }) => name), "verdict"];
    const quoted = (value) => value === null ? "" : /[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
    const rows = ships.map((ship) => { const row = table(content, made, ship); return names.map((name) => quoted(row[name])); });
    return [names.map(quoted), ...rows].map((row) => row.join(",")).join("\r\n") + "\r\n";
  }

  function save(name, kind, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  return { VERDICTS, decisions, geojson, csv, save };
})();
