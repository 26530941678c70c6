// A job in the list: thumbnail, what was found or how far it is, and the end of it.
import { jobAddress } from "./address.js";
import { ask, ended, jobUrl } from "./api.js";
import { button, h, say, saying } from "./dom.js";
import { bytes, count, left, moment } from "./format.js";

export function jobCard(job, removed) {
  const card = h("li", { class: "card", "data-job": job.jobID });
  card.removed = removed;
  updateCard(card, job);
  return card;
}

export function updateCard(card, job) {
  const state = JSON.stringify([job.status, job.progress, job.message, job.secondsLeft, job.cancelling]);
  if (card.dataset.state === state) return;
  card.dataset.state = state;
  card.dataset.status = job.status;
  if (!ended(job) && card.querySelector("progress")) { // so that the focus stays where it is
    card.querySelector("progress").value = job.progress;
    card.querySelector(".state").textContent = left(job);
    return;
  }
  card.replaceChildren(picture(job), h("div", { class: "about" },
    h("h3", {}, h("a", { href: jobAddress(job.jobID) }, job.title)),
    ...facts(job),
    h("p", { class: "hint" }, `${moment(job.created)} · ${bytes(job.size)}`)), end(card, job));
}

function picture(job) {
  const done = job.status === "successful";
  return h("div", { class: "thumbnail" }, done ? h("img", { src: jobUrl(job.jobID, "/files/thumbnail.webp"), alt: "", loading: "lazy" }) : "");
}

function facts(job) {
  if (job.status === "successful") return [h("p", { class: "found" }, job.result.ships ? count(job.result.ships, "ship") : "No ships found")];
  if (job.status === "failed") return [h("p", { class: "fault" }, job.message)];
  if (job.status === "dismissed") return [h("p", {}, "Stopped")];
  return [h("progress", { max: 100, value: job.progress, "aria-label": `Progress of ${job.title}` }), h("p", { class: "state" }, left(job))];
}

function end(card, job) {
  const label = ended(job) ? `Delete ${job.title}` : `Stop ${job.title}`;
  return button(ended(job) ? "remove" : "reject", label, saying(async () => {
    if (ended(job) && !confirm(`Delete ${job.title}, its ships and all that was said of them?`)) return;
    await ask(`/jobs/${job.jobID}`, { method: "DELETE" });
    say(ended(job) ? `${job.title} is deleted.` : `${job.title} is stopped.`);
    card.removed();
  }), { text: false, class: "quiet end" });
}
