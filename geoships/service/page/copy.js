// Copies a text. Pages of other machines without TLS have no clipboard, so that the old way is there besides.
import { h, say } from "./dom.js";

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "unseen", "aria-hidden": "true" });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) {
      say(`${what}: ${text}`);
      return;
    }
  }
  say(`${what} copied.`);
}
