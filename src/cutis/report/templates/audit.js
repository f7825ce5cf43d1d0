"use strict";
(() => {
  const data = JSON.parse(document.getElementById("audit-data").textContent);
  const cards = [...document.querySelectorAll(".card")];
  if (!cards.length) return;
  const number = new Intl.NumberFormat("en");
  const by = (id) => document.getElementById(id);
  const told = by("audit-told"), keys = by("audit-keys"), undo = by("audit-undo"), file = by("audit-file");
  const plural = (n, word) => `${number.format(n)} ${word}${n === 1 ? "" : "s"}`;
  const pairKey = (a, b) => JSON.stringify([JSON.stringify(a), JSON.stringify(b)].sort());
  const keyOf = data.pairs.map((pair) => pairKey(pair.a, pair.b));
  const place = new Map(keyOf.map((key, n) => [key, n]));
  function tell(words, bad = false) {
    told.textContent = words;
    told.classList.toggle("bad", bad);
  }

  // ---- marks: pair → { a, b, same, decided_at }; `same` is null where a mark was taken back. The later one stands.
  const marks = new Map();
  const store = `cutis-audit-${data.audit}`;
  function take(entries) {
    for (const entry of entries) {
      const key = pairKey(entry.a, entry.b), before = marks.get(key);
      if (!before || Date.parse(entry.decided_at) >= Date.parse(before.decided_at)) marks.set(key, entry);
    }
  }
  function stored() {  // what this browser keeps, from this page and from others open on the same audit
    try {
      return JSON.parse(localStorage.getItem(store) || "{}");
    } catch (error) {
      tell(`This browser keeps no marks (${error.message}). Save the decisions before you leave the page.`, true);
      return {};
    }
  }
  function keep(changes) {
    try {
      const kept = stored();
      for (const [key, entry] of changes) if (entry) kept[key] = entry; else delete kept[key];
      localStorage.setItem(store, JSON.stringify(kept));
    } catch (error) {
      tell(`This browser keeps no marks (${error.message}). Save the decisions before you leave the page.`, true);
    }
  }
  const sameOf = (n) => marks.has(keyOf[n]) ? marks.get(keyOf[n]).same : null;
  const done = [];  // for undo: [pair, the mark before]
  function set(n, same) {
    const key = keyOf[n], before = marks.get(key), { a, b } = data.pairs[n];
    // Later than what was there, even if that was decided by a clock that runs ahead.
    const moment = Math.max(Date.now(), before ? Date.parse(before.decided_at) + 1 : 0);
    const entry = { a, b, same, decided_at: new Date(moment).toISOString() };
    done.push([n, before]);
    marks.set(key, entry);
    keep([[key, entry]]);
    show(n);
    progress();
  }

  // ---- what is seen of them
  const WORDS = new Map([[null, "Not marked"], [true, "Marked: same lesion"], [false, "Marked: different lesions"]]);
  function show(n) {
    const card = cards[n], same = sameOf(n);
    card.classList.toggle("same", same === true);
    card.classList.toggle("different", same === false);
    card.querySelector(".state").textContent = WORDS.get(same);
    card.querySelector("button.same").setAttribute("aria-pressed", same === true);
    card.querySelector("button.different").setAttribute("aria-pressed", same === false);
  }
  function progress() {
    const marked = cards.filter((_, n) => sameOf(n) !== null).length;
    by("audit-progress").textContent = `${number.format(marked)} of ${number.format(cards.length)} marked`;
    by("audit-share").value = marked;
    document.querySelector("[data-filter=open] span").textContent = number.format(cards.length - marked);
    undo.setAttribute("aria-disabled", !done.length);
  }
  function showAll() { cards.forEach((_, n) => show(n)); progress(); }

  // ---- which pairs are shown. A pair marked under "Not marked" stays until the filter is pressed again.
  const filters = [...document.querySelectorAll("[data-filter]")];
  const passes = {
    all: () => true,
    cross: (n) => data.pairs[n].cross,
    both: (n) => data.pairs[n].both,
    open: (n) => sameOf(n) === null,
  };
  function filter(name) {
    for (const each of filters) each.setAttribute("aria-pressed", each.dataset.filter === name);
    cards.forEach((card, n) => { card.hidden = !passes[name](n); });
    const left = cards.filter((card) => !card.hidden).length;
    by("audit-none").hidden = left > 0;
    tell(name === "all" ? "" : `${plural(left, "pair")} shown`);
    choose(cards.findIndex((card) => !card.hidden));
  }

  // ---- going from pair to pair
  let current = -1;
  function choose(n) {
    if (cards[current]) cards[current].classList.remove("current");
    current = n;
    if (cards[n]) cards[n].classList.add("current");
  }
  function go(n) {
    choose(n);
    cards[n].focus({ preventScroll: true });
    cards[n].scrollIntoView({ block: "nearest" });
  }
  function step(by) {
    let n = current;
    do n += by; while (cards[n] && cards[n].hidden);
    if (cards[n]) go(n);
    else if (cards[current]) { go(current); tell(by > 0 ? "This was the last pair shown." : "This is the first pair shown."); }
  }
  function takeBack() {
    if (!done.length) { tell("Nothing to undo."); return; }
    const [n, before] = done.pop();
    if (before) marks.set(keyOf[n], before); else marks.delete(keyOf[n]);
    keep([[keyOf[n], before]]);
    show(n);
    progress();
    cards[n].hidden = false;
    go(n);
    tell(`Pair ${n + 1}: ${WORDS.get(sameOf(n)).toLowerCase()}`);
  }
  cards.forEach((card, n) => {
    card.addEventListener("focusin", () => choose(n));
    card.addEventListener("pointerdown", () => choose(n));
    card.querySelector(".marking").hidden = false;
    for (const same of [true, false]) card.querySelector(same ? "button.same" : "button.different").addEventListener("click", () => {
      set(n, sameOf(n) === same ? null : same);
      tell(`Pair ${n + 1}: ${WORDS.get(sameOf(n)).toLowerCase()}`);
    });
    const turn = card.querySelector("button.turn"), picture = card.querySelector(".second img");
    if (turn && picture) turn.addEventListener("click", () => {
      const turned = turn.getAttribute("aria-pressed") !== "true";
      turn.setAttribute("aria-pressed", turned);
      const pair = data.pairs[n];
      // The way back: the second is the first mirrored, then turned, so it is turned back first (the right-hand one here).
      picture.style.transform = turned ? `${pair.mirrored ? "scaleX(-1) " : ""}rotate(${-pair.rotation}deg)` : "";
    });
    else if (turn) turn.hidden = true;
  });
  document.addEventListener("keydown", (event) => {
    if (!keys.checked || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select, .scroll")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "j" || key === "ArrowRight") step(1);
    else if (key === "k" || key === "ArrowLeft") step(-1);
    else if (key === "u") takeBack();
    else if ((key === "s" || key === "d") && cards[current] && !cards[current].hidden) {
      if (event.repeat) return;  // a key held down must not mark pair after pair
      const n = current;
      set(n, key === "s");
      step(1);
      tell(`Pair ${n + 1}: ${WORDS.get(sameOf(n)).toLowerCase()}`);
    } else return;
    event.preventDefault();
  });

  // ---- the file of decisions
  by("audit-save").addEventListener("click", () => {
    const decisions = [...marks.values()].filter((each) => each.same !== null)
      .sort((x, y) => Date.parse(x.decided_at) - Date.parse(y.decided_at))
      .map(({ a, b, same, decided_at }) => ({ a, b, same, decided_at }));
    const address = URL.createObjectURL(new Blob([`${JSON.stringify({ format: 1, decisions }, null, 2)}\n`], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = "decisions.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    tell(`${plural(decisions.length, "decision")} saved as decisions.json.`);
  });
  const isImage = (each) => Array.isArray(each) && each.length === 2 && (each[0] === null || typeof each[0] === "string") && typeof each[1] === "string";
  const isMoment = (each) => typeof each === "string" && /(Z|[+-]\d\d:?\d\d)$/.test(each) && !Number.isNaN(Date.parse(each));
  const isEntry = (each) => each && isImage(each.a) && isImage(each.b) && JSON.stringify(each.a) !== JSON.stringify(each.b)
    && typeof each.same === "boolean" && isMoment(each.decided_at);
  async function load(chosen) {
    let content;
    try { content = JSON.parse(await chosen.text()); } catch (error) { tell(`${chosen.name} is not JSON: ${error.message}`, true); return; }
    if (!content || content.format !== 1 || !Array.isArray(content.decisions)) { tell(`${chosen.name} is no file of decisions.`, true); return; }
    const bad = content.decisions.findIndex((each) => !isEntry(each));
    if (bad >= 0) { tell(`${chosen.name}: decision ${bad + 1} is not complete. Nothing was loaded.`, true); return; }
    take(content.decisions);
    keep(content.decisions.map((each) => pairKey(each.a, each.b)).map((key) => [key, marks.get(key)]));
    done.length = 0;
    showAll();
    const here = content.decisions.filter((each) => place.has(pairKey(each.a, each.b))).length;
    tell(`${plural(content.decisions.length, "decision")} loaded from ${chosen.name}, ${number.format(here)} of them on pairs shown here. Of two about a pair the later stands.`);
  }
  by("audit-load").addEventListener("click", () => file.click());
  file.addEventListener("change", () => { if (file.files.length) load(file.files[0]).finally(() => { file.value = ""; }); });
  undo.addEventListener("click", takeBack);
  for (const each of filters) each.addEventListener("click", () => filter(each.dataset.filter));
  addEventListener("storage", (event) => { if (event.key === store) { take(Object.values(stored())); showAll(); } });

  // ---- the beginning
  take(data.decisions);
  take(Object.values(stored()));
  for (const each of document.querySelectorAll(".how, .desk")) each.hidden = false;
  showAll();
  choose(0);
})();
