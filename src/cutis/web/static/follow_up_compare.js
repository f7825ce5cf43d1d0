// Two photographs: zoomed and moved together, laid over each other with a slider, or shown in turn.
(() => {
  "use strict";

  const LEVELS = [1, 1.5, 2, 3, 4, 6, 8];
  const root = document.querySelector("[data-compare]");
  const panes = [...root.querySelectorAll("[data-pane]")];
  const output = root.querySelector("[data-level]");
  let level = 0;

  // ---- Zoomed together

  const zoom = (by) => {
    const next = Math.min(Math.max(level + by, 0), LEVELS.length - 1);
    if (next === level) return;
    const middles = panes.map((pane) => [
      (pane.scrollLeft + pane.clientWidth / 2) / pane.scrollWidth, (pane.scrollTop + pane.clientHeight / 2) / pane.scrollHeight,
    ]);
    for (const pane of panes) if (level === 0) pane.style.height = `${pane.clientHeight}px`;
    level = next;
    panes.forEach((pane, k) => {
      pane.classList.toggle("enlarged", level > 0);
      if (level === 0) pane.style.height = "";
      pane.querySelector("img").style.width = `${100 * LEVELS[level]}%`;
      pane.scrollLeft = middles[k][0] * pane.scrollWidth - pane.clientWidth / 2;
      pane.scrollTop = middles[k][1] * pane.scrollHeight - pane.clientHeight / 2;
    });
    output.textContent = `${LEVELS[level]} ×`;
  };
  for (const each of root.querySelectorAll("[data-zoom]")) each.addEventListener("click", () => zoom(Number(each.dataset.zoom)));

  let leading = null;  // the pane that a person moves
  for (const pane of panes) {
    for (const name of ["pointerdown", "wheel", "keydown", "touchstart"]) {
      pane.addEventListener(name, () => { leading = pane; }, { passive: true });
    }
    pane.addEventListener("keydown", (event) => {
      if (event.key === "+" || event.key === "=") zoom(1);
      else if (event.key === "-") zoom(-1);
    });
    pane.addEventListener("scroll", () => {
      if (leading !== pane) return;
      const share = (at, whole, window) => at / Math.max(whole - window, 1);
      for (const other of panes) {
        if (other === pane) continue;
        other.scrollLeft = share(pane.scrollLeft, pane.scrollWidth, pane.clientWidth) * (other.scrollWidth - other.clientWidth);
        other.scrollTop = share(pane.scrollTop, pane.scrollHeight, pane.clientHeight) * (other.scrollHeight - other.clientHeight);
      }
    });
    // With a mouse the enlarged photograph is dragged; touch and keys scroll it by themselves.
    let from = null;
    pane.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0 || level === 0) return;
      from = [event.clientX + pane.scrollLeft, event.clientY + pane.scrollTop];
      pane.setPointerCapture(event.pointerId);
    });
    pane.addEventListener("pointermove", (event) => { if (from) pane.scrollTo(from[0] - event.clientX, from[1] - event.clientY); });
    for (const name of ["pointerup", "pointercancel"]) pane.addEventListener(name, () => { from = null; });
  }

  // ---- The earlier one as taken, or aligned

  const earlier = root.querySelector("[data-earlier]");
  const button = root.querySelector("[data-align]");
  if (!button) return;
  const taken = { src: earlier.getAttribute("src"), width: earlier.width, height: earlier.height };
  const [width, height] = earlier.dataset.like.split(",").map(Number);
  const setAligned = (on) => {
    earlier.setAttribute("width", on ? width : taken.width);
    earlier.setAttribute("height", on ? height : taken.height);
    earlier.src = on ? earlier.dataset.aligned : taken.src;
    root.querySelector("[data-as]").textContent = on ? "aligned to the later one" : "as taken";
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", () => setAligned(button.getAttribute("aria-pressed") !== "true"));
  setAligned(true);

  // ---- Laid over each other

  const above = document.querySelector("[data-above]");
  const slider = document.querySelector("[data-slider]");
  const blink = document.querySelector("[data-blink]");
  let ticking = null;
  const fade = (share) => { above.style.opacity = 1 - share / 100; };
  const stop = () => {
    clearInterval(ticking);
    ticking = null;
    blink.setAttribute("aria-pressed", "false");
    fade(slider.value);
  };
  slider.addEventListener("input", () => (ticking ? stop() : fade(slider.value)));
  blink.addEventListener("click", () => {
    if (ticking) return stop();
    let now = false;
    blink.setAttribute("aria-pressed", "true");
    fade(0);
    ticking = setInterval(() => { now = !now; fade(now ? 100 : 0); }, 800);  // slow enough to harm nobody
  });
  fade(slider.value);
})();
