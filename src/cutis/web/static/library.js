// The grid: what is unsaved in this browser, and the list of diagnoses open where there is room beside it.
(() => {
  "use strict";

  for (const each of document.querySelectorAll("[data-open-wide]")) each.open = matchMedia("(min-width: 56rem)").matches;

  const told = document.querySelector("[data-drafts]");
  const drafts = [];
  try {
    for (let k = 0; k < localStorage.length; k += 1) {
      const key = localStorage.key(k);
      if (!key.startsWith(told.dataset.drafts)) continue;
      const draft = JSON.parse(localStorage.getItem(key));
      drafts.push([Number(key.slice(told.dataset.drafts.length)), String(draft.name)]);
    }
  } catch { return; }  // a browser that keeps nothing, or not our form
  if (!drafts.length) return;
  drafts.sort((one, two) => one[0] - two[0]);
  told.append("Unsaved in this browser: ");
  drafts.slice(0, 10).forEach(([image, name], k) => {
    const link = document.createElement("a");
    link.href = `/images/${image}`;
    link.textContent = name;
    told.append(k ? ", " : "", link);
  });
  if (drafts.length > 10) told.append(` and ${drafts.length - 10} more`);
  told.hidden = false;
})();
