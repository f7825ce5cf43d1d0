// What several pages of the follow-up share: printing.
(() => {
  "use strict";

  for (const each of document.querySelectorAll("[data-print]")) each.addEventListener("click", () => print());
})();
