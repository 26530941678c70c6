// Dark or light: as the system has it, until a person chooses.
const KEY = "geoships-theme";

const stored = () => { try { return localStorage.getItem(KEY); } catch { return null; } };

export const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

export function startTheme() {
  const chosen = stored();
  if (chosen) document.documentElement.dataset.theme = chosen;
}

export function toggleTheme() {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem(KEY, next); } catch { /* the browser keeps nothing for this page */ }
  document.dispatchEvent(new Event("theme"));
}
