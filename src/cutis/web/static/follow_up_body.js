// A tap on the body drawing writes its place into the fields; the fields move the mark.
(() => {
  "use strict";

  const form = document.querySelector("[data-placing]");
  const { across, down, side } = form.elements;
  const drawings = [...form.querySelectorAll("[data-side]")];
  document.body.classList.add("scripted");

  const show = () => {
    for (const drawing of drawings) {
      const mark = drawing.querySelector("[data-mark]");
      const here = drawing.dataset.side === side.value;
      mark.setAttribute("visibility", here ? "visible" : "hidden");
      const dot = mark.querySelector("circle");
      dot.setAttribute("cx", 2 * Number(across.value));
      dot.setAttribute("cy", 4.4 * Number(down.value));
    }
  };

  for (const drawing of drawings) {
    drawing.addEventListener("click", (event) => {
      const shown = drawing.getBoundingClientRect();
      const share = (value, from, size) => String(Math.round(1000 * Math.min(Math.max((value - from) / size, 0), 1)) / 10);
      across.value = share(event.clientX, shown.left, shown.width);
      down.value = share(event.clientY, shown.top, shown.height);
      side.value = drawing.dataset.side;
      show();
    });
  }
  form.addEventListener("input", show);
  show();
})();
