// The form for a key. The service keeps the key in a cookie which scripts cannot read.
import { h } from "./dom.js";

let asking = null;

// Resolves when the service has taken a key.
export function askKey() {
  asking ??= new Promise((resolve) => form(resolve)).finally(() => { asking = null; });
  return asking;
}

function form(resolve) {
  const fault = h("p", { class: "fault", role: "alert" });
  const field = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "key-hint" });
  const dialog = h("dialog", { class: "key", "aria-labelledby": "key-title" },
    h("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); give(); } },
      h("h2", { id: "key-title" }, "This service needs a key"),
      h("p", { id: "key-hint" }, "The operator makes one with ", h("code", {}, "geoships serve keys add"), "."),
      h("label", { for: "key" }, "Key"), field, fault,
      h("button", { class: "main", type: "submit" }, "Go on")));
  async function give() {
    fault.textContent = "";
    const answer = await fetch(new URL("session", document.baseURI), {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key: field.value.trim() }),
    }).catch(() => null);
    if (answer?.ok) {
      dialog.close();
      dialog.remove();
      resolve();
      return;
    }
    const problem = answer ? await answer.json().catch(() => ({})) : {};
    fault.textContent = problem.detail || "The service does not answer.";
    field.focus();
  }
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // nothing can be seen without a key
  document.body.append(dialog);
  dialog.showModal();
}

export async function forgetKey() {
  await fetch(new URL("session", document.baseURI), { method: "DELETE" });
  location.reload();
}
