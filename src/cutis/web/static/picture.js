// The photograph: it is asked for again until it is there, enlarged, and what the window shows of it is reported.
(() => {
  "use strict";

  const root = document.querySelector("[data-case]");
  const image = document.querySelector("[data-photograph]");
  const viewer = document.querySelector("[data-viewer]");
  const late = document.querySelector("[data-picture-problem]");
  const address = image.getAttribute("src");
  let level = 1;

  // The photograph within its element, which may be wider or higher.
  const size = () => {
    const scale = Math.min(image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight);
    return [image.naturalWidth * scale, image.naturalHeight * scale].map((each) => Math.round(each) || 0);
  };

  // A report that is lost is lost: the reader's answer never waits for it.
  const report = (kind) => {
    const told = {
      kind,
      window: [innerWidth, innerHeight],
      image: size(),
      pixel_ratio: devicePixelRatio,
      zoom: level,
      pinch: visualViewport?.scale ?? 1,
    };
    fetch(`/study/events/${root.dataset.case}`, {
      method: "POST", keepalive: true, body: JSON.stringify(told),
      headers: { "Content-Type": "application/json", "X-CSRF-Token": root.dataset.csrf },
    }).catch(() => {});
  };

  const soon = (act, milliseconds) => {
    let waiting;
    return () => {
      clearTimeout(waiting);
      waiting = setTimeout(act, milliseconds);
    };
  };

  // ---- Arriving

  let tries = 0;
  const arrived = () => {
    late.hidden = true;
    report("displayed");
  };
  const again = () => {
    late.textContent = root.dataset.pictureLate;
    late.hidden = false;
    tries += 1;
    setTimeout(() => { image.src = `${address}?again=${tries}`; }, Math.min(500 * 2 ** tries, 8000));
  };
  image.addEventListener("load", arrived);
  image.addEventListener("error", again);
  if (image.complete) (image.naturalWidth ? arrived : again)();

  document.addEventListener("visibilitychange", () => { if (document.hidden) report("hidden"); });
  let width = innerWidth;
  let height = innerHeight;
  addEventListener("resize", soon(() => {
    if (innerWidth === width && innerHeight === height) return;
    [width, height] = [innerWidth, innerHeight];
    report("displayed");
  }, 500));
  let pinch = 1;
  visualViewport?.addEventListener("resize", soon(() => {
    if (visualViewport.scale === pinch) return;
    pinch = visualViewport.scale;
    report("zoomed");
  }, 500));

  // ---- Enlarging

  const tools = document.querySelector("[data-zoom]");
  if (!tools) return;
  const levels = [1, 1.5, 2, 3, 4, 6];
  const shownLevel = tools.querySelector("[data-zoom-level]");
  const reportZoom = soon(() => report("zoomed"), 500);
  let whole;  // width and height of the photograph where it just fits

  const zoom = (next) => {
    if (next === level || !image.naturalWidth) return;
    if (level === 1) whole = [...size(), viewer.getBoundingClientRect().height];
    const middle = [
      (viewer.scrollLeft + viewer.clientWidth / 2) / Math.max(viewer.scrollWidth, 1),
      (viewer.scrollTop + viewer.clientHeight / 2) / Math.max(viewer.scrollHeight, 1),
    ];
    level = next;
    const enlarged = level > 1;
    viewer.classList.toggle("enlarged", enlarged);
    viewer.style.height = enlarged ? `${whole[2]}px` : "";
    image.style.width = enlarged ? `${whole[0] * level}px` : "";
    image.style.height = enlarged ? `${whole[1] * level}px` : "";
    if (enlarged) {
      viewer.tabIndex = 0;
      viewer.setAttribute("role", "region");
      viewer.setAttribute("aria-label", viewer.dataset.regionWords.replace("{percent}", 100 * level));
      viewer.scrollLeft = middle[0] * viewer.scrollWidth - viewer.clientWidth / 2;
      viewer.scrollTop = middle[1] * viewer.scrollHeight - viewer.clientHeight / 2;
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) viewer.removeAttribute(name);
    }
    show();
    reportZoom();
  };

  const show = () => {
    shownLevel.textContent = tools.dataset.levelWords.replace("{percent}", 100 * level);
    for (const each of tools.querySelectorAll("[data-zoom-by]")) {
      const by = Number(each.dataset.zoomBy);
      const useless = by > 0 ? level === levels.at(-1) : level === 1;
      each.setAttribute("aria-disabled", String(useless));
    }
  };

  tools.addEventListener("click", (event) => {
    const by = event.target.closest("[data-zoom-by]")?.dataset.zoomBy;
    if (by === undefined) return;
    const place = by === "0" ? 0 : levels.indexOf(level) + Number(by);
    zoom(levels[Math.min(Math.max(place, 0), levels.length - 1)]);
  });
  image.addEventListener("dblclick", () => zoom(level === 1 ? 2 : 1));
  addEventListener("resize", soon(() => zoom(1), 200));  // the size that just fits is another now

  // With a mouse the enlarged photograph is dragged; touch and keys scroll it by themselves.
  let from;
  viewer.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || level === 1) return;
    from = [event.clientX + viewer.scrollLeft, event.clientY + viewer.scrollTop];
    viewer.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  viewer.addEventListener("pointermove", (event) => {
    if (from) viewer.scrollTo(from[0] - event.clientX, from[1] - event.clientY);
  });
  for (const name of ["pointerup", "pointercancel"]) viewer.addEventListener(name, () => { from = undefined; });
  show();
})();
