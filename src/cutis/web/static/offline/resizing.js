// Scaling of pixels to the byte as cutis does it with OpenCV on the server (cutis.data.fit_image, network_input).
//
// An image is { data: Uint8Array of height × width × 3, height, width }. Arithmetic is in single precision where
// OpenCV's is, and every sum runs in its order.

const { fround } = Math;

// fit_image: turned by a quarter if the target lies the other way, cut or padded to its shape, then scaled.
export function fitImage(image, height, width, aspect) {
  if ((image.height - image.width) * (height - width) < 0) image = turned(image);
  if (aspect === "crop") image = cropped(image, height / width);
  else if (aspect === "pad") image = padded(image, height / width);
  if (image.height === height && image.width === width) return image;
  return image.height * image.width > height * width ? areaResized(image, height, width) : linearResized(image, height, width);
}

// network_input: bilinear.
export function networkInput(image, height, width) {
  return image.height === height && image.width === width ? image : linearResized(image, height, width);
}

// Python's round: halves go to the even neighbour.
export function roundHalfEven(value) {
  const below = Math.floor(value), rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

// A rectangle of an image, in its pixels.
export function cut(image, top, left, height, width) {
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { data, height, width };
}

// A quarter against the clock, as numpy.rot90.
function turned({ data, height, width }) {
  const out = new Uint8Array(data.length);
  let to = 0;
  for (let x = width - 1; x >= 0; x--) {
    for (let y = 0, from = x * 3; y < height; y++, from += width * 3) {
      out[to++] = data[from]; out[to++] = data[from + 1]; out[to++] = data[from + 2];
    }
  }
  return { data: out, height: width, width: height };
}

function cropped(image, ratio) {
  const rows = Math.min(image.height, roundHalfEven(image.width * ratio));
  const columns = Math.min(image.width, roundHalfEven(image.height / ratio));
  const top = Math.floor((image.height - rows) / 2), left = Math.floor((image.width - columns) / 2);
  return cut(image, top, left, Math.min(Math.max(1, rows), image.height - top), Math.min(Math.max(1, columns), image.width - left));
}

function padded(image, ratio) {
  const { data, height, width } = image;
  const rows = Math.max(0, roundHalfEven(width * ratio) - height), columns = Math.max(0, roundHalfEven(height / ratio) - width);
  if (!rows && !columns) return image;
  const top = Math.floor(rows / 2), left = Math.floor(columns / 2);
  const out = { data: new Uint8Array((height + rows) * (width + columns) * 3), height: height + rows, width: width + columns };
  let to = 0;
  for (let y = 0; y < out.height; y++) {
    const row = mirrored(y - top, height) * width;
    for (let x = 0; x < out.width; x++) {
      const from = (row + mirrored(x - left, width)) * 3;
      out.data[to++] = data[from]; out.data[to++] = data[from + 1]; out.data[to++] = data[from + 2];
    }
  }
  return out;
}

// A place outside is that inside which a mirror on the border shows: fedcba|abcdef|fedcba.
function mirrored(place, size) {
  const period = 2 * size;
  const within = ((place % period) + period) % period;
  return within < size ? within : period - 1 - within;
}

// cv2.INTER_AREA: the mean of what each pixel covers. Where a side grows, OpenCV interpolates instead.
function areaResized(image, height, width) {
  const scaleX = 1 / (width / image.width), scaleY = 1 / (height / image.height);
  if (scaleX < 1 || scaleY < 1) return interpolated(image, height, width, true);
  const stepX = roundHalfEven(scaleX), stepY = roundHalfEven(scaleY);
  const whole = Math.abs(scaleX - stepX) < Number.EPSILON && Math.abs(scaleY - stepY) < Number.EPSILON;
  return whole ? blockMeans(image, height, width, stepY, stepX) : areaMeans(image, height, width, scaleY, scaleX);
}

function blockMeans({ data, width: stride }, height, width, stepY, stepX) {
  const out = new Uint8Array(height * width * 3), share = fround(1 / (stepX * stepY)), halves = stepX === 2 && stepY === 2;
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let dy = 0; dy < stepY; dy++) {
          let from = ((y * stepY + dy) * stride + x * stepX) * 3 + channel;
          for (let dx = 0; dx < stepX; dx++, from += 3) sum += data[from];
        }
        out[to++] = halves ? (sum + 2) >> 2 : roundHalfEven(fround(sum * share));
      }
    }
  }
  return { data: out, height, width };
}

