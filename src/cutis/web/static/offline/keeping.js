// What this device keeps: every file of the app under the hash of its content. An interrupted download goes on where it
// stopped, and a new version fetches only what changed.

export const CACHE = "cutis-offline";
const PIECE = 1 << 20;

export const contentKey = (sha256) => `/offline/content/${sha256}`;
const pieceKey = (sha256, number) => `/offline/pieces/${sha256}/${number}`;

// The files of a build that are not here yet, and how many bytes are left to download.
export async function lacking(build) {
  const cache = await caches.open(CACHE);
  const here = new Set((await cache.keys()).map((each) => new URL(each.url).pathname));
  const files = build.files.filter((each) => !here.has(contentKey(each.sha256)));
  const left = (file) => {
    let bytes = file.download;
    for (let n = 0; n * PIECE < file.download; n++) if (here.has(pieceKey(file.sha256, n))) bytes -= Math.min(PIECE, file.download - n * PIECE);
    return bytes;
  };
  return { files, bytes: files.reduce((sum, each) => sum + left(each), 0) };
}

// Download what is lacking; progress(bytes left) is called after each piece. Throws "offline", "changed", "damaged" or "full".
export async function keep(build, progress) {
  const cache = await caches.open(CACHE);
  const missing = await lacking(build);
  let left = missing.bytes;
  const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
  const needed = missing.files.reduce((sum, each) => sum + each.bytes + each.download, 0);
  if (quota && quota - usage < needed) throw new Error("full");
  for (const file of missing.files) {
    const pieces = [];
    let headers;
    for (let n = 0; n === 0 || n * PIECE < file.download; n++) {
      let piece = await cache.match(pieceKey(file.sha256, n));
      if (!piece) {
        piece = await fetchedPiece(file, n);
        await put(cache, pieceKey(file.sha256, n), piece.clone());
        left -= Math.min(PIECE, file.download - n * PIECE);
        progress(left);
      }
      headers ??= piece.headers;
      pieces.push(await piece.blob());
    }
    const content = await joined(file, pieces);
    if (await sha256(content) !== file.sha256) {
      await forgetPieces(cache, file.sha256);
      throw new Error("damaged");
    }
    const kept = new Headers({ "content-type": headers.get("content-type"), "content-security-policy": headers.get("content-security-policy") ?? "" });
    if (file.packed) kept.set("x-unpacked", "yes");
    await put(cache, contentKey(file.sha256), new Response(content, { headers: kept }));
    await forgetPieces(cache, file.sha256);
  }
}

// Everything this page keeps goes.
export async function forget() {
  await caches.delete(CACHE);
  const registration = await navigator.serviceWorker.getRegistration("/offline/");
  await registration?.unregister();
}

async function fetchedPiece(file, number) {
  const from = number * PIECE, to = Math.min(from + PIECE, file.download) - 1;
  let response;
  try {
    response = await fetch(file.address, { headers: file.download > PIECE ? { range: `bytes=${from}-${to}` } : {}, cache: "no-store" });
    if (response.status === 404) throw new Error("changed");
    if (!response.ok) throw new Error("offline");
    const body = await response.blob();
    // A server or proxy may send the whole of it all the same.
    const piece = response.status === 206 || body.size <= to - from + 1 ? body : body.slice(from, to + 1);
    return new Response(piece, { headers: response.headers });
  } catch (error) {
    throw error.message === "changed" ? error : new Error("offline", { cause: error });
  }
}

async function joined(file, pieces) {
  const whole = new Blob(pieces);
  if (!file.packed) return whole.arrayBuffer();
  try {
    return await new Response(whole.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  } catch {
    return new ArrayBuffer(0); // its hash tells that it is damaged
  }
}

async function put(cache, key, response) {
  try {
    await cache.put(key, response);
  } catch (error) {
    throw new Error(error.name === "QuotaExceededError" ? "full" : "storage", { cause: error });
  }
}

async function sha256(content) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

async function forgetPieces(cache, sha) {
  for (const each of await cache.keys()) {
    if (new URL(each.url).pathname.startsWith(`/offline/pieces/${sha}/`)) await cache.delete(each);
  }
}
