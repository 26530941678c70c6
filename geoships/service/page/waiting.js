// A job that waits, runs, failed or was stopped.
import { ask, ended, follow } from "./api.js";
import { h, saying } from "./dom.js";
import { left } from "./format.js";

// Shows the progress of a job; calls `done` with the job once it was successful. Returns a function that stops it.
export function showWaiting(main, job, done) {
  const state = h("p", { class: "state", role: "status" });
  const bar = h("progress", { max: 100, value: 0, "aria-label": "Progress" });
  const stop = h("button", { type: "button", onclick: saying(async () => { await ask(`/jobs/${job.jobID}`, { method: "DELETE" }); }) }, "Stop");
  const section = h("section", { class: "message waiting" }, h("h1", {}, job.title), bar, state, stop, h("p", {}, h("a", { href: "#" }, "All scenes")));
  main.append(section);
  const put = (now) => {
    if (!now) {
      state.textContent = "This job was deleted.";
    } else if (now.status === "successful") {
      section.remove();
      done(now);
      return;
    } else if (ended(now)) {
      bar.remove();
      state.textContent = now.status === "failed" ? `It failed: ${now.message}` : "It was stopped.";
      state.classList.toggle("fault", now.status === "failed");
    } else {
      bar.value = now.progress;
      state.textContent = left(now);
      return;
    }
    bar.remove();
    stop.remove();
  };
  put(job);
  return ended(job) ? () => {} : follow(job.jobID, put);
}
