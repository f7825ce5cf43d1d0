// A photograph's file becomes upright pixels, as cutis.data.read_photograph makes them on the server.

const STRIP = 512; // rows read at a time: some phones refuse a canvas of more than 16 megapixels

// What is wrong with a file; the page has words for each code.
export class PhotographError extends Error {
  constructor(code, values = {}) {
    super(code);
    this.code = code;
    this.values = values;
  }
}

// { data: Uint8Array of height × width × 3, height, width } of a Blob; EXIF's orientation applied, colour profiles not.
export async function readPhotograph(blob, mostPixels) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const { width, height } = checked(bytes);
  if (width * height > mostPixels) throw new PhotographError("too-large", { width, height, most: mostPixels });
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes], { type: typeOf(bytes) }), {
      imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none",
    });
  } catch {
    throw new PhotographError("damaged");
  }
  try {
    return { pixels: pixelsOf(bitmap), bytes };
  } finally {
    bitmap.close();
  }
}

function pixelsOf(bitmap) {
  const { width, height } = bitmap, data = new Uint8Array(width * height * 3);
  const canvas = new OffscreenCanvas(width, Math.min(STRIP, height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0, to = 0; top < height; top += STRIP) {
    const rows = Math.min(STRIP, height - top);
    context.fillStyle = "#fff"; // a transparent pixel has no colour of its own
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    const read = context.getImageData(0, 0, width, rows).data;
    for (let from = 0; from < read.length; from += 4) {
      data[to++] = read[from]; data[to++] = read[from + 1]; data[to++] = read[from + 2];
    }
  }
  return { data, height, width };
}

function typeOf(bytes) {
  const starts = (...values) => values.every((value, place) => bytes[place] === value);
  if (starts(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "image/png";
  if (starts(0x52, 0x49, 0x46, 0x46) && tag(bytes, 8) === "WEBP") return "image/webp";
  return null;
}

// The size that a file says it has. Browsers show what is there of a truncated file; a lesion is not to be judged by half.
export function checked(bytes) {
  if (!bytes.length) throw new PhotographError("empty");
  const read = { "image/jpeg": jpegSize, "image/png": pngSize, "image/webp": webpSize }[typeOf(bytes)];
  if (!read) throw new PhotographError("no-photograph");
  const size = read(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (!size.width || !size.height) throw new PhotographError("damaged");
  return size;
}

function tag(bytes, at) {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function jpegSize(bytes, view) {
  const size = { width: 0, height: 0 };
  for (let at = 2; ;) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) throw new PhotographError("truncated");
    while (bytes[at + 1] === 0xff) at++;
    if (at + 1 >= bytes.length) throw new PhotographError("truncated");
    const marker = bytes[at + 1];
    if (marker === 0xd9) return size;
    if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { at += 2; continue; }
    if (at + 4 > bytes.length) throw new PhotographError("truncated");
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame && at + 9 <= bytes.length) Object.assign(size, { height: view.getUint16(at + 5), width: view.getUint16(at + 7) });
    at += 2 + view.getUint16(at + 2); // after a scan's header its data follow, in which 0xff 0x00 is no marker
  }
}

function pngSize(bytes, view) {
  if (bytes.length < 33) throw new PhotographError("truncated");
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (tag(bytes, at + 4) === "IEND") return size;
  }
  throw new PhotographError("truncated");
}

function webpSize(bytes, view) {
  if (bytes.length < 30 || view.getUint32(4, true) + 8 > bytes.length) throw new PhotographError("truncated");
  const kind = tag(bytes, 12), three = (at) => view.getUint16(at, true) + (bytes[at + 2] << 16) + 1;
  if (kind === "VP8X") return { width: three(24), height: three(27) };
  if (kind === "VP8 ") return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (kind !== "VP8L") throw new PhotographError("damaged");
  const bits = view.getUint32(21, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
}
