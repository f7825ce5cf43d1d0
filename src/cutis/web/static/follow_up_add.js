// Adding a photograph: it is shown with the suggested box, which goes along with the form.
(() => {
  "use strict";

  const form = document.querySelector("[data-adding]");
  const words = JSON.parse(form.dataset.words);
  const input = form.querySelector("input[type=file]");
  const cutting = form.querySelector("[data-cutting]");
  const hint = form.querySelector("[data-hint]");
  const quality = form.querySelector("[data-quality]");
  const problem = form.querySelector("[data-problem]");
  let shown = null;  // the file whose picture is shown
  let touched = false;

  const crop = new window.CutisCrop(cutting, Number(form.dataset.aspect), () => {
    touched = true;
    hint.textContent = "";
    write();
  });

  const write = () => {
    const shares = shown ? crop.shares() : {};
    for (const each of form.querySelectorAll("[data-side]")) each.value = shares[each.dataset.side] ?? "";
  };

  const tell = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };

  const look = async (file) => {
    hint.textContent = words.looking;
    const body = new FormData();
    body.append("csrf", form.elements.csrf.value);
    body.append("photograph", file, "photograph");
    let told;
    try {
      const reply = await fetch("/follow-up/look", { method: "POST", body, headers: { Accept: "application/json" } });
      told = await reply.json();
      if (!reply.ok) throw new Error(told.problem);
    } catch (error) {
      if (shown === file) hint.textContent = `${words["no-suggestion"]} (${error.message})`;
      return;
    }
    if (shown !== file) return;
    quality.hidden = told.unfit.length === 0;
    quality.querySelector("ul").replaceChildren(...told.unfit.map((text) => {
      const line = document.createElement("li");
      line.textContent = text;
      return line;
    }));
    if (touched) return;
    if (told.box && !told.whole) crop.suggest(told.box);
    write();
    const found = told.whole ? words.whole : told.box ? words.found : words.none;
    hint.textContent = [found, told.unfit.length ? "" : words.fit, told.notes].filter(Boolean).join(" ");
  };

  input.addEventListener("change", async () => {
    const [file] = input.files;
    shown = null;
    touched = false;
    tell("");
    quality.hidden = true;
    cutting.hidden = true;
    write();
    if (!file) return;
    try {
      const bitmap = await createImageBitmap(file);
      cutting.hidden = false;
      crop.show(bitmap);
      shown = file;
      write();
      // The day that the file tells is the better guess of when it was taken.
      const day = new Date(file.lastModified - 60_000 * new Date().getTimezoneOffset()).toISOString().slice(0, 10);
      if (day < form.elements.taken_on.value) form.elements.taken_on.value = day;
      look(file);
    } catch {
      tell(words["not-a-photograph"]);
    }
  });

  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    write();
    form.dataset.sent = "yes";
    form.querySelector("[data-go]").setAttribute("aria-disabled", "true");
    form.querySelector("[data-status]").textContent = words.asking;
  });
  addEventListener("pageshow", () => { delete form.dataset.sent; });
})();
