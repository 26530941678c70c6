// The view in the address of the page: #job=ID&score=0.5..1&map=12.00/1.05120/3.03210 and so on.

export const read = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

// Changes parts of the view; null removes one.
export function write(changes) {
  const view = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") view.delete(name);
    else view.set(name, value);
  }
  const text = view.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  if (`#${text}` !== location.hash) history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

export const jobAddress = (id) => `#job=${encodeURIComponent(id)}`;

// LOW..HIGH, either end open.
export function range(text) {
  const [low = "", high = ""] = (text || "").split("..");
  const number = (part) => part === "" || !Number.isFinite(Number(part)) ? null : Number(part);
  return [number(low), number(high)];
}

export const rangeText = ([low, high]) => low === null && high === null ? null : `${low ?? ""}..${high ?? ""}`;
