// The map: scene, scores and ships by MapLibre GL. It shows what `Ships` has; the table does the same in words.
import { ask } from "./api.js";
import { h } from "./dom.js";
import { WORKER, box, ground, sceneStyle, shipLayers, shipSources } from "./layers.js";
import { isDark } from "./theme.js";

export function hasWebGL() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

export class SceneMap {
  #ended = new AbortController();

  // Resolves once the map has loaded.
  static async make(place, job, settings, ships, start) {
    const library = await import("./vendor/maplibre-gl.mjs");
    library.setWorkerUrl(WORKER());
    const { minzoom, maxzoom } = await ask(`/jobs/${job.jobID}/layers/scene/WebMercatorQuad/tilejson.json?tilesize=512`);
    const zooms = { minzoom: Math.max(0, minzoom - 3), maxzoom };
    const map = new SceneMap(place, library, { job, settings, ships, start, zooms });
    await map.loaded;
    return map;
  }

  constructor(place, library, { job, settings, ships, start, zooms }) {
    Object.assign(this, { place, library, job, settings, ships, zooms });
    const view = start ? { center: start.center, zoom: start.zoom } : { bounds: box(job), fitBoundsOptions: { padding: 24 } };
    this.gl = new library.Map({
      container: place, ...view, style: sceneStyle(job, settings, isDark(), { zooms }), maxZoom: 19, attributionControl: false,
      dragRotate: false, pitchWithRotate: false, touchPitch: false, fadeDuration: 0,
      locale: { "Map.Title": "Map of the scene; the table has the same ships" },
    });
    this.gl.touchZoomRotate.disableRotation();
    this.gl.keyboard.disableRotation();
    this.gl.addControl(new library.NavigationControl({ showCompass: false }), "top-right");
    this.gl.addControl(new library.ScaleControl({ maxWidth: 120 }), "bottom-left");
    this.gl.addControl(new library.AttributionControl({ compact: true }), "bottom-right");
    this.loaded = new Promise((resolve, reject) => {
      this.gl.once("load", () => { this.#begin(); resolve(); });
      this.gl.on("error", ({ error }) => { if (/webgl/i.test(error?.message ?? "")) reject(error); });
    });
  }

  #begin() {
    const sources = shipSources(this.ships.shown);
    for (const [name, data] of Object.entries(sources)) this.gl.addSource(name, { type: "geojson", data, promoteId: "ship", tolerance: 0 });
    for (const layer of shipLayers) this.gl.addLayer(layer);
    this.place.dataset.loaded = "true";
    const { signal } = this.#ended;
    for (const name of ["shown", "changed"]) this.ships.addEventListener(name, () => this.#draw(), { signal });
    this.ships.addEventListener("selected", ({ detail }) => this.#select(detail.from), { signal });
    document.addEventListener("theme", () => this.gl.setPaintProperty("ground", "background-color", ground(isDark())), { signal });
    this.gl.on("click", (event) => this.#click(event));
    this.gl.on("mousemove", (event) => {
      this.gl.getCanvas().style.cursor = this.busy ? "crosshair" : this.#shipAt(event.point) ? "pointer" : "";
    });
    this.#select("begin");
  }

  #draw() {
    for (const [name, data] of Object.entries(shipSources(this.ships.shown))) this.gl.getSource(name).setData(data);
  }

  // The ship at a place of the map, with some pixels around for fingers.
  #shipAt({ x, y }) {
    const around = [[x - 6, y - 6], [x + 6, y + 6]];
    const found = [...this.gl.queryRenderedFeatures([x, y], { layers: ["fill"] }), ...this.gl.queryRenderedFeatures(around, { layers: ["fill", "rings"] })];
    return found[0]?.properties.ship ?? null;
  }

  #click(event) {
    if (this.busy) this.busy(event.lngLat);
    else this.ships.select(this.#shipAt(event.point), { from: "map" });
  }

  #select(from) {
    for (const source of ["ships", "places"]) {
      if (this.marked) this.gl.setFeatureState({ source, id: this.marked }, { selected: false });
      if (this.ships.selected) this.gl.setFeatureState({ source, id: this.ships.selected.id }, { selected: true });
    }
    this.marked = this.ships.selected?.id ?? null;
    if (this.ships.selected && !["map", "begin", "add"].includes(from)) this.show(this.ships.selected);
  }

  // Brings a ship into the view, nearer if it is small there.
  show(ship) {
    const center = ship.place;
    if (!center) return;
    const near = Math.max(this.gl.getZoom(), Math.min(15, this.zooms.maxzoom));
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.gl.easeTo({ center, zoom: near, duration: still ? 0 : 500 });
  }

  // Comes so near that the corners of an outline can be told apart.
  near(ring) {
    const [xs, ys] = [ring.map(([x]) => x), ring.map(([, y]) => y)];
    const { clientWidth, clientHeight } = this.place;
    const bounds = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    this.gl.fitBounds(bounds, { padding: 0.3 * Math.min(clientWidth, clientHeight), maxZoom: 18, duration: 0 });
  }

  get bounds() {
    const view = this.gl.getBounds();
    return [view.getWest(), view.getSouth(), view.getEast(), view.getNorth()];
  }

  get center() { const { lng, lat } = this.gl.getCenter(); return [lng, lat]; }

  setPicture({ brightness, contrast, saturation }) {
    const paint = {
      "raster-brightness-min": Math.max(0, brightness) * 0.6, "raster-brightness-max": 1 + Math.min(0, brightness) * 0.8,
      "raster-contrast": contrast, "raster-saturation": saturation,
    };
    for (const [name, value] of Object.entries(paint)) this.gl.setPaintProperty("scene", name, value);
    this.picture = paint;
    this.second?.setPaint(paint);
  }

  showLayer(id, visible) { if (this.gl.getLayer(id)) this.gl.setLayoutProperty(id, "visibility", visible ? "visible" : "none"); }
  showShips(visible) { for (const { id } of shipLayers) this.showLayer(id, visible); }
  setScores(opacity) { this.gl.setPaintProperty("scores", "raster-opacity", opacity); }

  // Handles of an outline: buttons that are dragged, or moved by the arrow keys.
  handle(position, { label, kind, moved, key }) {
    const element = h("button", { type: "button", class: `handle ${kind}`, "aria-label": label, title: label });
    const marker = new this.library.Marker({ element, draggable: kind === "corner" }).setLngLat(position).addTo(this.gl);
    element.setAttribute("aria-label", label);
    element.tabIndex = 0;
    marker.on("drag", () => moved(marker.getLngLat().toArray(), false));
    marker.on("dragend", () => moved(marker.getLngLat().toArray(), true));
    element.addEventListener("click", (event) => event.stopPropagation());
    element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step && kind === "corner") {
        const size = event.shiftKey ? 10 : 2;
        const { x, y } = this.gl.project(marker.getLngLat());
        const next = this.gl.unproject([x + size * step[0], y + size * step[1]]);
        marker.setLngLat(next);
        moved(next.toArray(), false);
      } else if (!key(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    return { marker, element };
  }

  // The outline that is being drawn.
  sketch(ring) {
    const data = { type: "FeatureCollection", features: ring ? [{ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[...ring, ring[0]]] } }] : [] };
    if (this.gl.getSource("sketch")) {
      this.gl.getSource("sketch").setData(data);
      return;
    }
    this.gl.addSource("sketch", { type: "geojson", data, tolerance: 0 });
    this.gl.addLayer({ id: "sketch-fill", type: "fill", source: "sketch", paint: { "fill-color": "#ffffff", "fill-opacity": 0.18 } });
    this.gl.addLayer({ id: "sketch", type: "line", source: "sketch", paint: { "line-color": "#ffffff", "line-width": 2.5 } });
  }

  stop() {
    this.#ended.abort();
    this.second?.stop();
    this.gl.remove();
  }
}
