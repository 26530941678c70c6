// Layers of the map: their order, colours by verdict, and what a source holds.
import { jobUrl, url } from "./api.js";
import { headingLine } from "./outline.js";

export const COLOURS = { undecided: "#ffc233", accepted: "#3ddc84", rejected: "#ff6b5e", drawn: "#5cc8ff" };
const TILE = 512; // pixels

const colour = ["match", ["get", "verdict"], ...Object.entries(COLOURS).flat(), COLOURS.undecided];
const selected = ["boolean", ["feature-state", "selected"], false];

export const tiles = (job, layer, more = {}) => ({
  type: "raster",
  tiles: [`${jobUrl(job.jobID, `/layers/${layer}/tiles/WebMercatorQuad/`)}{z}/{x}/{y}.webp?tilesize=${TILE}`],
  tileSize: TILE,
  bounds: box(job),
  ...more,
});

// West, south, east, north; east counts on beyond the antimeridian.
export function box(job) {
  const [west, south, east, north] = job.result.bbox;
  return [west, south, west > east ? east + 360 : east, north];
}

export function sceneStyle(job, settings, dark, { scores = false, zooms = {} } = {}) {
  const base = settings.baseMap ? { base: { type: "raster", tiles: [settings.baseMap], tileSize: 256 } } : {};
  return {
    version: 8,
    sources: { ...base, scene: tiles(job, "scene", zooms), scores: tiles(job, "scores", zooms) },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": ground(dark) } },
      ...(settings.baseMap ? [{ id: "base", type: "raster", source: "base", layout: { visibility: "none" } }] : []),
      { id: "scene", type: "raster", source: "scene", paint: { "raster-fade-duration": 0 } },
      { id: "scores", type: "raster", source: "scores", layout: { visibility: scores ? "visible" : "none" }, paint: { "raster-opacity": 0.85, "raster-fade-duration": 0 } },
    ],
  };
}

export const ground = (dark) => dark ? "#0e1318" : "#dfe5ea";

export const shipLayers = [
  { id: "fill", type: "fill", source: "ships", paint: { "fill-color": colour, "fill-opacity": ["case", selected, 0.28, 0.04] } },
  { id: "headings", type: "line", source: "headings", minzoom: 12.4, paint: { "line-color": colour, "line-width": 1.6, "line-dasharray": [2, 1.2], "line-opacity": ["interpolate", ["linear"], ["zoom"], 12.4, 0, 13.2, 1] } },
  { id: "casing", type: "line", source: "ships", paint: { "line-color": "#0b0f13", "line-width": ["case", selected, 6, 4], "line-opacity": 0.65 } },
  { id: "outline", type: "line", source: "ships", filter: ["!=", ["get", "verdict"], "rejected"], paint: { "line-color": colour, "line-width": ["case", selected, 3.5, 2] } },
  { id: "outline-rejected", type: "line", source: "ships", filter: ["==", ["get", "verdict"], "rejected"], paint: { "line-color": colour, "line-width": ["case", selected, 3.5, 2], "line-dasharray": [2, 1.5] } },
  { id: "rings", type: "circle", source: "places", maxzoom: 13.5, paint: {
    "circle-radius": ["case", selected, 11, 7], "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": colour, "circle-stroke-width": ["case", selected, 3, 1.6],
    "circle-stroke-opacity": ["interpolate", ["linear"], ["zoom"], 12.5, 1, 13.5, 0],
  } },
];

const collection = (found) => ({ type: "FeatureCollection", features: found });
const feature = (ship, geometry) => ({ type: "Feature", properties: { ship: ship.id, verdict: ship.verdict }, geometry });

// Outlines, headings and places of ships as GeoJSON.
export function shipSources(ships) {
  const lines = ships.map((ship) => [ship, headingLine(ship.values)]).filter(([, line]) => line);
  return {
    ships: collection(ships.map((ship) => feature(ship, ship.geometry))),
    headings: collection(lines.map(([ship, coordinates]) => feature(ship, { type: "LineString", coordinates }))),
    places: collection(ships.filter((ship) => ship.place).map((ship) => feature(ship, { type: "Point", coordinates: ship.place }))),
  };
}

export const WORKER = () => url("page/vendor/maplibre-gl-worker.mjs");
