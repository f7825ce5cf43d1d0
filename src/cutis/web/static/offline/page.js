// The page: asks before it keeps anything, takes a photograph, shows the answer.

import { forget, keep, lacking } from "./keeping.js";
import { show as showAnswer } from "./answer.js";

const find = (id) => document.getElementById(id);
const { words, names, build: own, addresses, language, aspect } = JSON.parse(find("facts").textContent);
const megabytes = (bytes) => new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(bytes / 1e6);
const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

// The clinic page's box; a change makes what was answered before out of date.
const crop = new window.CutisCrop(find("cutting"), aspect, () => outdated());
let worker, number = 0, opened = 0, preview = null;
const waiting = new Map();

// One deed of the worker: its result, or an Error with `code` and `values`.
function ask(deed, given) {
  if (!worker) {
    worker = new Worker(addresses.worker, { type: "module" });
    worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = waiting.get(data.number);
      waiting.delete(data.number);
      if (data.problem) reject(Object.assign(new Error(data.problem.code), data.problem));
      else resolve(data.done);
    });
    worker.addEventListener("error", (event) => {
      for (const { reject } of waiting.values()) reject(Object.assign(new Error("failed"), { code: "failed", values: { reason: event.message } }));
      waiting.clear();
    });
  }
  return new Promise((resolve, reject) => {
    waiting.set(++number, { resolve, reject });
    worker.postMessage({ number, deed, given });
  });
}

function tell(id, key, values) {
  const place = find(id);
  place.textContent = key ? say(key, values) : "";
  place.hidden = !key;
}

// For whoever measures or tests the page.
function signal(name, detail) {
  document.dispatchEvent(new CustomEvent(`cutis-${name}`, { detail }));
}

function able() {
  return self.isSecureContext && "serviceWorker" in navigator && "caches" in self && "OffscreenCanvas" in self
    && "DecompressionStream" in self && "WebAssembly" in self;
}

async function begin() {
  if (!able()) {
    tell("problem", self.isSecureContext ? "unable" : "insecure");
    return;
  }
  navigator.serviceWorker.addEventListener("controllerchange", () => { if (find("ask").hidden === false) location.reload(); });
  const registration = await navigator.serviceWorker.getRegistration("/offline/");
  if (registration?.active) {
    ready(registration);
    return;
  }
  const current = await currentBuild();
  if (!current) tell("problem", "no-network");
  else if (current.id !== own) location.reload();
  else await offer(current, "keep");
}

// The build that the server has now; null without network.
async function currentBuild() {
  try {
    const response = await fetch("/offline/build.json", { cache: "no-store" });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

// Say how much would be downloaded, and do it when the button is pressed. id: "keep" or "update".
async function offer(build, id) {
  const total = build.files.reduce((sum, each) => sum + each.bytes, 0);
  const { bytes } = await lacking(build);
  const whole = build.files.reduce((sum, each) => sum + each.download, 0);
  find(`${id}-size`).textContent = say(bytes < whole ? "rest" : "size", { download: megabytes(bytes), stored: megabytes(total), here: megabytes(whole - bytes) });
  find(id).hidden = false;
  find(`${id}-go`).onclick = () => download(build, id, bytes);
}

async function download(build, id, bytes) {
  const button = find(`${id}-go`), bar = find(`${id}-bar`), told = find(`${id}-told`);
  button.disabled = true;
  bar.max = Math.max(bytes, 1);
  bar.hidden = false;
  tell("problem", null);
  try {
    await keep(build, (left) => {
      bar.value = bytes - left;
      told.textContent = say("progress", { done: megabytes(bytes - left), all: megabytes(bytes) });
    });
    await navigator.storage?.persist?.();
    await installed(id);
  } catch (error) {
    console.warn(error);
    tell("problem", ["offline", "full", "damaged", "changed"].includes(error.message) ? `download-${error.message}` : "download-failed", { reason: error.message });
    await offer(build, id);
  } finally {
    button.disabled = false;
    bar.hidden = true;
    told.textContent = "";
  }
}

async function installed(id) {
  const registration = await navigator.serviceWorker.register("/offline/service-worker.js", { scope: "/offline/", updateViaCache: "none" });
  if (id === "update") {
    await registration.update();
    const fresh = registration.installing ?? registration.waiting;
    await settled(fresh);
    registration.waiting?.postMessage("take over"); // the page is then loaded again
    return;
  }
  await settled(registration.installing ?? registration.waiting ?? registration.active);
  find("keep").hidden = true;
  ready(null);
}

// Wait until a service worker is installed or active.
function settled(serviceWorker) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (["installed", "activated"].includes(serviceWorker.state)) resolve();
      else if (serviceWorker.state === "redundant") reject(new Error("storage"));
    };
    serviceWorker.addEventListener("statechange", look);
    look();
  });
}

