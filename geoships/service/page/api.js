// Requests to the service. Faults are problem documents, of which `detail` is a line for people.
import { askKey } from "./key.js";

export class Fault extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// Addresses are relative to the page, so that the service may stand under a path of a proxy.
export const url = (path) => new URL(path.replace(/^\//, ""), document.baseURI).href;
export const jobUrl = (id, path = "") => url(`/jobs/${encodeURIComponent(id)}${path}`);

export async function send(path, { method = "GET", json, body, headers = {} } = {}) {
  const sent = { ...headers, ...(json === undefined ? {} : { "Content-Type": "application/json" }) };
  let answer;
  try {
    answer = await fetch(url(path), { method, headers: sent, body: json === undefined ? body : JSON.stringify(json), credentials: "same-origin" });
  } catch {
    throw new Fault(0, "The service does not answer. Is it still running?");
  }
  if (answer.status === 401) {
    await askKey();
    return send(path, { method, json, body, headers });
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Fault(answer.status, problem.detail || `The service answered ${answer.status}.`);
  }
  return answer;
}

export async function ask(path, options = {}) {
  const answer = await send(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  return answer.status === 204 ? null : answer.json();
}

// All features of a collection, page by page.
export async function features(id, query = "") {
  const found = [];
  for (;;) {
    const page = await ask(`/collections/${encodeURIComponent(id)}/items?limit=5000&offset=${found.length}${query}`);
    found.push(...page.features);
    if (!page.numberReturned || found.length >= page.numberMatched) return found;
  }
}

// Calls `changed` with each status of a job until it has ended; returns a function that stops listening.
export function follow(id, changed) {
  const stream = new EventSource(jobUrl(id, "/events"));
  stream.addEventListener("status", (event) => {
    const job = JSON.parse(event.data);
    if (ended(job)) stream.close();
    changed(job);
  });
  stream.addEventListener("gone", () => {
    stream.close();
    changed(null);
  });
  return () => stream.close();
}

export const ended = (job) => ["successful", "failed", "dismissed"].includes(job.status);
