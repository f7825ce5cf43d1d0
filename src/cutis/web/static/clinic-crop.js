// The box around the lesion: dragged, resized by its corners, moved by keys, or set by buttons. Its shape is that of the
// network's images, upright or on its side, so that nothing is stretched.
(() => {
  "use strict";

  const LEAST = 0.05;  // of the photograph's shorter side
  const STEP = 0.02;
  const between = (value, low, high) => Math.min(Math.max(value, low), high);

  window.CutisCrop = class {
    // root: [data-cutting]; aspect: width / height; changed: called after a person's change.
    constructor(root, aspect, changed) {
      this.stage = root.querySelector("[data-stage]");
      this.canvas = this.stage.querySelector("canvas");
      this.boxed = root.querySelector("[data-box]");
      this.handles = [...root.querySelectorAll("[data-handle]")];
      this.tools = root.querySelector("[data-crop-tools]");
      this.aspect = aspect;
      this.changed = changed;
      this.box = null;  // in pixels of the photograph; null: the whole of it
      this.suggestion = null;
      this.tools.addEventListener("click", (event) => this.#press(event.target.closest("[data-crop]")?.dataset.crop));
      this.boxed.addEventListener("keydown", (event) => this.#key(event, null));
      this.boxed.addEventListener("pointerdown", (event) => this.#drag(event, null));
      for (const each of this.handles) {
        each.addEventListener("keydown", (event) => this.#key(event, each.dataset.handle));
        each.addEventListener("pointerdown", (event) => this.#drag(event, each.dataset.handle));
      }
      // A tap beside the box brings it there: no dragging is needed.
      this.canvas.addEventListener("click", (event) => {
        if (!this.box) return;
        const [x, y] = this.#place(event);
        this.#move(x - this.box.width / 2, y - this.box.height / 2);
        this.changed();
      });
      new ResizeObserver(() => this.#draw()).observe(this.canvas);
    }

    show(bitmap) {
      this.bitmap = bitmap;
      const scale = 1280 / Math.max(bitmap.width, bitmap.height);
      this.canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      this.canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0, this.canvas.width, this.canvas.height);
      this.shape = (bitmap.width >= bitmap.height) === (this.aspect >= 1) ? this.aspect : 1 / this.aspect;
      this.suggestion = null;
      this.box = null;
      this.#draw();
    }

    // shares: {left, top, width, height}
    suggest(shares) {
      const { width, height } = this.bitmap;
      this.suggestion = {
        left: shares.left * width, top: shares.top * height, width: shares.width * width, height: shares.height * height,
      };
      this.#take();
    }

    // As shares of the photograph's sides.
    shares() {
      const { width, height } = this.bitmap;
      if (!this.box) return { left: 0, top: 0, width: 1, height: 1 };
      const wide = Math.min(1, this.box.width / width);
      const high = Math.min(1, this.box.height / height);
      return {
        left: between(this.box.left / width, 0, 1 - wide), top: between(this.box.top / height, 0, 1 - high),
        width: wide, height: high,
      };
    }

    #take() {
      this.box = { ...this.suggestion };
      this.shape = this.box.width / this.box.height >= 1 === this.aspect >= 1 ? this.aspect : 1 / this.aspect;
      this.#draw();
    }

    #press(what) {
      if (!what) return;
      if (what === "whole") this.box = null;
      else if (what === "suggested") this.#take();
      else if (what === "turn") {
        const held = this.box;
        this.shape = 1 / this.shape;
        this.#centred(held ? Math.sqrt(held.width * held.height / this.shape) : this.#most() * 0.8, held);
      } else if (this.box) this.#centred(this.box.height * (what === "smaller" ? 0.85 : 1 / 0.85), this.box);
      else this.#centred(this.#most() * (what === "smaller" ? 0.8 : 1), null);
      this.#draw();
      this.changed();
    }

    // The greatest height that a box of this shape can have.
    #most() {
      return Math.min(this.bitmap.height, this.bitmap.width / this.shape);
    }

    #least() {
      return LEAST * Math.min(this.bitmap.width, this.bitmap.height) / Math.min(1, this.shape);
    }

    #centred(height, held) {
      const x = held ? held.left + held.width / 2 : this.bitmap.width / 2;
      const y = held ? held.top + held.height / 2 : this.bitmap.height / 2;
      const high = between(height, this.#least(), this.#most());
      this.box = { left: 0, top: 0, width: high * this.shape, height: high };
      this.#move(x - this.box.width / 2, y - high / 2);
    }

    #move(left, top) {
      this.box.left = between(left, 0, this.bitmap.width - this.box.width);
      this.box.top = between(top, 0, this.bitmap.height - this.box.height);
      this.#draw();
    }

    // Bring a corner to a place; the opposite one stays.
    #corner(name, x, y) {
      const { left, top, width, height } = this.box;
      const west = name.includes("w");
      const north = name.includes("n");
      const fixed = [west ? left + width : left, north ? top + height : top];
      const room = [west ? fixed[0] : this.bitmap.width - fixed[0], north ? fixed[1] : this.bitmap.height - fixed[1]];
      const wanted = Math.max((west ? fixed[0] - x : x - fixed[0]) / this.shape, north ? fixed[1] - y : y - fixed[1]);
      const high = between(wanted, Math.min(this.#least(), room[1]), Math.min(room[1], room[0] / this.shape));
      const wide = high * this.shape;
      this.box = { left: west ? fixed[0] - wide : fixed[0], top: north ? fixed[1] - high : fixed[1], width: wide, height: high };
      this.#draw();
    }

    #key(event, corner) {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const step = STEP * Math.max(this.bitmap.width, this.bitmap.height);
      if (by && corner) {
        const x = corner.includes("w") ? this.box.left : this.box.left + this.box.width;
        const y = corner.includes("n") ? this.box.top : this.box.top + this.box.height;
        // Along one side: the other follows by the shape.
        const grow = (corner.includes("w") ? -by[0] : by[0]) || (corner.includes("n") ? -by[1] : by[1]);
        this.#corner(corner, x + (corner.includes("w") ? -grow : grow) * step, y + (corner.includes("n") ? -grow : grow) * step / this.shape);
      } else if (by) this.#move(this.box.left + by[0] * step, this.box.top + by[1] * step);
      else if (event.key === "+" || event.key === "=") this.#press("larger");
      else if (event.key === "-") this.#press("smaller");
      else return;
      event.preventDefault();
      this.changed();
    }

    #place(event) {
      const shown = this.canvas.getBoundingClientRect();
      const scale = this.bitmap.width / shown.width;
      return [(event.clientX - shown.left) * scale, (event.clientY - shown.top) * scale];
    }

    #drag(event, corner) {
      if (event.button !== 0 || !event.isPrimary) return;
      event.preventDefault();
      const target = event.currentTarget;
      target.focus({ preventScroll: true });
      target.setPointerCapture(event.pointerId);
      const [x, y] = this.#place(event);
      const from = corner
        ? [x - (corner.includes("w") ? this.box.left : this.box.left + this.box.width),
           y - (corner.includes("n") ? this.box.top : this.box.top + this.box.height)]
        : [x - this.box.left, y - this.box.top];
      const move = (next) => {
        const [nextX, nextY] = this.#place(next);
        if (corner) this.#corner(corner, nextX - from[0], nextY - from[1]);
        else this.#move(nextX - from[0], nextY - from[1]);
      };
      const end = () => {
        target.removeEventListener("pointermove", move);
        for (const name of ["pointerup", "pointercancel"]) target.removeEventListener(name, end);
        this.changed();
      };
      target.addEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) target.addEventListener(name, end);
    }

    #draw() {
      const whole = !this.box;
      this.boxed.hidden = whole;
      for (const each of this.handles) each.hidden = whole;
      this.tools.querySelector("[data-crop=whole]").setAttribute("aria-pressed", String(whole));
      this.tools.querySelector("[data-crop=suggested]").hidden = !this.suggestion;
      if (whole || !this.bitmap) return;
      const scale = this.canvas.clientWidth / this.bitmap.width;
      const { left, top, width, height } = this.box;
      const style = this.boxed.style;
      style.left = `${left * scale}px`;
      style.top = `${top * scale}px`;
      style.width = `${width * scale}px`;
      style.height = `${height * scale}px`;
      // Where the box is small its corners are taken hold of outside it, so that its middle stays free.
      const out = Math.min(width, height) * scale < 132 ? 20 : 0;
      for (const each of this.handles) {
        const west = each.dataset.handle.includes("w");
        const north = each.dataset.handle.includes("n");
        const x = (west ? left : left + width) * scale + (west ? -out : out);
        const y = (north ? top : top + height) * scale + (north ? -out : out);
        each.style.left = `${between(x, 22, this.canvas.clientWidth - 22)}px`;
        each.style.top = `${between(y, 22, this.canvas.clientHeight - 22)}px`;
      }
    }
  };
})();
