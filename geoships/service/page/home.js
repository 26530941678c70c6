// The first view: drop a scene, and all jobs.
import { ended, ask, follow } from "./api.js";
import { bytes } from "./format.js";
import { h, icon, say, saying } from "./dom.js";
import { jobCard, updateCard } from "./job-card.js";
import { jobAddress } from "./address.js";
import { beginJob, uploadScene } from "./upload.js";

const PAGE = 24; // jobs at once
const STREAMS = 3; // of events; a browser has six connections for a service
const LOOKING = 3000; // ms between two looks at jobs that wait

export async function showHome(main, settings) {
  document.title = "geoships";
  const list = h("ul", { class: "jobs" });
  const more = h("button", { type: "button", class: "more", hidden: true }, "Older scenes");
  const empty = h("p", { class: "empty", hidden: true }, "No scenes yet. Ships of the first one appear here.");
  const writes = settings.caller.scopes.includes("write");
  main.append(
    h("div", { class: "home" },
      h("section", { class: "begin", "aria-labelledby": "begin" },
        h("h1", { id: "begin" }, "Find ships in a satellite scene"),
        h("p", { class: "lead" }, "Each ship gets an outline, a score, its length and its heading. You check them on a map and take them with you."),
        writes ? beginForm(settings) : h("p", { class: "empty" }, "This key reads alone: it cannot begin jobs.")),
      h("section", { class: "all", "aria-labelledby": "all" }, h("h2", { id: "all" }, "Scenes"), empty, list, more)));
  const jobs = jobList(list, empty, more);
  await jobs.load();
  const leaving = new AbortController();
  if (writes) takeDrops(main.querySelector(".drop"), leaving.signal);
  return () => { leaving.abort(); jobs.stop(); };
}

// A file may be dropped anywhere: beside the place for it a browser would leave the page and open the file.
function takeDrops(zone, signal) {
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
      if (name === "drop") zone.dispatchEvent(new CustomEvent("files", { detail: [...event.dataTransfer.files] }));
    }, { signal });
  }
}

// The list of jobs: those that run tell their progress.
function jobList(list, empty, more) {
  const cards = new Map();
  const streams = new Map();
  let wanted = PAGE;
  let timer = null;
  let stopped = false;

  function put(job) {
    if (cards.has(job.jobID)) updateCard(cards.get(job.jobID), job);
    else cards.set(job.jobID, jobCard(job, () => { drop(job.jobID); load(); }));
    return cards.get(job.jobID);
  }
  function drop(id) {
    cards.get(id)?.remove();
    cards.delete(id);
    streams.get(id)?.();
    streams.delete(id);
  }
  function listen(jobs) {
    for (const job of jobs.filter((each) => each.status === "running").slice(0, STREAMS - streams.size)) {
      if (streams.has(job.jobID)) continue;
      streams.set(job.jobID, follow(job.jobID, (changed) => {
        if (changed) put(changed);
        if (!changed || ended(changed)) { streams.delete(job.jobID); load(); }
      }));
    }
  }
  const load = saying(async () => {
    const found = await ask(`/jobs?limit=${wanted}`);
    if (stopped) return;
    for (const id of [...cards.keys()].filter((key) => !found.jobs.some((job) => job.jobID === key))) drop(id);
    const order = found.jobs.map(put);
    if (order.some((card, index) => list.children[index] !== card)) list.replaceChildren(...order);
    empty.hidden = found.numberMatched > 0;
    more.hidden = found.numberMatched <= found.numberReturned;
    listen(found.jobs);
    clearTimeout(timer);
    if (found.jobs.some((job) => !ended(job))) timer = setTimeout(load, LOOKING);
  });
  more.addEventListener("click", () => { wanted += PAGE; load(); });
  return {
    load,
    stop: () => { stopped = true; clearTimeout(timer); for (const stop of streams.values()) stop(); },
  };
}

function beginForm(settings) {
  const input = h("input", { id: "scene", type: "file", multiple: true, class: "unseen" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Sent" });
  const sending = h("div", { class: "sending", hidden: true }, h("p", {}), bar);
  const options = optionFields(settings);
  const zone = h("div", { class: "drop" }, icon("upload"), h("p", {}, h("strong", {}, "Drop a scene here")),
    h("p", {}, h("label", { for: "scene", class: "main" }, "Choose a file"), input),
    h("p", { class: "hint" }, "GeoTIFF, JPEG 2000, a zipped Sentinel-2 product, or the files of its bands together. ",
      `Up to ${bytes(settings.limits.upload)}.`), sending);

  const begin = async (run) => {
    try {
      const job = await run();
      location.hash = jobAddress(job.jobID);
    } catch (error) {
      say(error.message, { fault: true });
    } finally {
      sending.hidden = true;
      zone.classList.remove("busy");
    }
  };
  const upload = (files) => {
    if (!files.length || zone.classList.contains("busy")) return;
    zone.classList.add("busy");
    sending.hidden = false;
    sending.firstChild.textContent = `Sends ${files.length === 1 ? files[0].name : `${files.length} files`}`;
    bar.value = 0;
    begin(() => uploadScene(files, options.values(), (share) => { bar.value = share; }));
  };
  input.addEventListener("change", () => { upload([...input.files]); input.value = ""; });
  zone.addEventListener("files", (event) => upload(event.detail));
  return h("div", {}, zone, settings.addresses.length ? addressForm(settings, options, begin) : "", options.element);
}

function addressForm(settings, options, begin) {
  const field = h("input", { id: "address", type: "url", required: true, placeholder: settings.addresses[0], "aria-describedby": "address-hint" });
  return h("form", { class: "address", onsubmit: (event) => { event.preventDefault(); begin(() => beginJob({ href: field.value.trim() }, options.values())); } },
    h("label", { for: "address" }, "Or the address of a scene"),
    h("div", { class: "row" }, field, h("button", { type: "submit", class: "main" }, "Begin")),
    h("p", { class: "hint", id: "address-hint" }, `Addresses begin with ${settings.addresses.join(" or ")}`));
}

function optionFields(settings) {
  const model = h("select", { id: "model" }, h("option", { value: "" }, "The one that fits the scene"),
    settings.models.map(({ name, description }) => h("option", { value: name }, `${name}: ${description}`)));
  const sensitivity = h("select", { id: "sensitivity" }, h("option", { value: "" }, "As the model has it"),
    ["high", "balanced", "precise"].map((name) => h("option", { value: name }, { high: "High: more ships, more false alarms", balanced: "Balanced", precise: "Precise: fewer false alarms" }[name])));
  return {
    element: h("details", { class: "options" }, h("summary", {}, "Options"),
      h("div", { class: "fields" }, h("label", { for: "model" }, "Model"), model, h("label", { for: "sensitivity" }, "Sensitivity"), sensitivity)),
    values: () => Object.fromEntries([["model", model.value], ["sensitivity", sensitivity.value]].filter(([, value]) => value)),
  };
}