function areaMeans({ data, height: rows, width: columns }, height, width, scaleY, scaleX) {
  const across = areaTable(columns, width, scaleX), down = areaTable(rows, height, scaleY);
  const row = new Float32Array(width * 3), sum = new Float32Array(width * 3), out = new Uint8Array(height * width * 3);
  let current = down.to[0];
  const finish = () => { for (let i = 0, to = current * width * 3; i < sum.length; i++) out[to + i] = roundHalfEven(sum[i]); };
  for (let j = 0; j < down.to.length; j++) {
    row.fill(0);
    const start = down.from[j] * columns * 3;
    for (let k = 0; k < across.to.length; k++) {
      const from = start + across.from[k] * 3, to = across.to[k] * 3, share = across.share[k];
      row[to] = fround(row[to] + fround(data[from] * share));
      row[to + 1] = fround(row[to + 1] + fround(data[from + 1] * share));
      row[to + 2] = fround(row[to + 2] + fround(data[from + 2] * share));
    }
    const share = down.share[j];
    if (down.to[j] === current) {
      for (let i = 0; i < sum.length; i++) sum[i] = fround(sum[i] + fround(share * row[i]));
    } else {
      finish();
      current = down.to[j];
      for (let i = 0; i < sum.length; i++) sum[i] = fround(share * row[i]);
    }
  }
  finish();
  return { data: out, height, width };
}

// Which source pixels each result covers, and with what share.
function areaTable(size, count, scale) {
  const to = [], from = [], share = [];
  const add = (target, source, weight) => { to.push(target); from.push(source); share.push(fround(weight)); };
  for (let i = 0; i < count; i++) {
    const start = i * scale, end = start + scale, cell = Math.min(scale, size - start);
    const last = Math.min(Math.floor(end), size - 1), first = Math.min(Math.ceil(start), last);
    if (first - start > 1e-3) add(i, first - 1, (first - start) / cell);
    for (let source = first; source < last; source++) add(i, source, 1 / cell);
    if (end - last > 1e-3) add(i, last, Math.min(Math.min(end - last, 1), cell) / cell);
  }
  return { to: Int32Array.from(to), from: Int32Array.from(from), share: Float32Array.from(share) };
}

// cv2.INTER_LINEAR; halving both sides is INTER_AREA in OpenCV too.
function linearResized(image, height, width) {
  const scaleX = 1 / (width / image.width), scaleY = 1 / (height / image.height);
  if (scaleX === 2 && scaleY === 2) return blockMeans(image, height, width, 2, 2);
  return interpolated(image, height, width, false);
}

// Bilinear in fixed point of 11 bits, as OpenCV's for bytes.
function interpolated({ data, height: rows, width: columns }, height, width, area) {
  // Beyond the border OpenCV stops the weights across, and the rows down: rounding tells them apart.
  const across = linearTable(columns, width, area, true), down = linearTable(rows, height, area, false);
  const out = new Uint8Array(height * width * 3), line = width * 3;
  const kept = new Map();
  const horizontal = (y) => {
    const known = kept.get(y);
    if (known) return known;
    const result = new Int32Array(line), start = y * columns * 3;
    for (let x = 0, to = 0; x < width; x++) {
      const from = start + across.from[x] * 3, next = across.from[x] + 1 < columns ? from + 3 : from;
      const a = across.near[x], b = across.far[x];
      for (let channel = 0; channel < 3; channel++) result[to++] = data[from + channel] * a + data[next + channel] * b;
    }
    if (kept.size > 3) kept.delete(kept.keys().next().value);
    kept.set(y, result);
    return result;
  };
  for (let y = 0; y < height; y++) {
    const top = Math.min(Math.max(down.from[y], 0), rows - 1), bottom = Math.min(Math.max(down.from[y] + 1, 0), rows - 1);
    const upper = horizontal(top), lower = horizontal(bottom), a = down.near[y], b = down.far[y];
    for (let i = 0, to = y * line; i < line; i++) {
      const value = (((a * (upper[i] >> 4)) >> 16) + ((b * (lower[i] >> 4)) >> 16) + 2) >> 2;
      out[to + i] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
  return { data: out, height, width };
}

function linearTable(size, count, area, stopped) {
  const inverse = count / size, scale = 1 / inverse;
  const from = new Int32Array(count), near = new Int32Array(count), far = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let place, rest;
    if (area) {
      place = Math.floor(i * scale);
      rest = fround(i + 1 - (place + 1) * inverse);
      rest = rest <= 0 ? 0 : fround(rest - Math.floor(rest));
    } else {
      const exact = fround((i + 0.5) * scale - 0.5);
      place = Math.floor(exact);
      rest = fround(exact - place);
    }
    if (stopped && place < 0) { place = 0; rest = 0; }
    if (stopped && place >= size - 1) { place = size - 1; rest = 0; }
    from[i] = place;
    near[i] = roundHalfEven(fround(fround(1 - rest) * 2048));
    far[i] = roundHalfEven(fround(rest * 2048));
  }
  return { from, near, far };
}
