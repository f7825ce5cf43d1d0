// The worker: holds the network and one photograph, and answers. Once loaded it asks nobody for anything.

import { blake2b } from "./vendor/noble-hashes/blake2.js";
import { Network } from "./network.js";
import { readPhotograph } from "./photographs.js";
import { cut, roundHalfEven } from "./resizing.js";
import { answerOf, calibrated, learntFeatures, patientCodes } from "./statistics.js";

const PREVIEW = 1200; // pixels of the longer side

let facts, network, known, photograph;

const deeds = { load, open, answer };

addEventListener("message", async ({ data: { number, deed, given } }) => {
  try {
    const started = performance.now();
    const [done, moved] = await deeds[deed](given);
    postMessage({ number, done: { ...done, milliseconds: performance.now() - started } }, moved ?? []);
  } catch (error) {
    const told = typeof error.code === "string" ? { code: error.code, values: error.values } : { code: "failed", values: { reason: String(error) } };
    postMessage({ number, problem: told });
  }
});

// addresses: of facts, runtime, model and, where the bundle has them, features and seen.
async function load(addresses) {
  const fetched = Object.entries(addresses).map(async ([name, address]) => {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return [name, await (await unpacked(response, address)).arrayBuffer()];
  });
  const files = Object.fromEntries(await Promise.all(fetched));
  facts = JSON.parse(new TextDecoder().decode(files.facts));
  if (files.features) facts.familiarity.learnt = learntFeatures(files.features);
  known = new Set(prefixes(new Uint8Array(files.seen)));
  network = await Network.load(facts, files.runtime, files.model);
  await check();
  return [{}];
}

// A drawing must be answered as on the server: a browser that computes otherwise is not let near a photograph.
async function check() {
  const [height, width] = facts.image.decoded, data = new Uint8Array(height * width * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) for (let channel = 1; channel <= 3; channel++) data[at++] = 3 * x * channel + 5 * y;
  }
  const { logits } = await network.outputs({ data, height, width }, facts.patient.fields.map(() => 0));
  const found = calibrated(facts.calibration, logits), { probabilities, tolerance } = facts.check;
  const difference = Math.max(...found.map((each, k) => Math.abs(each - probabilities[k])));
  if (!(difference <= tolerance)) throw Object.assign(new Error("differs"), { code: "differs", values: { difference: difference.toFixed(3) } });
}

// A packed file that the service worker has not unpacked.
async function unpacked(response, address) {
  if (!address.endsWith(".gz") || response.headers.has("x-unpacked")) return response;
  return new Response(response.body.pipeThrough(new DecompressionStream("gzip")));
}

async function open({ file }) {
  photograph = null;
  const { pixels, bytes } = await readPhotograph(file, facts.most_pixels);
  photograph = { pixels, seen: known.has(hexadecimal(blake2b(bytes, { dkLen: 16 }).subarray(0, 8))) ? "image" : "no" };
  const scale = Math.min(1, PREVIEW / Math.max(pixels.width, pixels.height));
  const preview = await createImageBitmap(file, {
    resizeWidth: Math.max(1, Math.round(pixels.width * scale)), resizeHeight: Math.max(1, Math.round(pixels.height * scale)), resizeQuality: "medium",
  });
  return [{ width: pixels.width, height: pixels.height, preview }, [preview]];
}

// box: left, top, width, height in shares of the photograph, or null for all of it; as cutis.web.clinic.crop.cropped.
async function answer({ box, patient }) {
  const { pixels, seen } = photograph;
  const image = box ? inBox(pixels, box) : pixels;
  const codes = patientCodes(facts.patient, patient);
  return [{ answer: answerOf(facts, { ...(await network.outputs(image, codes)), seen }) }];
}

function inBox(pixels, box) {
  const top = Math.min(Math.trunc(box.top * pixels.height), pixels.height - 1);
  const left = Math.min(Math.trunc(box.left * pixels.width), pixels.width - 1);
  const bottom = Math.min(pixels.height, Math.max(top + 1, roundHalfEven((box.top + box.height) * pixels.height)));
  const right = Math.min(pixels.width, Math.max(left + 1, roundHalfEven((box.left + box.width) * pixels.width)));
  return cut(pixels, top, left, bottom - top, right - left);
}

function* prefixes(bytes) {
  for (let at = 0; at < bytes.length; at += 8) yield hexadecimal(bytes.subarray(at, at + 8));
}

function hexadecimal(bytes) {
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}
