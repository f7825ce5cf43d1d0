// Boxes over a photograph: drawn, moved, resized and removed by mouse, touch and keyboard; in whole pixels of the image.
window.cutisBoxes = (photo, size, most, changed) => {
  "use strict";

  const stage = photo.querySelector("[data-stage]");
  const image = photo.querySelector("[data-photograph]");
  const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
  const SMALLEST = 6;  // on the screen: less was a click
  let boxes = [];
  let drawing = false;  // by touch: a finger draws instead of scrolling
  let level = 1;
  const layer = document.createElement("div");
  layer.className = "layer";
  stage.append(layer);

  // ---- Showing

  const place = (element, box) => {
    element.style.left = `${(100 * box.left) / size.width}%`;
    element.style.top = `${(100 * box.top) / size.height}%`;
    element.style.width = `${(100 * box.width) / size.width}%`;
    element.style.height = `${(100 * box.height) / size.height}%`;
  };

  const make = () => {
    const element = document.createElement("div");
    element.className = "box";
    element.tabIndex = 0;
    element.setAttribute("role", "group");
    element.setAttribute("aria-roledescription", "box");
    for (const name of HANDLES) {
      const handle = document.createElement("span");
      handle.className = `handle ${name}`;
      handle.dataset.handle = name;
      element.append(handle);
    }
    return element;
  };

  const show = () => {
    while (layer.children.length > boxes.length) layer.lastChild.remove();
    while (layer.children.length < boxes.length) layer.append(make());
    boxes.forEach((box, k) => {
      const element = layer.children[k];
      place(element, box);
      element.dataset.number = String(k + 1);
      element.setAttribute("aria-label", `Box ${k + 1}: ${box.width} by ${box.height} at ${box.left}, ${box.top}`);
    });
  };

  const set = (next) => {
    boxes = next;
    show();
    changed(boxes);
  };
  const replace = (k, box) => set(boxes.map((each, n) => (n === k ? box : each)));

  const remove = (k) => {
    set(boxes.filter((_, n) => n !== k));
    (layer.children[Math.min(k, boxes.length - 1)] ?? photo).focus();
  };

  // ---- Keeping within the image

  const between = (value, low, high) => Math.min(Math.max(value, low), high);

  const edges = (left, top, right, bottom) => {
    const [x0, x1] = [Math.min(left, right), Math.max(left, right)].map((x) => Math.round(between(x, 0, size.width)));
    const [y0, y1] = [Math.min(top, bottom), Math.max(top, bottom)].map((y) => Math.round(between(y, 0, size.height)));
    const x = Math.min(x0, size.width - 1);
    const y = Math.min(y0, size.height - 1);
    return { left: x, top: y, width: Math.max(1, x1 - x), height: Math.max(1, y1 - y) };
  };

  const moved = (box, dx, dy) => ({
    ...box,
    left: Math.round(between(box.left + dx, 0, size.width - box.width)),
    top: Math.round(between(box.top + dy, 0, size.height - box.height)),
  });

  const resized = (box, handle, dx, dy) => edges(
    box.left + (handle.includes("w") ? dx : 0),
    box.top + (handle.includes("n") ? dy : 0),
    box.left + box.width + (handle.includes("e") ? dx : 0),
    box.top + box.height + (handle.includes("s") ? dy : 0),
  );

  // ---- Mouse, pen and touch

  let drag;  // what goes on: its beginning, and how boxes are put back

  const point = (event) => {
    const area = image.getBoundingClientRect();
    return [
      ((event.clientX - area.left) / area.width) * size.width,
      ((event.clientY - area.top) / area.height) * size.height,
    ];
  };

  stage.addEventListener("pointerdown", (event) => {
    if (drag || event.button !== 0) return;
    const element = event.target.closest(".box");
    if (!element && event.pointerType === "touch" && !drawing) return;  // the finger scrolls
    if (!element && boxes.length >= most) return;
    event.preventDefault();
    const [x, y] = point(event);
    drag = { x, y, before: boxes, pointer: event.pointerId, screen: [event.clientX, event.clientY] };
    if (element) {
      drag.number = Number(element.dataset.number) - 1;
      drag.handle = event.target.dataset.handle;
      element.focus({ preventScroll: true });
    } else {
      drag.number = boxes.length;
      drag.fresh = true;
    }
    stage.setPointerCapture(event.pointerId);
  });

  stage.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.pointer) return;
    const [x, y] = point(event);
    if (drag.fresh) {
      const far = [event.clientX - drag.screen[0], event.clientY - drag.screen[1]].map(Math.abs);
      if (Math.min(...far) >= SMALLEST) set([...drag.before, edges(drag.x, drag.y, x, y)]);
      else if (boxes !== drag.before) set(drag.before);
      return;
    }
    const box = drag.before[drag.number];
    const [dx, dy] = [x - drag.x, y - drag.y];
    replace(drag.number, drag.handle ? resized(box, drag.handle, dx, dy) : moved(box, dx, dy));
  });

  const end = (event) => {
    if (!drag || event.pointerId !== drag.pointer) return;
    const { fresh, before } = drag;
    drag = undefined;
    if (event.type === "pointercancel") return set(before);
    if (fresh && boxes.length > before.length) {
      layer.lastChild.focus({ preventScroll: true });
      draw(false);
    }
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("dragstart", (event) => event.preventDefault());

  // ---- Keyboard

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  photo.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drag) {
      const { before } = drag;
      drag = undefined;
      set(before);
      return;
    }
    if (event.altKey || event.metaKey) return;
    const element = event.target.closest(".box");
    if (element) {
      const k = Number(element.dataset.number) - 1;
      const step = STEPS[event.key];
      if (step) {
        event.preventDefault();
        const by = event.ctrlKey ? 1 : Math.max(1, Math.round(Math.max(size.width, size.height) / 100));
        const [dx, dy] = step.map((each) => each * by);
        const box = boxes[k];
        // To be made smaller than a pixel turns no box round.
        if (event.shiftKey) {
          replace(k, edges(box.left, box.top, Math.max(box.left + 1, box.left + box.width + dx),
            Math.max(box.top + 1, box.top + box.height + dy)));
        } else replace(k, moved(box, dx, dy));
        element.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else if (event.key === "Delete" || event.key === "Backspace") {
        event.preventDefault();
        remove(k);
      }
    }
    if (event.ctrlKey) return;
    if (event.key === "+" || event.key === "=") zoom(1);
    if (event.key === "-") zoom(-1);
  });

  const draw = (on) => {
    drawing = on;
    photo.classList.toggle("drawing", on);
    photo.dispatchEvent(new CustomEvent("drawing", { detail: on }));
  };

  // ---- Adding in the middle of what is seen

  const add = () => {
    if (boxes.length >= most) return;
    const [seen, area] = [photo.getBoundingClientRect(), image.getBoundingClientRect()];
    const part = (from, to, low, high, pixels) => [from, to].map((x) => ((between(x, low, high) - low) / (high - low)) * pixels);
    const [left, right] = part(seen.left, seen.right, area.left, area.right, size.width);
    const [top, bottom] = part(seen.top, seen.bottom, area.top, area.bottom, size.height);
    const [w, h] = [(right - left) / 4, (bottom - top) / 4];
    let box = edges(left + w, top + h, right - w, bottom - h);
    while (boxes.some((each) => each.left === box.left && each.top === box.top)) {
      const next = moved(box, Math.max(1, size.width / 50), Math.max(1, size.height / 50));
      if (next.left === box.left && next.top === box.top) break;
      box = next;
    }
    set([...boxes, box]);
    layer.lastChild.focus({ preventScroll: true });
  };

  // ---- Zoom: the stage grows, the region around it scrolls

  const LEVELS = [1, 1.5, 2, 3, 4, 6, 8];

  const fit = () => {
    const room = Math.min(photo.clientWidth, (innerHeight * (innerWidth < 896 ? 0.5 : 0.72) * size.width) / size.height);
    const middle = [
      (photo.scrollLeft + photo.clientWidth / 2) / Math.max(1, photo.scrollWidth),
      (photo.scrollTop + photo.clientHeight / 2) / Math.max(1, photo.scrollHeight),
    ];
    photo.style.height = `${Math.ceil((room * size.height) / size.width)}px`;
    stage.style.width = `${Math.floor(room * level)}px`;
    photo.scrollLeft = middle[0] * photo.scrollWidth - photo.clientWidth / 2;
    photo.scrollTop = middle[1] * photo.scrollHeight - photo.clientHeight / 2;
  };

  const zoom = (by) => {
    level = LEVELS[between(LEVELS.indexOf(level) + by, 0, LEVELS.length - 1)];
    fit();
    photo.dispatchEvent(new CustomEvent("zoomed", { detail: level }));
  };
  new ResizeObserver(() => fit()).observe(photo.parentElement);
  addEventListener("resize", fit);
  fit();

  // ---- What others drew, to be looked at only

  const showOthers = (people) => {
    people.forEach((each, k) => {
      for (const box of each.annotation.boxes) {
        const element = document.createElement("div");
        element.className = `seen other-${k + 1}`;
        place(element, box);
        layer.before(element);
      }
    });
  };

  return { set: (next) => { boxes = next; show(); }, replace, remove, add, draw, zoom, showOthers, focus: (k) => layer.children[k]?.focus() };
};
