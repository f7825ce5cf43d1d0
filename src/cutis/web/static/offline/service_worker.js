// Serves a build's files from what the page has kept. The server writes `const BUILD = …` above this line: a new build
// makes a new service worker. It downloads nothing by itself: the page asks first.

const CACHE = "cutis-offline";
const KEYS = new Map(BUILD.files.map((each) => [each.address, `/offline/content/${each.sha256}`]));

self.addEventListener("install", (event) => {
  event.waitUntil(complete());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(tidied().then(() => self.clients.claim()));
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (origin !== self.location.origin || event.request.method !== "GET") return;
  if (event.request.cache === "no-store") return; // the page downloads a newer build, from the server itself
  const key = KEYS.get(pathname === "/offline/" ? `/offline/${language()}/` : pathname);
  if (key) event.respondWith(kept(key, event.request));
});

async function complete() {
  const cache = await caches.open(CACHE);
  const here = new Set((await cache.keys()).map((each) => new URL(each.url).pathname));
  // A build that is not all here is not installed: the one before goes on.
  if (![...KEYS.values()].every((each) => here.has(each))) throw new Error("not all files are kept yet");
}

async function tidied() {
  const cache = await caches.open(CACHE), wanted = new Set(KEYS.values());
  for (const each of await cache.keys()) if (!wanted.has(new URL(each.url).pathname)) await cache.delete(each);
}

async function kept(key, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(key)) ?? fetch(request);
}

function language() {
  const ours = BUILD.languages;
  return self.navigator.languages.map((each) => each.split("-")[0]).find((each) => ours.includes(each)) ?? ours[0];
}
