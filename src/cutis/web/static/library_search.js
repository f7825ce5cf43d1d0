// The search box for a diagnosis: as one types, by word or code; arrow keys, Enter and Escape (ARIA's combobox).
(() => {
  "use strict";

  let number = 0;

  for (const field of document.querySelectorAll("[data-search]")) {
    const input = field.querySelector("[data-search-words]");
    const node = field.querySelector("[data-search-node]");
    const list = document.createElement("ul");
    const told = document.createElement("span");
    number += 1;
    list.id = `found-${number}`;
    list.className = "found";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Diagnoses");
    told.className = "unseen";
    told.setAttribute("role", "status");
    input.after(list, told);
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
    })) input.setAttribute(name, value);

    let found = [];
    let active = -1;
    let waiting;
    let asked;
    let chosen = input.value;

    const close = () => {
      list.hidden = true;
      active = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };

    const mark = (next) => {
      active = next;
      [...list.children].forEach((each, k) => each.setAttribute("aria-selected", String(k === active)));
      if (active < 0) return input.removeAttribute("aria-activedescendant");
      input.setAttribute("aria-activedescendant", list.children[active].id);
      list.children[active].scrollIntoView({ block: "nearest" });
    };

    const choose = (each) => {
      chosen = each ? each.name : "";
      input.value = chosen;
      node.value = each ? each.node : "";
      close();
      field.dispatchEvent(new CustomEvent("chosen", { detail: each }));
    };

    const show = () => {
      list.replaceChildren(...found.map((each, k) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${k}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        const name = document.createElement("b");
        name.textContent = each.name;
        const more = document.createElement("span");
        more.textContent = [each.matched, each.path].filter(Boolean).join(" · ");
        item.append(name, more);
        item.addEventListener("pointerdown", (event) => event.preventDefault());  // the input keeps the focus
        item.addEventListener("click", () => choose(each));
        return item;
      }));
      told.textContent = found.length ? `${found.length} diagnoses` : "No diagnosis found";
      if (!found.length) return close();
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(-1);
    };

    const ask = async () => {
      const words = input.value.trim();
      asked?.abort();
      if (!words) return close();
      asked = new AbortController();
      try {
        const answer = await fetch(`/diagnoses?q=${encodeURIComponent(words.slice(0, 100))}`, {
          headers: { Accept: "application/json" }, signal: asked.signal,
        });
        found = answer.ok ? await answer.json() : [];
      } catch (error) {
        if (error.name === "AbortError") return;
        found = [];
      }
      if (document.activeElement === input) show();
    };

    input.addEventListener("input", () => {
      node.value = "";
      clearTimeout(waiting);
      waiting = setTimeout(ask, 120);
    });
    input.addEventListener("keydown", (event) => {
      const open = !list.hidden;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (!open) return void ask();
        const step = event.key === "ArrowDown" ? 1 : -1;
        mark((active + step + (active < 0 && step < 0 ? 1 : 0) + found.length) % found.length);
      } else if (event.key === "Enter" && open) {
        event.preventDefault();
        choose(found[Math.max(active, 0)]);
      } else if (event.key === "Escape" && open) {
        event.preventDefault();
        close();
      }
    });
    input.addEventListener("focus", () => input.select());
    // What was typed and not chosen is no diagnosis: the last choice stands, or none if the box was emptied.
    input.addEventListener("blur", () => {
      clearTimeout(waiting);
      asked?.abort();
      close();
      if (input.value === chosen) return;
      if (!input.value.trim()) return choose(null);
      if (field.dataset.search === "strict") {
        input.value = chosen;
        field.dispatchEvent(new CustomEvent("unchosen"));
      }
    });
    field.addEventListener("set", (event) => {
      chosen = event.detail.name;
      input.value = chosen;
      node.value = event.detail.node;
    });
  }
})();
