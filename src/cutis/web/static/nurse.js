// The study nurse's pages: copy buttons, and how far a study is that is being made. Everything works without it.
(() => {
  "use strict";

  for (const button of document.querySelectorAll("[data-copy]")) {
    const told = document.createElement("span");
    told.className = "unseen";
    told.setAttribute("role", "status");
    button.after(told);
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      const words = button.textContent;
      let done = true;
      try {
        await navigator.clipboard.writeText(field.value);
      } catch {  // over plain http browsers have no clipboard
        field.select();
        done = document.execCommand("copy");
      }
      button.textContent = done ? "Copied" : "Press Ctrl+C";
      told.textContent = button.textContent;
      setTimeout(() => { button.textContent = words; told.textContent = ""; }, 3000);
    });
  }

  const making = document.querySelector("[data-making]");
  if (making) {
    const words = making.querySelector("[data-making-words]");
    const bar = making.querySelector("progress");
    const look = async () => {
      try {
        const state = await (await fetch(making.dataset.making, { cache: "no-store" })).json();
        if (!state.running) return location.reload();
        const stage = state.stage || "cases";
        const text = stage[0].toUpperCase() + stage.slice(1) + (state.total ? `: ${state.done} of ${state.total}` : "");
        if (words.textContent !== text) words.textContent = text;
        bar.max = state.total || 1;
        bar.value = state.done;
      } catch { /* the server does not answer: ask again */ }
      setTimeout(look, 1000);
    };
    setTimeout(look, 1000);
  }
})();
