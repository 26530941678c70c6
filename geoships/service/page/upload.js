// Sends files in pieces (tus 1.0), so that a broken connection loses one piece alone.
import { Fault, ask, send } from "./api.js";

const PIECE = 8 << 20; // bytes
const TRIES = 5;
const TUS = { "Tus-Resumable": "1.0.0" };

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

async function begin(file) {
  const headers = { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": `filename ${base64(file.name)}` };
  const answer = await send("/uploads", { method: "POST", headers });
  return `/uploads/${answer.headers.get("Location").split("/").pop()}`;
}

const offsetOf = (answer) => Number(answer.headers.get("Upload-Offset"));

async function piece(place, file, offset) {
  const headers = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
  for (let trial = 1; ; trial += 1) {
    try {
      return offsetOf(await send(place, { method: "PATCH", headers, body: file.slice(offset, offset + PIECE) }));
    } catch (error) {
      const again = error instanceof Fault && (error.status === 0 || error.status >= 500) && error.status !== 507;
      if (!again || trial >= TRIES) throw error;
      await pause(trial);
      const known = await send(place, { method: "HEAD", headers: TUS }).then(offsetOf, () => offset);
      if (known !== offset) return known;
    }
  }
}

// Uploads files and begins a job with them. `told` gets the share that is sent, 0 to 1.
export async function uploadScene(files, options, told) {
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  const places = [];
  let before = 0;
  try {
    for (const file of files) {
      if (!file.size) throw new Fault(0, `${file.name} is empty.`);
      places.push(await begin(file));
      for (let offset = 0; offset < file.size;) {
        offset = await piece(places.at(-1), file, offset);
        told((before + offset) / total);
      }
      before += file.size;
    }
  } catch (error) {
    for (const place of places) send(place, { method: "DELETE", headers: TUS }).catch(() => {});
    throw error;
  }
  const scenes = places.map((href) => ({ href })); // they are the job's from now on, and gone where it is refused
  return beginJob(scenes.length === 1 ? scenes[0] : scenes, options);
}

export const beginJob = (scene, options) => ask("/processes/detect-ships/execution", { method: "POST", json: { inputs: { scene, ...options } } });
