// Lets the curves of a report be asked for their values, by mouse, finger or keys, and its tables be sorted.
// The page is whole without it: all it makes is made here, and none of it is printed.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const dash = "–";
  const share = (value, digits = 1) => (value === undefined || Number.isNaN(value) ? dash : `${(100 * value).toFixed(digits)}%`);
  const threshold = (value) => (value === null ? "above all: nothing is called" : value < 0.001 ? `${(100 * value).toPrecision(2)}%` : share(value));
  const ends = (low, high, word) => (low === undefined || low === null ? "" : ` (${word} ${(100 * low).toFixed(1)}${dash}${share(high)})`);
  const html = (tag, parent, text, css) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (css) made.className = css;
    if (parent) parent.append(made);
    return made;
  };

  // ---- what is told of a point
  const tell = {
    roc: (p) => [`Threshold ${threshold(p.threshold)}`, `Sensitivity ${share(p.y)}${ends(p.low, p.high, "band")}`, `Specificity ${share(1 - p.x)}`],
    precision_recall: (p) => [`Threshold ${threshold(p.threshold)}`, `Sensitivity ${share(p.x)}`, `PPV ${share(p.y)}`],
    reliability: (p) => [`Said ${share(p.from)} to ${share(p.to)}: ${p.images.toLocaleString("en")} images`, `Said on average ${share(p.x)}`, `Happened ${share(p.y)}${ends(p.low, p.high, "interval")}`],
    decision: (p) => {
      const interval = p.low === null ? "" : ` (interval ${p.low.toFixed(3)} to ${p.high.toFixed(3)})`;
      return [`Threshold ${share(p.x, 0)}`, `Net benefit ${p.y.toFixed(3)}${interval}`, `Calling all ${p.all.toFixed(3)}, none 0`].map((line) => line.replaceAll("-", "−"));
    },
  };
  const tellDot = {
    roc: (d) => [d.name, `Sensitivity ${share(d.y)}${ends(d.low, d.high, "interval")}`, `Specificity ${share(1 - d.x)}${d.left === undefined ? "" : ends(1 - d.right, 1 - d.left, "interval")}`],
    precision_recall: (d) => [d.name, `Sensitivity ${share(d.x)}`, `PPV ${share(d.y)}`],
  };
  function read(source) {
    const data = JSON.parse(source.textContent);
    for (const key of ["x", "y", "low", "high", "from", "to", "all"]) {
      let sum = 0; // steps of ten-thousandths
      if (data[key]) data[key] = data[key].map((step) => (step === null ? null : (sum += step) / 1e4));
    }
    const points = data.x.map((_, at) => {
      const point = {};
      for (const key of ["x", "y", "low", "high", "from", "to", "all", "threshold", "images"]) if (data[key]) point[key] = data[key][at];
      return { ...point, lines: tell[data.kind](point) };
    });
    const dots = (data.dots || []).map((each) => {
      const dot = { name: each.name };
      for (const key of ["x", "y", "low", "high", "left", "right"]) if (key in each) dot[key] = each[key] / 1e4;
      return { ...dot, lines: tellDot[data.kind](dot) };
    });
    return { data, curve: points, items: [...points, ...dots], dots };
  }

  // ---- the words beside the pointer, and the point they are of
  const tip = html("div", document.body, undefined, "tip");
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the same words are the value of the drawing itself
  let shown = null, finger = false;
  function hide() {
    tip.hidden = true;
    if (shown) shown.marker.setAttribute("visibility", "hidden");
    shown = null;
  }

  function attach(source) {
    const svg = source.previousElementSibling, { data, curve, items, dots } = read(source);
    if (!items.length) return;
    const [left, top, width, height, x0, x1, y0, y1] = data.axes;
    const cut = (value, low, high) => Math.min(Math.max(value, low), high);
    for (const each of items) {
      each.px = left + (width * (cut(each.x, x0, x1) - x0)) / (x1 - x0);
      each.py = top + height * (1 - (cut(each.y, y0, y1) - y0) / (y1 - y0));
    }
    const marker = document.createElementNS(SVG, "circle");
    for (const [key, value] of Object.entries({ class: "marker", r: 5.5, visibility: "hidden" })) marker.setAttribute(key, value);
    svg.append(marker);
    const own = { svg, marker };
    const start = dots.length ? nearest(dots[0].px, dots[0].py, curve) : Math.floor(curve.length / 2);
    let at = start;
    svg.setAttribute("tabindex", 0);
    svg.setAttribute("role", "slider");
    svg.setAttribute("aria-valuemin", 1);
    svg.setAttribute("aria-valuemax", items.length);
    say();

    function nearest(x, y, among) {
      let best = 0, least = Infinity;
      among.forEach((each, place) => {
        // A point beside the curve is taken rather than the curve behind it.
        const distance = Math.hypot(each.px - x, each.py - y) - (each.name ? 4 : 0);
        if (distance < least) [best, least] = [place, distance];
      });
      return best;
    }
    function say() {
      svg.setAttribute("aria-valuenow", at + 1);
      svg.setAttribute("aria-valuetext", items[at].lines.join(", "));
    }
    function show(place) {
      at = place;
      say();
      if (shown && shown !== own) hide();
      shown = own;
      const { px, py, lines } = items[at];
      marker.setAttribute("cx", px);
      marker.setAttribute("cy", py);
      marker.setAttribute("visibility", "visible");
      tip.replaceChildren();
      lines.forEach((line, place) => html(place ? "div" : "b", tip, line));
      tip.hidden = false;
      const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
      const x = box.left + px * scale, y = box.top + py * scale;
      const { clientWidth: wide, clientHeight: high } = document.documentElement;
      const room = { above: y - tip.offsetHeight - 14 > 0, below: y + tip.offsetHeight + 14 < high };
      // Below and to the right, where a ROC curve leaves room; but a finger would cover the words there.
      const below = finger ? !room.above : room.below;
      tip.style.left = `${scrollX + cut(finger ? x - tip.offsetWidth / 2 : x + 12, 6, wide - tip.offsetWidth - 6)}px`;
      tip.style.top = `${scrollY + (below ? y + 14 : y - tip.offsetHeight - 14)}px`;
      svg.dispatchEvent(new CustomEvent("point", { detail: at }));
    }
    const under = (event) => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      return nearest((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, items);
    };
    for (const kind of ["pointerdown", "pointermove"]) svg.addEventListener(kind, (event) => {
      finger = event.pointerType === "touch";
      show(under(event));
    });
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && document.activeElement !== svg) hide(); });
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible") || shown === own) show(at); });
    svg.addEventListener("blur", () => { if (shown === own) hide(); });
    svg.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      finger = false;
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (step) show(cut(at + step, 0, items.length - 1));
      else if (event.key === "Home") show(0);
      else if (event.key === "End") show(items.length - 1);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
    if (data.kind === "roc" && data.prevalence !== undefined) probe(svg, curve, data.prevalence, start, show);
  }
  document.addEventListener("pointerdown", (event) => { if (shown && !shown.svg.contains(event.target)) hide(); });
  addEventListener("resize", hide);

  // ---- a threshold to choose, and what it would mean where the diagnosis is more or less common
  function probe(svg, curve, prevalence, start, show) {
    const figure = svg.closest("figure"), box = html("details", figure, undefined, "probe");
    html("summary", box, "Choose a threshold");
    const field = (text, type, settings) => {
      const label = html("label", box, text), input = html("input", label);
      Object.assign(input, { type, ...settings });
      return input;
    };
    // To the right the threshold rises, as one expects of a slider; the curve itself starts at the highest.
    const last = curve.length - 1;
    const slider = field("Threshold", "range", { min: 0, max: last, step: 1, value: last - start });
    const common = field("Have the diagnosis, %", "number", { min: 0, max: 100, step: "any", value: +(100 * prevalence).toPrecision(3) });
    const out = html("output", box), cells = {};
    for (const name of ["Threshold", "Sensitivity", "Specificity", "PPV", "NPV"]) {
      const line = html("span", out);
      html("span", line, name);
      cells[name] = html("b", line);
    }
    html("p", box, "PPV and NPV by Bayes’ rule at the share you give.", "quiet");
    function tellIt() {
      const { threshold: value, y: hit, x: alarm } = curve[last - slider.value], p = common.valueAsNumber / 100;
      const usable = p >= 0 && p <= 1, found = hit * p, false_alarms = alarm * (1 - p), spared = (1 - alarm) * (1 - p), missed = (1 - hit) * p;
      const told = { Threshold: value === null ? "none called" : threshold(value), Sensitivity: share(hit), Specificity: share(1 - alarm),
        PPV: usable ? share(found / (found + false_alarms)) : dash, NPV: usable ? share(spared / (spared + missed)) : dash };
      for (const [name, words] of Object.entries(told)) cells[name].textContent = words;
      slider.setAttribute("aria-valuetext", told.Threshold);
      common.setAttribute("aria-invalid", !usable);
    }
    slider.addEventListener("input", () => { tellIt(); show(last - slider.value); });
    slider.addEventListener("blur", hide);
    common.addEventListener("input", tellIt);
    svg.addEventListener("point", (event) => { if (event.detail <= last) { slider.value = last - event.detail; tellIt(); } });
    tellIt();
  }

  // ---- tables that sort: by a number the largest first, by a word from A; a third time as they came
  function sortable(table) {
    const body = table.tBodies[0], came = [...body.rows].filter((row) => !row.matches(".all"));
    const fixed = [...body.rows].filter((row) => row.matches(".all"));
    const heads = [...table.tHead.rows[0].cells];
    const word = (row, column) => row.cells[column].firstChild?.textContent.trim() ?? "";
    const value = (row, column) => Number.parseFloat(word(row, column).replace(/[,<]/g, "").replace("−", "-"));
    heads.forEach((head, column) => {
      const button = html("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const words = column === 0;
      button.addEventListener("click", () => {
        const ways = words ? ["ascending", "descending", ""] : ["descending", "ascending", ""];
        const way = ways[(ways.indexOf(head.getAttribute("aria-sort") ?? "") + 1) % 3];
        for (const each of heads) each.removeAttribute("aria-sort");
        let rows = came;
        if (way) {
          head.setAttribute("aria-sort", way);
          const sign = way === "ascending" ? 1 : -1;
          rows = [...came].sort((a, b) => {
            if (words) return sign * word(a, 0).localeCompare(word(b, 0), "en");
            const x = value(a, column), y = value(b, column);
            if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // nothing stands last
            return sign * (x - y);
          });
        }
        body.append(...rows, ...fixed);
      });
    });
  }

  // ---- what is folded on the screen is not left out on paper
  const folded = document.querySelectorAll("details.folded:not([open])");
  addEventListener("beforeprint", () => folded.forEach((each) => { each.dataset.was = each.open; each.open = true; }));
  addEventListener("afterprint", () => folded.forEach((each) => { each.open = each.dataset.was === "true"; }));

  for (const source of document.querySelectorAll("script.points")) attach(source);
  for (const table of document.querySelectorAll("table.sortable")) sortable(table);
})();
