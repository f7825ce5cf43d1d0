// Several diagnoses in order: pressed one after the other instead of picked from lists. The lists are what is sent.
(() => {
  "use strict";

  const group = document.querySelector("[data-ranking]");
  const lists = [...group.querySelectorAll("select")];
  let chosen = lists.map((each) => each.value).filter(Boolean);

  const panel = document.createElement("div");
  panel.className = lists[0].options.length > 8 ? "choices many" : "choices";
  const buttons = [...lists[0].options].filter((each) => each.value).map((option) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "choice";
    button.dataset.id = option.value;
    button.dataset.key = option.dataset.key;
    const rank = document.createElement("b");
    rank.setAttribute("aria-hidden", "true");
    const name = document.createElement("span");
    name.textContent = option.textContent;
    const key = document.createElement("kbd");
    key.textContent = option.dataset.key;
    key.setAttribute("aria-hidden", "true");
    button.append(rank, name, key);
    panel.append(button);
    return button;
  });

  const show = () => {
    lists.forEach((each, place) => { each.value = chosen[place] ?? ""; });
    for (const button of buttons) {
      const place = chosen.indexOf(button.dataset.id);
      const name = button.querySelector("span").textContent;
      button.querySelector("b").textContent = place < 0 ? "" : place + 1;
      button.setAttribute("aria-pressed", String(place >= 0));
      button.setAttribute("aria-disabled", String(place < 0 && chosen.length >= lists.length));
      if (place < 0) button.removeAttribute("aria-label");
      else button.setAttribute("aria-label", group.dataset.buttonWords.replace("{name}", name).replace("{number}", place + 1));
    }
  };

  panel.addEventListener("click", (event) => {
    const id = event.target.closest("button")?.dataset.id;
    if (!id) return;
    if (chosen.includes(id)) chosen = chosen.filter((each) => each !== id);
    else if (chosen.length < lists.length) chosen.push(id);
    show();
  });

  for (const each of lists) {
    each.required = false;  // a hidden list cannot say that it is empty; the form says so itself
    each.closest("label").hidden = true;
  }
  group.append(panel);
  show();
})();
