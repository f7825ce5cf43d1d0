"use strict";
(() => {
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const at = (id) => document.getElementById(`map-${id}`);
  const canvas = at("canvas"), pen = canvas.getContext("2d"), tip = at("tip");
  const number = new Intl.NumberFormat("en");
  const diagnosis = data.columns.find((each) => each.name === "named_diagnosis") || data.columns[0];
  const count = data.ids.length, solid = data.axes.length === 3, fresh = new Set(data.new);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const SHADES = ["#440154", "#3b528b", "#21918c", "#5ec962", "#d8c219"];

  // ---- colours, shapes and what is shown
  let column = data.columns[0], hidden = new Set(), shown = [], order = [];
  let ink = "#000", paper = "#fff", quiet = "#8a949a";
  function readColours(printed = false) {
    const style = getComputedStyle(document.documentElement);
    [ink, paper, quiet] = printed ? ["#000000", "#ffffff", "#b8c3c8"] : ["--text", "--page", "--line"].map((name) => style.getPropertyValue(name).trim());
    sprites.clear();
  }
  const colourOf = (colour) => (colour === "ink" ? ink : colour);
  const range = (numbers) => numbers.filter((each) => each !== null)
    .reduce(([a, b], each) => [Math.min(a, each), Math.max(b, each)], [Infinity, -Infinity]);
  function shade(share) {
    const x = Math.min(SHADES.length - 1.001, Math.max(0, share) * (SHADES.length - 1)), n = Math.floor(x), part = x - n;
    const rgb = (hex) => [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16));
    const [a, b] = [rgb(SHADES[n]), rgb(SHADES[n + 1])];
    return `rgb(${a.map((each, k) => Math.round(each + (b[k] - each) * part)).join(",")})`;
  }
  function outline(brush, marker, x, y, r) {
    const corners = { "^": [3, -90], v: [3, 90], s: [4, -45], D: [4, 0], p: [5, -90] }[marker];
    brush.beginPath();
    if (corners) {
      for (let n = 0; n < corners[0]; n++) {
        const angle = (corners[1] + 360 * n / corners[0]) * Math.PI / 180;
        brush.lineTo(x + Math.cos(angle) * r * 1.25, y + Math.sin(angle) * r * 1.25);
      }
      brush.closePath();
    } else if (marker === "P" || marker === "X") {
      const turn = marker === "X" ? Math.PI / 4 : 0, a = r * .42, b = r * 1.25;
      const shape = [[a, b], [a, a], [b, a], [b, -a], [a, -a], [a, -b], [-a, -b], [-a, -a], [-b, -a], [-b, a], [-a, a], [-a, b]];
      for (const [p, q] of shape) brush.lineTo(x + p * Math.cos(turn) - q * Math.sin(turn), y + p * Math.sin(turn) + q * Math.cos(turn));
      brush.closePath();
    } else brush.arc(x, y, marker === "." ? r * .75 : r, 0, 2 * Math.PI);
  }
  const sprites = new Map();
  function sprite(colour, marker, radius) {  // a sign drawn once, then copied for every point
    const key = `${colour} ${marker} ${radius.toFixed(1)}`;
    if (!sprites.has(key)) {
      const made = document.createElement("canvas"), half = Math.ceil(radius * 1.5 + 2), scale = devicePixelRatio || 1;
      made.width = made.height = 2 * half * scale;
      const brush = made.getContext("2d");
      brush.scale(scale, scale);
      outline(brush, marker, half, half, radius);
      brush.fillStyle = colour;
      brush.fill();
      brush.lineWidth = .6;
      brush.strokeStyle = paper;
      brush.stroke();
      sprites.set(key, [made, half]);
    }
    return sprites.get(key);
  }
  function signOf(point) {
    if (column.numbers) {
      const value = column.numbers[point];
      return value === null ? [quiet, "."] : [shade((value - column.low) / (column.high - column.low || 1)), "o"];
    }
    const code = column.codes[point];
    return code < 0 ? [quiet, "."] : [colourOf(column.signs[code][0]), column.signs[code][1]];
  }
  const valueOf = (each, point) => {
    if (each.numbers) return each.numbers[point] === null ? "" : String(each.numbers[point]);
    return each.codes[point] < 0 ? "" : each.values[each.codes[point]];
  };
  function choose(name) {
    column = data.columns.find((each) => each.name === name);
    hidden = new Set();
    if (column.numbers) [column.low, column.high] = range(column.numbers);
    else {
      column.counts = Array(column.values.length + 1).fill(0);
      for (const code of column.codes) column.counts[code < 0 ? column.values.length : code]++;
    }
    legend();
    filter();
  }
  function filter() {
    const code = (point) => (column.numbers ? 0 : column.codes[point]);
    shown = [];
    for (let point = 0; point < count; point++) if (!hidden.has(code(point))) shown.push(point);
    // The rare are drawn over the common, new cases over all.
    const rank = (point) => (fresh.has(point) ? 1e9 : column.numbers ? (column.numbers[point] === null ? -1 : 0) : column.codes[point]);
    order = [...shown].sort((a, b) => rank(a) - rank(b) || a - b);
    table(0);
    draw();
  }
  function legend() {
    const box = at("legend");
    box.replaceChildren();
    if (column.numbers) {
      const scale = element("span", box, undefined, { class: "scale" });
      element("span", scale, number.format(column.low));
      const bar = element("canvas", scale, undefined, { width: 160, height: 12 }), brush = bar.getContext("2d");
      for (let x = 0; x < 160; x++) { brush.fillStyle = shade(x / 159); brush.fillRect(x, 0, 1, 12); }
      element("span", scale, number.format(column.high));
      const missing = column.numbers.filter((each) => each === null).length;
      if (missing) element("span", scale, `not recorded: ${number.format(missing)}`);
      return;
    }
    const entries = column.values.map((value, code) => [code, value, ...column.signs[code], column.counts[code]]);
    const missing = column.counts[column.values.length];
    if (missing) entries.push([-1, "not recorded", null, ".", missing]);
    for (const [code, value, colour, marker, many] of entries) {
      const button = element("button", box, undefined, { type: "button", "aria-pressed": String(!hidden.has(code)) });
      const swatch = element("canvas", button, undefined, { width: 36, height: 36, "aria-hidden": "true" });
      swatch.style.width = swatch.style.height = "18px";
      const brush = swatch.getContext("2d");
      outline(brush, marker, 18, 18, 11);
      brush.fillStyle = colour === null ? quiet : colourOf(colour);
      brush.fill();
      element("span", button, value);
      element("small", button, number.format(many));
      button.addEventListener("click", () => {
        hidden.has(code) ? hidden.delete(code) : hidden.add(code);
        button.setAttribute("aria-pressed", String(!hidden.has(code)));
        filter();
      });
    }
    const all = element("button", box, "Show all", { type: "button", class: "all" });
    all.addEventListener("click", () => { hidden = new Set(); legend(); filter(); });
  }

  // ---- the view: points are within -1 … 1; a map of three dimensions is turned about two of its axes
  const view = { zoom: 1, x: 0, y: 0, turn: .6, tilt: .35 };
  const px = new Float32Array(count), py = new Float32Array(count), depth = new Float32Array(count);
  let width = 0, height = 0, extent = [1, 1], pointed = -1, chosen = -1, waiting = false;
  for (let k = 0; k < 2; k++) extent[k] = data.axes[k].reduce((most, each) => Math.max(most, Math.abs(each)), 1e-6);
  const reach = Math.sqrt(data.ids.reduce((most, _, n) => Math.max(most, data.axes.reduce((sum, axis) => sum + axis[n] ** 2, 0)), 1e-6));
  const unit = () => (solid ? Math.min(width, height) / 2.1 / reach : Math.min((width - 40) / 2 / extent[0], (height - 40) / 2 / extent[1])) * view.zoom;
  function project() {
    const [x, y, z] = data.axes, s = unit();
    const [ct, st, cp, sp] = [Math.cos(view.turn), Math.sin(view.turn), Math.cos(view.tilt), Math.sin(view.tilt)];
    for (let n = 0; n < count; n++) {
      let a = x[n], b = y[n];
      if (solid) {
        const along = st * x[n] + ct * y[n];
        a = ct * x[n] - st * y[n];
        b = cp * z[n] + sp * along;
        depth[n] = sp * z[n] - cp * along;
      }
      px[n] = width / 2 + (a + view.x) * s;
      py[n] = height / 2 - (b + view.y) * s;
    }
  }
  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }
  function paint() {
    const scale = devicePixelRatio || 1;
    project();
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = paper;
    pen.fillRect(0, 0, width, height);
    const base = Math.min(7, Math.max(1.7, 150 / Math.sqrt(count))) * Math.min(2.2, Math.sqrt(view.zoom)) * Math.min(1, Math.max(.6, width / 800));
    const list = solid ? [...order].sort((a, b) => depth[a] - depth[b]) : order;
    for (const point of list) {
      if (px[point] < -20 || px[point] > width + 20 || py[point] < -20 || py[point] > height + 20) continue;
      const [colour, marker] = signOf(point);
      const near = solid ? Math.max(.55, 1 + .4 * depth[point]) : 1;
      const [sign, half] = sprite(colour, marker, Math.round(base * near * (marker === "." ? .8 : 1) * 4) / 4);
      pen.drawImage(sign, px[point] - half, py[point] - half, 2 * half, 2 * half);
      if (fresh.has(point)) ring(point, base + 3.5, 1.6);
    }
    if (chosen >= 0) {
      pen.strokeStyle = ink;
      pen.lineWidth = .8;
      for (const other of data.near[chosen]) {
        if (other < 0) continue;
        pen.beginPath();
        pen.moveTo(px[chosen], py[chosen]);
        pen.lineTo(px[other], py[other]);
        pen.stroke();
        ring(other, base + 2, 1);
      }
      ring(chosen, base + 5, 2.6);
    }
    if (pointed >= 0) ring(pointed, base + 3, 2);
  }
  function ring(point, radius, line) {
    pen.beginPath();
    pen.arc(px[point], py[point], radius, 0, 2 * Math.PI);
    pen.strokeStyle = ink;
    pen.lineWidth = line;
    pen.stroke();
  }
  function resize() {
    const scale = devicePixelRatio || 1;
    width = canvas.clientWidth;
    if (!width) return;
    // As high as the map's shape asks for, but never so high that the page around it cannot be seen.
    height = Math.round(Math.min(Math.max(250, .74 * innerHeight), Math.max(250, solid ? width : width * extent[1] / extent[0] + 40)));
    canvas.style.height = `${height + 2}px`;  // with its border
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    sprites.clear();
    paint();
  }
  function zoom(by, x = width / 2, y = height / 2) {
    const before = unit(), zoomed = Math.min(60, Math.max(1, view.zoom * by));
    const [a, b] = [(x - width / 2) / before, (height / 2 - y) / before];
    view.zoom = zoomed;
    const after = unit();
    view.x += (x - width / 2) / after - a;
    view.y += (height / 2 - y) / after - b;
    if (zoomed === 1) view.x = view.y = 0;
    touching();
    draw();
  }
  const whole = () => { Object.assign(view, { zoom: 1, x: 0, y: 0 }); touching(); draw(); };
  const pan = (dx, dy) => { const s = unit(); view.x += dx / s; view.y -= dy / s; draw(); };
  const turn = (dx, dy) => { view.turn += dx; view.tilt = Math.min(1.5, Math.max(-1.5, view.tilt + dy)); draw(); };
  // A finger moves the page as long as there is nothing to move within the map.
  const touching = () => { canvas.style.touchAction = solid || view.zoom > 1 ? "none" : "pan-y"; };

  // ---- pointing and choosing
  function nearest(x, y, within) {
    let best = -1, least = within * within;
    for (const point of shown) {
      const d = (px[point] - x) ** 2 + (py[point] - y) ** 2;
      if (d < least) [best, least] = [point, d];
    }
    return best;
  }
  const picture = (point) => (data.pictures[point] === undefined ? null : `data:image/jpeg;base64,${data.pictures[point]}`);
  function point(which) {
    pointed = which;
    tip.hidden = which < 0;
    if (which >= 0) {
      tip.replaceChildren();
      const address = picture(which);
      if (address) element("img", tip, undefined, { src: address, alt: "" });
      element("b", tip, data.ids[which] + (fresh.has(which) ? " (new case)" : ""));
      const told = valueOf(column, which);
      element("span", tip, `${column.title}: ${told || "not recorded"}`);
      if (!address) element("span", tip, " · its picture is not in this page");
      const [w, h] = [tip.offsetWidth, tip.offsetHeight];
      tip.style.left = `${Math.max(0, Math.min(width - w, px[which] + 14 + w > width ? px[which] - w - 14 : px[which] + 14))}px`;
      tip.style.top = `${Math.max(0, Math.min(height - h, py[which] - h / 2))}px`;
    }
    draw();
  }
  function keep(which) {
    chosen = which;
    const box = at("chosen");
    box.replaceChildren();
    if (which < 0) element("p", box, "No image is chosen.", { class: "quiet" });
    else {
      element("h3", box, data.ids[which] + (fresh.has(which) ? " (new case)" : ""));
      const address = picture(which), what = valueOf(diagnosis, which);
      if (address) element("img", box, undefined, { src: address, alt: `The image ${data.ids[which]}${what ? `, ${what}` : ""}` });
      else element("p", box, "Its picture is not in this page.", { class: "quiet" });
      const list = element("dl", box);
      for (const each of data.columns) {
        element("dt", list, each.title);
        element("dd", list, valueOf(each, which) || "not recorded");
      }
      if (data.agreement[which] !== null) {
        element("dt", list, "Neighbours with its diagnosis");
        element("dd", list, `${Math.round(100 * data.agreement[which])}%`);
      }
      const near = data.near[which].map((row, n) => [row, data.alike[which][n]]).filter(([row]) => row >= 0);
      if (near.length) {
        element("h4", box, "Most alike to the model, of other lesions");
        const items = element("ul", box, undefined, { class: "nearest" });
        for (const [row, alike] of near) {
          const button = element("button", element("li", items), undefined, { type: "button" });
          const small = picture(row);
          element(small ? "img" : "i", button, undefined, small ? { src: small, alt: "" } : {});
          const words = element("span", button, valueOf(diagnosis, row) || "not recorded");
          element("small", words, `${data.ids[row]} · similarity ${alike.toFixed(2)}`);
          button.addEventListener("click", () => show(row));
        }
      }
    }
    draw();
  }
  function show(which) {  // choose an image and see to it that it is in the field
    if (!shown.includes(which)) { hidden = new Set(); legend(); filter(); }
    keep(which);
    project();
    const s = unit();
    if (px[which] < 20 || px[which] > width - 20) view.x += (width / 2 - px[which]) / s;
    if (py[which] < 20 || py[which] > height - 20) view.y -= (height / 2 - py[which]) / s;
    draw();
  }

  // ---- the pointer: one finger or button moves (turns) the map, two fingers zoom
  const pointers = new Map();
  let moved = 0, spread = 0;
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 1) moved = 0;
    spread = 0;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event), before = pointers.get(event.pointerId);
    if (!before) { point(nearest(x, y, 14)); return; }
    pointers.set(event.pointerId, [x, y]);
    const [dx, dy] = [x - before[0], y - before[1]];
    moved += Math.abs(dx) + Math.abs(dy);
    if (pointers.size === 2) {
      const [[a, b], [c, d]] = [...pointers.values()], apart = Math.hypot(a - c, b - d);
      if (spread) zoom(apart / spread, (a + c) / 2, (b + d) / 2);
      spread = apart;
      pan(dx / 2, dy / 2);
      moved = 99;
    } else if (moved > 4) {
      if (solid && !event.shiftKey) turn(dx / 160, dy / 160);
      else if (solid || view.zoom > 1 || event.pointerType === "mouse") pan(dx, dy);
      if (pointed >= 0) point(-1);
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => {
    const was = pointers.delete(event.pointerId);
    if (kind === "pointercancel" || !was || moved > 4) return;
    const [x, y] = place(event), which = nearest(x, y, event.pointerType === "touch" ? 22 : 14);
    point(event.pointerType === "touch" ? -1 : which);
    keep(which);
  });
  canvas.addEventListener("pointerleave", () => { if (!pointers.size) point(-1); });
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey && !event.metaKey) return;  // else the page could not be scrolled past
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / (event.ctrlKey ? 120 : 400)), ...place(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(2, ...place(event)));

  // ---- keys
  const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function step([dx, dy]) {
    const from = pointed >= 0 ? pointed : chosen;
    if (from < 0) return nearest(width / 2, height / 2, Infinity);
    let best = -1, least = Infinity;
    for (const other of shown) {
      const [x, y] = [px[other] - px[from], py[other] - py[from]];
      const ahead = x * dx + y * dy, aside = Math.abs(x * dy - y * dx);
      if (other === from || ahead <= 0 || aside > ahead) continue;
      const far = ahead + 2 * aside;
      if (far < least) [best, least] = [other, far];
    }
    return best < 0 ? from : best;
  }
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const way = WAYS[event.key];
    if (way && event.shiftKey) solid ? turn(way[0] * .15, way[1] * .15) : pan(-40 * way[0], -40 * way[1]);
    else if (way) {
      const to = step(way);
      if (to >= 0) {
        const s = unit();
        if (px[to] < 10 || px[to] > width - 10) view.x += (width / 2 - px[to]) / s;
        if (py[to] < 10 || py[to] > height - 10) view.y -= (height / 2 - py[to]) / s;
        project();
        point(to);
        canvas.setAttribute("aria-label", `Map of images. ${data.ids[to]}, ${valueOf(column, to) || "not recorded"}`);
      }
    } else if (event.key === "Enter" || event.key === " ") { if (pointed >= 0) keep(pointed); }
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") whole();
    else if (event.key === "Escape") { point(-1); keep(-1); }
    else return;
    event.preventDefault();
  });

  // ---- the table, a page at a time
  const ROWS = 25;
  let first = 0;
  function table(from) {
    first = Math.max(0, Math.min(from, Math.floor(Math.max(0, shown.length - 1) / ROWS) * ROWS));
    const told = [...new Set([diagnosis, column, ...data.columns.slice(1, 3)])];
    at("head").replaceChildren();
    for (const name of ["Image", ...told.map((each) => each.title)]) element("th", at("head"), name, { scope: "col" });
    at("rows").replaceChildren();
    for (const row of shown.slice(first, first + ROWS)) {
      const line = element("tr", at("rows"));
      const button = element("button", element("th", line, undefined, { scope: "row" }), data.ids[row], { type: "button" });
      button.addEventListener("click", () => { show(row); document.querySelector(".both").scrollIntoView({ behavior: still.matches ? "auto" : "smooth" }); });
      for (const each of told) element("td", line, valueOf(each, row) || "not recorded");
    }
    const last = Math.min(first + ROWS, shown.length);
    at("page").textContent = shown.length ? `${number.format(first + 1)} to ${number.format(last)} of ${number.format(shown.length)}` : "No image is shown.";
    at("before").disabled = first === 0;
    at("after").disabled = last === shown.length;
  }
  function element(name, parent, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    parent.append(made);
    return made;
  }

  // ---- the beginning
  document.querySelector(".both").hidden = at("table").hidden = false;
  for (const each of data.columns) element("option", at("colour"), each.title, { value: each.name });
  at("colour").addEventListener("change", () => choose(at("colour").value));
  at("in").addEventListener("click", () => zoom(1.6));
  at("out").addEventListener("click", () => zoom(1 / 1.6));
  at("whole").addEventListener("click", whole);
  if (solid) {
    at("left").addEventListener("click", () => turn(-.3, 0));
    at("right").addEventListener("click", () => turn(.3, 0));
  }
  at("before").addEventListener("click", () => table(first - ROWS));
  at("after").addEventListener("click", () => table(first + ROWS));
  at("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = at("find").value.trim().toLowerCase();
    const exact = data.ids.findIndex((each) => each.toLowerCase() === wanted);
    const found = exact >= 0 ? exact : data.ids.findIndex((each) => each.toLowerCase().includes(wanted));
    at("found").textContent = !wanted ? "" : found < 0 ? "No image on this page has such an id." : `Shown: ${data.ids[found]}`;
    if (wanted && found >= 0) show(found);
  });
  readColours();
  touching();
  choose(column.name);
  resize();
  new ResizeObserver(() => { if (canvas.clientWidth !== width) resize(); }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); legend(); draw(); });
  for (const kind of ["beforeprint", "afterprint"]) addEventListener(kind, () => {
    readColours(kind === "beforeprint");
    legend();
    resize();
  });
})();
