// Numbers, sizes and times as people read them.
export const metres = (value) => value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} m`;
export const area = (value) => value === null || value === undefined ? "–" : `${Math.round(value).toLocaleString("en")} m²`;
export const score = (value) => value === null || value === undefined ? "–" : value.toFixed(2);
export const degrees = (value) => value === null || value === undefined ? "–" : `${Math.round(value)}°`;
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(size, 1)) / 3));
  const value = size / 1000 ** power;
  return `${value.toFixed(value < 10 && power ? 1 : 0)} ${units[power]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function moment(text) {
  return text ? new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(new Date(text)) : "";
}

// 41.90512, 12.48190: latitude first, as people give places.
export const place = ([lon, lat]) => `${lat.toFixed(6)}, ${lon.toFixed(6)}`;

// What is left of a job, in words.
export function left(job) {
  if (job.status === "accepted") return "waits for a worker";
  if (job.cancelling) return "stops";
  const time = job.secondsLeft === null ? "" : `, ${duration(job.secondsLeft)} left`;
  return `${job.message || "begins"}, ${job.progress} %${time}`;
}
