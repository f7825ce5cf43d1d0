"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg", TURN = 2 * Math.PI;
  const data = JSON.parse(document.getElementById("tax-data").textContent);
  const number = new Intl.NumberFormat("en");
  const chart = document.getElementById("tax-chart"), details = document.getElementById("tax-details");
  const pointed = document.getElementById("tax-pointed");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const ruler = document.createElement("canvas").getContext("2d");

  // ---- the tree: above its roots stands one node more, the whole
  const top = { id: "", name: "All diagnoses", kind: "all", children: [], depth: 0, images: 0 };
  const byId = new Map([["", top]]);
  for (const node of data.nodes) {
    node.up = node.parent < 0 ? top : data.nodes[node.parent];
    node.up.children.push(node);
    Object.assign(node, { children: [], depth: node.up.depth + 1, images: node.images || 0 });
    byId.set(node.id, node);
  }
  const all = [top, ...data.nodes];  // each after its parent
  for (const node of all) node.label = node.up ? shortened(node) : node.name;
  for (const node of all) Object.assign(node, { leaves: node.children.length ? 0 : 1, total: node.images });
  for (const node of [...all].reverse()) if (node.up) { node.up.leaves += node.leaves; node.up.total += node.total; }

  // In the chart a name goes without the words that a segment further in has already said: Nevus, Congenital → Congenital.
  function shortened(node) {
    const plain = (text) => text.toLowerCase().replaceAll(",", "").split(" "), words = plain(node.name);
    let said = 0;
    for (let up = node.up; up; up = up.up) {
      const before = plain(up.name);
      if (before.length < words.length && before.every((each, n) => each === words[n])) said = Math.max(said, before.length);
    }
    const rest = node.name.split(" ").slice(said).join(" ");
    return /^(and|or|of|with|on|in|to|from)\b/.test(rest) ? node.name : rest[0].toUpperCase() + rest.slice(1);
  }

  let size = data.counted && top.total ? "total" : "leaves";
  function layout() {
    Object.assign(top, { x0: 0, x1: 1 });
    for (const node of all) {
      let x = node.x0;
      for (const child of node.children) {
        child.x0 = x;
        x += node[size] ? (node.x1 - node.x0) * child[size] / node[size] : 0;
        child.x1 = x;
      }
    }
  }

  // ---- drawing: angles run clockwise from twelve o'clock
  let open = top, chosen = top, active = top, view = null, drawn = [], frame = 0;
  const element = (name, attributes, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.append(made);
    return made;
  };
  const point = (angle, radius) => `${(Math.sin(angle) * radius).toFixed(2)},${(-Math.cos(angle) * radius).toFixed(2)}`;
  const arc = (from, to, radius, clockwise) =>
    `A${radius},${radius} 0 ${Math.abs(to - from) > Math.PI ? 1 : 0} ${clockwise ? 1 : 0} ${point(to, radius)}`;
  function sector(a0, a1, r0, r1) {
    if (a1 - a0 > TURN - 1e-6) {
      const ring = (r) => `M${point(0, r)}${arc(0, Math.PI, r, true)}${arc(Math.PI, TURN, r, true)}Z`;
      return ring(r1) + (r0 > 0 ? ring(r0) : "");
    }
    return `M${point(a0, r1)}${arc(a0, a1, r1, true)}L${point(a1, r0)}${r0 > 0 ? arc(a1, a0, r0, false) : ""}Z`;
  }
  function wrapped(text, room, most) {  // in lines of at most `room` pixels; what is left out is told by an ellipsis
    const wide = (each) => ruler.measureText(each).width > room, lines = [];
    const words = text.split(" ");
    while (words.length && lines.length < most) {
      let line = words.shift();
      while (words.length && !wide(`${line} ${words[0]}`)) line += ` ${words.shift()}`;
      const last = lines.length === most - 1 && words.length > 0;
      if (wide(line) || last) {
        if (last) line = [line, ...words].join(" ");
        while (line.length > 2 && wide(`${line}…`)) line = line.slice(0, -1);
        return line.length > 2 ? [...lines, `${line.replace(/[\s,]+$/, "")}…`] : lines;
      }
      lines.push(line);
    }
    return lines;
  }
  function label(svg, defs, name, a0, a1, r0, r1, font) {
    const middle = (r0 + r1) / 2, line = font * 1.15, whole = a1 - a0 > TURN - 1e-6;
    const mid = whole ? 0 : (a0 + a1) / 2, length = Math.min(a1 - a0, Math.PI) * middle;
    if (length > r1 - r0) {  // along the arc, never upside down
      const lines = wrapped(name, length - 10, Math.min(3, Math.floor((r1 - r0 - 4) / line)));
      const below = Math.cos(mid) < 0, half = Math.min((a1 - a0) / 2, Math.PI / 2);
      lines.forEach((words, n) => {
        const out = ((lines.length - 1) / 2 - n) * line * (below ? -1 : 1);
        const r = middle + out + (below ? .35 : -.35) * font;
        const id = `tax-line-${defs.childNodes.length}`;
        const [from, to] = below ? [mid + half, mid - half] : [mid - half, mid + half];
        element("path", { id, d: `M${point(from, r)}${arc(from, to, r, !below)}` }, defs);
        const text = element("text", { "text-anchor": "middle", "font-size": font }, svg);
        element("textPath", { href: `#${id}`, startOffset: "50%" }, text).textContent = words;
      });
    } else {  // along the radius
      const most = Math.min(2, Math.floor((a1 - a0) * (r0 + 4) / line));
      const lines = most ? wrapped(name, r1 - r0 - 8, most) : [];
      const left = mid > Math.PI;
      lines.forEach((words, n) => {
        const turn = `rotate(${(mid * 360 / TURN - 90).toFixed(2)}) translate(${middle},0)${left ? " rotate(180)" : ""}`;
        const y = ((n - (lines.length - 1) / 2) * line + font * .35).toFixed(1);
        element("text", { transform: turn, y, "text-anchor": "middle", "font-size": font }, svg).textContent = words;
      });
    }
  }
  const plural = (n, one, many) => `${number.format(n)} ${n === 1 ? one : many}`;
  const told = (node) => [
    node.name, node === top ? "" : node.kind, node.children.length ? plural(node.leaves, "diagnosis", "diagnoses") : "",
    data.counted ? plural(node.total, "image", "images") : "",
  ].filter(Boolean).join(" · ");

  // Outer radii of the centre and of the rings, as shares; fewer levels below get wider rings, and names more room.
  const RINGS = [[.3], [.3, 1], [.24, .64, 1], [.2, .48, .75, 1], [.2, .47, .74, .95, 1]];
  const SMALL_RINGS = [[.36], [.36, 1], [.3, .67, 1], [.27, .62, .93, 1]];
  const levels = (node) => Math.max(0, ...node.children.filter((each) => each[size]).map((each) => 1 + levels(each)));
  const side = () => Math.max(240, Math.min(chart.clientWidth, 720, Math.max(500, innerHeight - 260)));
  function framed(node) {  // what is seen when a node is open
    const sets = side() < 480 ? SMALL_RINGS : RINGS;
    const own = size === "total" && node.images > 0 ? 1 : 0;
    const [r0, r1 = 1, r2 = 1, r3 = 1, r4 = 1] = sets[Math.min(Math.max(levels(node), own), sets.length - 1)];
    return { x0: node.x0, x1: node.x1, depth: node.depth, r0, r1, r2, r3, r4 };
  }
  function draw(seen, finished) {
    const box = side(), R = box / 2 - 3, small = box < 480;
    const rings = [seen.r0, seen.r1, seen.r2, seen.r3, seen.r4].map((each) => each * R);
    const font = small ? 11 : 12.5;
    ruler.font = `${font}px ${getComputedStyle(chart).fontFamily}`;
    const radius = (t) => {
      if (t <= 0) return 0;
      const n = Math.min(Math.floor(t), rings.length - 1), low = n ? rings[n - 1] : 0;
      return Math.min(R, low + (rings[n] - low) * (t - n));
    };
    const svg = element("svg", { viewBox: `${-box / 2} ${-box / 2} ${box} ${box}`, width: box, height: box, role: "group" });
    svg.setAttribute("aria-label", "Sunburst of the tree. Arrow keys move, Enter opens, Escape goes back; the same is in the list below.");
    const defs = element("defs", {}, svg), arcs = element("g", {}, svg), words = element("g", { "aria-hidden": "true" }, svg);
    const share = (x) => Math.min(1, Math.max(0, (x - seen.x0) / (seen.x1 - seen.x0)));
    const place = (x0, x1, ring) => {  // null where there is nothing to see
      if (ring < -.999 || ring >= rings.length) return null;
      const at = [share(x0) * TURN, share(x1) * TURN, radius(ring), radius(ring + 1)];
      return at[3] - at[2] < .3 || (at[1] - at[0]) * at[3] < .35 ? null : at;
    };
    drawn = [];
    for (const node of all) {
      const ring = node.depth - seen.depth, at = node[size] ? place(node.x0, node.x1, ring) : null;
      if (size === "total" && node.images && node.children.length) {  // labelled at the node and no finer
        const rest = place(node.x1 - (node.x1 - node.x0) * node.images / node.total, node.x1, ring + 1);
        if (rest && ring > -1) {
          const path = element("path", { class: "rest", d: sector(...rest) }, arcs);
          element("title", {}, path).textContent = `${node.name}: ${plural(node.images, "image", "images")} labelled so and no finer`;
          if (finished && rest[3] - rest[2] > 30) label(words, defs, "no finer label", ...rest, font);
        }
      }
      if (!at) continue;
      const [a0, a1, r0, r1] = at;
      const path = element("path", {
        class: `arc k-${node.kind}`, d: sector(a0, a1, r0, r1), "fill-rule": "evenodd",
        "fill-opacity": (1 - .13 * Math.max(0, Math.min(4, ring - 1))).toFixed(2), "data-id": node.id, role: "button",
        tabindex: -1, "aria-label": node === open && node.up ? `${told(node)}. Open; Enter goes back` : told(node),
      }, arcs);
      node.path = path;
      drawn.push(node);
      if (finished && ring >= .999 && r1 - r0 > 30) label(words, defs, node.label, a0, a1, r0, r1, font);
    }
    if (finished) {
      if (chosen !== open && drawn.includes(chosen)) { chosen.path.classList.add("chosen"); arcs.append(chosen.path); }
      centre(words, rings[0], font + (small ? 0 : 1));
      if (!drawn.includes(active)) active = open;
      active.path.setAttribute("tabindex", 0);
    }
    const focused = chart.contains(document.activeElement);
    chart.replaceChildren(svg);
    if (focused && finished) active.path.focus({ preventScroll: true });
  }
  function centre(words, radius, font) {
    ruler.font = `600 ${font}px ${getComputedStyle(chart).fontFamily}`;
    const lines = wrapped(open.name, radius * 1.6, Math.max(2, Math.floor(radius / font * 1.1) - 2));
    lines.push(data.counted ? plural(open.total, "image", "images") : plural(open.leaves, "diagnosis", "diagnoses"));
    if (open.up) lines.push("‹ back");
    lines.forEach((each, n) => {
      const y = ((n - (lines.length - 1) / 2) * font * 1.2 + font * .35).toFixed(1);
      const extra = n >= lines.length - (open.up ? 2 : 1) ? " back" : "";
      element("text", { class: `middle${extra}${open === top ? " k-text" : ""}`, y, "text-anchor": "middle", "font-size": font }, words).textContent = each;
    });
  }
  function move() {
    const to = framed(open);
    cancelAnimationFrame(frame);
    if (!view || still.matches || document.hidden) { view = to; draw(view, true); return; }
    const from = view, begin = performance.now();
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - begin) / 320)), e = t * t * (3 - 2 * t);
      view = t === 1 ? to : Object.fromEntries(Object.keys(to).map((key) => [key, from[key] + (to[key] - from[key]) * e]));
      draw(view, t === 1);
      if (t < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  }

  // ---- the pane
  const html = (name, parent, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    parent.append(made);
    return made;
  };
  const link = (node, parent) => html("a", parent, node.name, { href: `#${node.id}` });
  function show() {
    const node = chosen, above = [];
    for (let each = node.up; each; each = each.up) above.unshift(each);
    details.replaceChildren();
    if (above.length) {
      const path = html("p", details, undefined, { class: "path" });
      for (const each of above) { link(each, path); path.append(" › "); }
    }
    html("h2", details, node.name);
    const facts = [];
    if (node !== top) {
      const badges = html("ul", details, undefined, { class: "badges" });
      html("li", badges, node.kind, { class: `k-${node.kind}` });
      if (node.risk) html("li", badges, `risk grade: ${node.risk}`, { class: "plain" });
      if (data.counted) facts.push(["Images", node.children.length
        ? `${number.format(node.total)} at and below it, ${number.format(node.images)} labelled at it` : number.format(node.total)]);
      facts.push(["ICD-10-CM", (node.icd10cm || []).join(", ")], ["ICD-11", (node.icd11 || []).join(", ")],
        ["Also called", (node.synonyms || []).join("; ")], ["Tissue or kind", node.lineage], ["Note", node.note], ["In the ISIC archive", (node.isic || "").replaceAll(":", " › ")], ["Id", node.id]);
    }
    const list = html("dl", details);
    for (const [name, words] of facts) if (words) { html("dt", list, name); html("dd", list, words); }
    if (node.children.length) {
      html("dt", list, "Directly below it");
      const items = html("ul", html("dd", list, undefined, { class: "below" }));
      for (const child of node.children) {
        const item = html("li", items);
        link(child, item);
        const shown = [child.children.length ? plural(child.leaves, "diagnosis", "diagnoses") : "", data.counted ? plural(child.total, "image", "images") : ""];
        html("span", item, shown.filter(Boolean).join(" · "));
      }
    }
    if (node.sources) {
      const folder = html("details", details);
      html("summary", folder, `Sources: ${node.sources.join(", ")}`);
      const items = html("ul", folder);
      for (const key of node.sources) html("li", items, data.sources[key]);
    }
  }

  // ---- going somewhere: the address names the diagnosis, so that the browser's own "back" works and a place can be sent on
  function arrive() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    chosen = byId.get(location.hash ? wanted : data.start) || top;
    open = chosen;
    while (open.up && !open.children.some((each) => each[size])) open = open.up;
    active = chosen;
    show();
    move();
  }
  const go = (node) => { if (location.hash.slice(1) === node.id && node.id) arrive(); else location.hash = node.id; };
  addEventListener("hashchange", () => {
    if (!chart.contains(document.activeElement)) document.querySelector(".both").scrollIntoView({ block: "nearest" });
    arrive();
  });
  const nodeOf = (event) => event.target.closest && event.target.closest(".arc") && byId.get(event.target.closest(".arc").dataset.id);
  const pick = (node) => go(node === open && node.up ? node.up : node);
  chart.addEventListener("click", (event) => { const node = nodeOf(event); if (node) pick(node); });
  for (const kind of ["pointerover", "focusin"]) chart.addEventListener(kind, (event) => {
    const node = nodeOf(event);
    pointed.textContent = node ? told(node) : "";
  });
  chart.addEventListener("pointerleave", () => { pointed.textContent = ""; });
  chart.addEventListener("keydown", (event) => {
    const node = nodeOf(event);
    if (!node || event.ctrlKey || event.altKey || event.metaKey) return;
    const level = drawn.filter((each) => each.depth === node.depth).sort((a, b) => a.x0 - b.x0), at = level.indexOf(node);
    let to;
    if (event.key === "ArrowRight") to = level[(at + 1) % level.length];
    else if (event.key === "ArrowLeft") to = level[(at + level.length - 1) % level.length];
    else if (event.key === "ArrowDown") to = drawn.find((each) => each.up === node) || node;
    else if (event.key === "ArrowUp") to = drawn.includes(node.up) && node !== open ? node.up : node;
    else if (event.key === "Enter" || event.key === " ") pick(node);
    else if (event.key === "Escape" || event.key === "Backspace") { if (open.up) go(open.up); }
    else return;
    event.preventDefault();
    if (!to) return;
    active.path.setAttribute("tabindex", -1);
    active = to;
    active.path.setAttribute("tabindex", 0);
    active.path.focus();
  });

  // ---- the search: the same folding of words as in cutis.taxonomy
  const folded = (text) => text.toLowerCase().replace(/[-_–]/g, " ").replace(/[,'’]/g, "").normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "").split(/\s+/).filter(Boolean).join(" ");
  const box = document.getElementById("tax-search"), results = document.getElementById("tax-results");
  const found = document.getElementById("tax-found");
  let index = null;
  function search(text) {
    index ||= data.nodes.map((node) => ({
      node,
      words: [node.name, node.id, ...(node.synonyms || []), ...(node.isic ? [node.isic.split(":").pop()] : [])].map((each) => [each, folded(each)]),
      codes: [...(node.icd10cm || []), ...(node.icd11 || [])],
    }));
    const wanted = folded(text), code = text.trim().toUpperCase(), hits = [];
    for (const { node, words, codes } of index) {
      let best = null;
      for (const [word, plain] of words) {
        const at = plain.indexOf(wanted);
        if (at < 0) continue;
        const rank = plain === wanted ? 0 : at === 0 ? 2 : plain[at - 1] === " " ? 3 : 4;
        if (!best || rank < best[0]) best = [rank, word];
      }
      const matching = codes.find((each) => each.toUpperCase().startsWith(code) || code.startsWith(`${each.toUpperCase()}.`));
      if (matching && (!best || best[0] > 1)) best = [matching.toUpperCase() === code ? 0 : 1, matching];
      if (best) hits.push([best[0], node.depth, best[1], node]);
    }
    return wanted ? hits.sort((a, b) => a[0] - b[0] || a[1] - b[1]) : [];
  }
  const close = () => { results.hidden = true; };
  box.addEventListener("input", () => {
    const hits = search(box.value);
    results.replaceChildren();
    for (const [, , word, node] of hits.slice(0, 12)) {
      const made = link(node, html("li", results));
      html("small", made, [word === node.name ? "" : word, node.up === top ? "" : node.up.name].filter(Boolean).join(" · in: "));
    }
    results.hidden = !hits.length;
    found.textContent = !folded(box.value) ? "" : !hits.length ? "Nothing is called so." : `${number.format(hits.length)} found` + (hits.length > 12 ? ", the first 12 are shown" : "");
  });
  document.querySelector(".search").addEventListener("keydown", (event) => {
    const links = [...results.querySelectorAll("a")], at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && links.length) links[Math.min(at + 1, links.length - 1)].focus();
    else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] || box).focus();
    else if (event.key === "Escape") { close(); box.focus(); }
    else if (event.key === "Enter" && at < 0 && links.length) links[0].click();
    else return;
    event.preventDefault();
  });
  results.addEventListener("click", close);
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest(".search")) close(); });

  // ---- the beginning
  document.querySelector(".both").hidden = false;
  if (size === "total") {
    document.querySelector(".size").hidden = false;
    document.querySelector(".size input").checked = true;
    for (const each of document.querySelectorAll(".size input")) each.addEventListener("change", () => {
      size = each.value === "images" ? "total" : "leaves";
      layout();
      view = null;
      arrive();
    });
  }
  layout();
  arrive();
  let width = chart.clientWidth;
  new ResizeObserver(() => { if (chart.clientWidth !== width) { width = chart.clientWidth; view = null; move(); } }).observe(chart);
})();