// Everything is here: load the network and let photographs come. registration: of a page kept before, else null.
async function ready(registration) {
  find("ask").hidden = false;
  find("kept").hidden = false;
  full(false);
  tell("state", "loading");
  try {
    const { milliseconds } = await ask("load", addresses.files);
    signal("loaded", { milliseconds });
    tell("state", "ready");
  } catch (error) {
    tell("state", null);
    tell("problem", error.code in words ? error.code : "failed", error.values);
    return;
  }
  find("answer-go").disabled = false;
  if (!registration || !navigator.onLine) return;
  const current = await currentBuild();
  if (current && current.id !== own) await offer(current, "update");
}

async function open(file) {
  const turn = ++opened;
  outdated();
  full(false);
  tell("problem", null);
  try {
    const found = await ask("open", { file });
    if (turn !== opened) return;
    preview?.close();
    preview = found.preview;
    full(true);
    crop.show(preview);
  } catch (error) {
    if (turn === opened) refuse(error);
  }
}

// Whether there is a photograph.
function full(whether) {
  find("cutting").hidden = !whether;
  find("answer-go").hidden = !whether;
  find("drop").classList.toggle("full", whether);
  for (const each of find("drop").querySelectorAll("[data-full-words]")) each.textContent = whether ? each.dataset.fullWords : each.dataset.emptyWords;
}

function outdated() {
  find("answer").hidden = true;
  find("answer").replaceChildren();
  find("desk").classList.remove("answered");
}

function refuse(error) {
  tell("problem", `photograph-${error.code}` in words ? `photograph-${error.code}` : "failed", error.values);
  find("problem").focus();
}

async function answer(event) {
  event.preventDefault();
  const turn = opened, shares = crop.shares(), box = shares.width < 1 || shares.height < 1 ? shares : null;
  const fields = [...find("ask").querySelectorAll("[name]")].filter((each) => each.value);
  const patient = Object.fromEntries(fields.map((each) => [each.name, each.value]));
  const given = fields.map((each) => each.selectedOptions?.[0].textContent ?? `${each.labels[0].querySelector("span").textContent}: ${each.value}`);
  find("answer-go").disabled = true;
  find("cutting").inert = true;
  tell("problem", null);
  tell("state", "script.asking");
  try {
    const found = await ask("answer", { box, patient });
    if (turn !== opened) return;
    signal("answered", { ...found, box });
    find("desk").classList.add("answered");
    showAnswer(found.answer, { place: find("answer"), template: find("answer-template"), language, words, say, names, given, preview, box });
    tell("state", "script.answered");
  } catch (error) {
    tell("state", null);
    refuse(error);
  } finally {
    find("cutting").inert = false;
    find("answer-go").disabled = false;
  }
}

for (const input of find("drop").querySelectorAll("input")) {
  input.addEventListener("change", () => {
    if (input.files[0]) open(input.files[0]);
    input.value = ""; // the same file may be chosen again
  });
}
document.body.classList.add("scripted");
// Without a touch screen there is hardly a camera behind it.
document.body.classList.toggle("no-touch", navigator.maxTouchPoints === 0);
find("ask").querySelector(".patient")?.addEventListener("input", outdated);
find("ask").addEventListener("submit", answer);
find("forget").addEventListener("click", async () => {
  await forget();
  location.reload();
});
begin();
