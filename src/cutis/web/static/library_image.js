// The page of an image: the form, what is unsaved (kept in this browser until it is saved), saving, conflicts.
(() => {
  "use strict";

  const root = document.querySelector("[data-image]");
  const page = JSON.parse(root.dataset.image);
  const at = (name) => root.querySelector(`[data-${name}]`);
  const key = page.key + page.image;
  const form = at("form");
  const search = form.querySelector("[data-search]");
  search.dataset.search = "strict";
  let names = page.names;
  let saved = page.annotation;  // what stands on the server, or what the form begins with
  let now = structuredClone(saved);
  let busy = false;

  // ---- The form shows `now`, and changes it

  const photo = at("photo");
  const boxes = window.cutisBoxes(photo, page, page.most_boxes, (next) => {
    now.boxes = next;
    showBoxes();
    changed();
  });

  const FIELDS = { left: "Left", top: "Top", width: "Width", height: "Height" };

  const boxRow = (k) => {
    const row = document.createElement("li");
    for (const [name, words] of Object.entries(FIELDS)) {
      const label = document.createElement("label");
      const input = document.createElement("input");
      label.append(words, input);
      input.type = "number";
      input.inputMode = "numeric";
      input.min = name === "width" || name === "height" ? 1 : 0;
      input.max = name === "left" || name === "width" ? page.width : page.height;
      input.setAttribute("aria-label", `${words} of box ${k + 1}`);
      input.dataset.field = name;
      input.addEventListener("change", () => {
        const value = Math.round(Number(input.value));
        const box = { ...now.boxes[k], [name]: value };
        const fits = input.value !== "" && Number.isFinite(value) && box.left >= 0 && box.top >= 0 && box.width >= 1
          && box.height >= 1 && box.left + box.width <= page.width && box.top + box.height <= page.height;
        if (!fits) {
          problem(`${words} of box ${k + 1}: the box would not lie within the image (${page.width} × ${page.height} pixels). Nothing was changed.`);
          showBoxes();
        } else {
          problem("");
          boxes.replace(k, box);
        }
      });
      row.append(label);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = "Remove";
    button.setAttribute("aria-label", `Remove box ${k + 1}`);
    button.addEventListener("click", () => boxes.remove(k));
    row.append(button);
    return row;
  };

  const list = at("box-list");
  const showBoxes = () => {
    while (list.children.length > now.boxes.length) list.lastChild.remove();
    while (list.children.length < now.boxes.length) list.append(boxRow(list.children.length));
    now.boxes.forEach((box, k) => {
      for (const input of list.children[k].querySelectorAll("input")) input.value = box[input.dataset.field];
    });
    at("no-boxes").hidden = now.boxes.length > 0;
  };

  const show = () => {
    const name = now.node ? names[now.node] ?? now.node : "";
    search.dispatchEvent(new CustomEvent("set", { detail: { name, node: now.node ?? "" } }));
    at("chosen").textContent = now.node ? `Chosen: ${name}` : "No diagnosis chosen";
    at("confirm").value = now.confirm_type ?? "";
    for (const each of root.querySelectorAll("[data-quality]")) each.checked = now.quality.includes(each.value);
    at("note").value = now.note;
    boxes.set(now.boxes);
    showBoxes();
  };

  search.addEventListener("chosen", (event) => {
    const each = event.detail;
    now.node = each ? each.node : null;
    if (each) names = { ...names, [each.node]: each.name };
    at("chosen").textContent = each ? `Chosen: ${each.name}${each.matched ? ` (${each.matched})` : ""}` : "No diagnosis chosen";
    changed();
  });
  search.addEventListener("unchosen", () => {
    at("chosen").textContent = now.node ? `Chosen: ${names[now.node] ?? now.node}` : "No diagnosis chosen: choose one of the list";
  });
  at("confirm").addEventListener("change", (event) => { now.confirm_type = event.target.value || null; changed(); });
  at("note").addEventListener("input", (event) => { now.note = event.target.value; changed(); });
  for (const each of root.querySelectorAll("[data-quality]")) {
    each.addEventListener("change", () => {
      now.quality = [...root.querySelectorAll("[data-quality]")].filter((one) => one.checked).map((one) => one.value);
      changed();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());

  // ---- What is unsaved is kept in this browser

  const same = (one, two) => JSON.stringify(plain(one)) === JSON.stringify(plain(two));
  const plain = ({ node, confirm_type, quality, note, boxes: drawn }) =>
    [node, confirm_type, quality, note.trim(), drawn.map((box) => [box.left, box.top, box.width, box.height])];
  const unsaved = () => !same(now, saved);
  let kept = true;  // whether the browser keeps drafts

  const say = (words) => { at("saved").textContent = words; };
  const changed = () => {
    try {
      if (unsaved()) localStorage.setItem(key, JSON.stringify({ version: page.version, at: Date.now(), name: page.name, names, annotation: now }));
      else localStorage.removeItem(key);
      kept = true;
    } catch { kept = false; }
    const before = page.version ? `version ${page.version} stands` : "not saved yet";
    say(!unsaved() ? (page.version ? `Saved, version ${page.version}` : "Not saved yet")
      : kept ? `Unsaved changes, kept in this browser (${before})` : `Unsaved changes, and this browser does not keep them (${before})`);
  };
  addEventListener("beforeunload", (event) => { if (unsaved() && !kept) event.preventDefault(); });
  addEventListener("storage", (event) => {
    if (event.key === key && event.newValue) problem("This image is being changed in another tab as well. What is saved last makes its own version; nothing is lost, but unsaved work is kept of one tab only.");
  });

  const restore = () => {
    let draft;
    try {
      draft = JSON.parse(localStorage.getItem(key));
      if (!draft || same(draft.annotation, saved)) return;
      names = { ...draft.names, ...names };
      now = draft.annotation;
      show();
    } catch {  // not our form, or nothing is kept
      now = structuredClone(saved);
      return;
    }
    const when = new Date(draft.at).toLocaleString();
    at("restored-words").textContent = draft.version === page.version
      ? `Unsaved changes of ${when} are restored.`
      : `Unsaved changes of ${when} are restored. They began from version ${draft.version}, and version ${page.version} stands now: look before you save.`;
    at("restored").hidden = false;
    changed();
  };
  at("discard").addEventListener("click", () => {
    now = structuredClone(saved);
    show();
    changed();
    at("restored").hidden = true;
    at("search-words").focus();
  });

  // ---- Saving

  const problem = (words) => {
    at("problem").textContent = words;
    at("problem").hidden = !words;
  };

  const save = async () => {
    if (busy) return false;
    busy = true;
    problem("");
    at("conflict").hidden = true;
    say("Saving …");
    const sent = structuredClone(now);
    try {
      const answer = await fetch(`/images/${page.image}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": root.dataset.csrf },
        body: JSON.stringify({ version: page.version, rests_on: page.rests_on, annotation: sent }),
      });
      const told = await answer.json();
      if (answer.ok) {
        if (same(now, sent)) now = structuredClone(told.annotation);
        saved = told.annotation;
        page.version = told.version;
        at("restored").hidden = true;
        changed();
        if (!unsaved()) say(`Saved, version ${told.version}, ${new Date(told.at).toLocaleTimeString()}`);
        return true;
      }
      changed();
      if (told.code === "conflict") {
        at("conflict-words").textContent = `Not saved. ${told.problem} Yours is kept in this browser.`;
        at("conflict").hidden = false;
      } else problem(`Not saved. ${told.problem}`);
    } catch {
      changed();
      problem("Not saved: the server does not answer. Your work is kept in this browser. Try again.");
    } finally {
      busy = false;
    }
    return false;
  };

  at("save").addEventListener("click", save);
  at("save-next")?.addEventListener("click", async () => {
    if (await save()) document.querySelector("[data-next]").click();
  });
  at("theirs").addEventListener("click", () => {
    try { localStorage.removeItem(key); } catch { /* nothing was kept */ }
    now = structuredClone(saved);
    location.reload();
  });
  at("keep").addEventListener("click", () => location.reload());
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      document.activeElement?.blur();
      save();
    }
  });

  // ---- Tools

  at("draw").addEventListener("click", (event) => boxes.draw(event.currentTarget.getAttribute("aria-pressed") !== "true"));
  photo.addEventListener("drawing", (event) => at("draw").setAttribute("aria-pressed", String(event.detail)));
  at("add").addEventListener("click", boxes.add);
  for (const each of root.querySelectorAll("[data-zoom]")) each.addEventListener("click", () => boxes.zoom(Number(each.dataset.zoom)));
  photo.addEventListener("zoomed", (event) => { at("zoom-level").textContent = event.detail === 1 ? "fits" : `${event.detail} ×`; });
  for (const each of root.querySelectorAll("[data-take]")) {
    each.addEventListener("click", () => {
      const taken = page.others[Number(each.dataset.take)].annotation;
      now = { ...structuredClone(taken), note: now.note };
      show();
      changed();
      at("save").focus();
    });
  }
  const photograph = at("photograph");
  const gone = () => { at("no-photograph").hidden = false; };
  photograph.addEventListener("error", gone);
  if (photograph.complete && !photograph.naturalWidth) gone();

  boxes.showOthers(page.others);
  show();
  restore();
})();
