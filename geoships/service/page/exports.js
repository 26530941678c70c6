// Files of what is shown, labels and rasters.
import { features, jobUrl, url } from "./api.js";
import { h, icon, say, saying } from "./dom.js";
import { count } from "./format.js";

const FORMS = { geojson: "GeoJSON", csv: "CSV", gpkg: "GeoPackage", kml: "KML", parquet: "GeoParquet", fgb: "FlatGeobuf" };

// The filter as a query of the service; rejected: whether the rejected ships are in the file, too.
export function query(filter, rejected = false) {
  const parts = new URLSearchParams({ reviewed: "true", rejected: rejected ? "include" : "leave-out" });
  for (const name of ["score", "length_m"]) {
    const [low, high] = filter[name];
    if (low !== null || high !== null) parts.set(name, `${low ?? ".."}/${high ?? ".."}`);
  }
  for (const name of ["verdict", "class"]) if (filter[name]) parts.set(name, filter[name]);
  if (filter.box) parts.set("bbox", filter.box.map((value) => value.toFixed(7)).join(","));
  return parts.toString();
}

export function exportMenu(ships) {
  const { job } = ships;
  const { placed } = job.result;
  const about = h("p", { class: "hint", id: "exported" });
  const forms = Object.entries(placed ? FORMS : { csv: FORMS.csv }).map(([form, label]) => h("a", { href: "#", download: "", "data-form": form, "aria-describedby": "exported" }, label));
  const rejected = h("input", { id: "with-rejected", type: "checkbox" });
  const menu = h("details", { class: "menu" }, h("summary", { class: "button" }, icon("save"), h("span", {}, "Export")),
    h("div", { class: "sheet" }, h("h2", {}, "Ships that are shown"), about,
      h("div", { class: "check" }, rejected, h("label", { for: "with-rejected" }, "Rejected ones, too")), h("div", { class: "links" }, forms),
      placed ? [h("h2", {}, "Labels for training"), h("p", { class: "hint" }, "What you accepted and drew; what is undecided is a layer to ignore."),
        h("div", { class: "links" }, link(job, "/labels?layer=ships", "Ships"), link(job, "/labels?layer=ignore", "Undecided"))] : "",
      h("h2", {}, "Rasters and pictures"),
      h("div", { class: "links" }, link(job, "/files/scores.tif?download=true", "Scores"), link(job, "/files/mask.tif?download=true", "Mask"), link(job, "/files/preview.png?download=true", "Picture"),
        placed ? "" : link(job, "/files/ships.geojson?download=true", "GeoJSON in pixels"))));
  const refresh = () => {
    const kept = ships.shown.filter((ship) => rejected.checked || ship.verdict !== "rejected");
    const dropped = ships.shown.length - kept.length;
    about.textContent = `${count(kept.length, "ship")}${dropped ? `; ${count(dropped, "rejected one")} left out` : ""}`;
    for (const each of forms) {
      each.setAttribute("href", url(`/collections/${job.jobID}/items?${query(ships.filter, rejected.checked)}&f=${each.dataset.form}`));
      each.toggleAttribute("aria-disabled", ships.filter.verdict === "rejected" && !rejected.checked);
    }
  };
  rejected.addEventListener("change", refresh);
  for (const name of ["shown", "changed"]) ships.addEventListener(name, refresh);
  refresh();
  menu.addEventListener("click", saying(async (event) => {
    const chosen = event.target.closest("a[data-form]");
    if (!chosen) return;
    if (chosen.hasAttribute("aria-disabled")) {
      event.preventDefault();
      say("Rejected ships are left out. Tick “Rejected ones, too”, or choose another decision in the filter.");
    } else if (chosen.dataset.form === "geojson") { // the service answers it page by page
      event.preventDefault();
      const found = await features(job.jobID, `&${query(ships.filter, rejected.checked)}`);
      save(`${stem(job.title)}.ships.geojson`, JSON.stringify({ type: "FeatureCollection", features: found }));
    }
  }));
  closeOutside(menu);
  return menu;
}

const link = (job, path, label) => h("a", { href: jobUrl(job.jobID, path), download: "" }, label);
const stem = (title) => title.replace(/\.[^.]*$/, "") || "scene";

function save(name, text) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "application/geo+json" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function closeOutside(menu) {
  const close = (event) => {
    if (!menu.isConnected) document.removeEventListener("click", close);
    else if (!menu.contains(event.target)) menu.open = false;
  };
  document.addEventListener("click", close);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
