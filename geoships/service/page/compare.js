// Before and after: a second map with the scores over the first one, of which a slider shows the right part.
import { h } from "./dom.js";
import { sceneStyle } from "./layers.js";
import { isDark } from "./theme.js";

export function startCompare(map) {
  const place = h("div", { class: "second", "aria-hidden": "true" });
  const line = h("div", { class: "divider", "aria-hidden": "true" });
  const slider = h("input", { type: "range", class: "swipe", min: 0, max: 100, value: 50, step: 1, "aria-label": "Before and after: the scene on the left, the scores on the right" });
  map.place.append(place, line, slider);
  const style = sceneStyle(map.job, map.settings, isDark(), { scores: true, zooms: map.zooms });
  const second = new map.library.Map({ container: place, style, center: map.gl.getCenter(), zoom: map.gl.getZoom(), maxZoom: 19, interactive: false, attributionControl: false, fadeDuration: 0 });
  second.getCanvas().tabIndex = -1;
  const together = () => second.jumpTo({ center: map.gl.getCenter(), zoom: map.gl.getZoom() });
  const cut = () => {
    place.style.clipPath = `inset(0 0 0 ${slider.value}%)`;
    line.style.left = `${slider.value}%`;
  };
  const setPaint = (paint) => { for (const [name, value] of Object.entries(paint)) second.setPaintProperty("scene", name, value); };
  map.gl.on("move", together);
  slider.addEventListener("input", cut);
  cut();
  second.once("load", () => { if (map.picture) setPaint(map.picture); second.setPaintProperty("scores", "raster-opacity", 1); });
  map.second = {
    setPaint: (paint) => { if (second.isStyleLoaded()) setPaint(paint); },
    stop: () => {
      map.gl.off("move", together);
      second.remove();
      for (const each of [place, line, slider]) each.remove();
      map.second = null;
    },
  };
}
