// The clinic's page: a photograph is shown and cropped here, sent when the answer is asked for, and kept nowhere but in
// this page's memory.
(() => {
  "use strict";

  const LONGEST = 2400;  // pixels: larger photographs are scaled down before they are sent, which also drops where and when
  const LARGE = 6_000_000;  // bytes
  const SENT_AS_THEY_ARE = ["image/jpeg", "image/png", "image/webp"];

  const form = document.querySelector("[data-ask]");
  const words = JSON.parse(form.dataset.words);
  const say = (key, values = {}) =>
    Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), words[key]);
  const problem = form.querySelector("[data-problem]");
  const status = form.querySelector("[data-status]");
  const hint = form.querySelector("[data-hint]");
  const boxTold = form.querySelector("[data-box-told]");
  const cutting = form.querySelector("[data-cutting]");
  const quality = form.querySelector("[data-quality]");
  const drop = form.querySelector("[data-drop]");
  const desk = document.querySelector("[data-desk]");
  const result = document.querySelector("[data-result]");
  const inputs = [...form.querySelectorAll("input[type=file]")];
  let photograph = null;  // {blob, name, bitmap}
  let looked = Promise.resolve();
  let touched = false;  // whether a person has set the box
  let asking = false;

  document.body.classList.add("scripted");
  // Without a touch screen there is hardly a camera behind it.
  document.body.classList.toggle("no-touch", navigator.maxTouchPoints === 0);

  // ---- What is told

  const refuse = (text) => {
    problem.querySelector("[data-problem-text]").textContent = text;
    problem.hidden = !text;
    if (text) problem.scrollIntoView({ block: "nearest" });
  };

  const tell = (element, text) => { element.textContent = text; };

  class Told extends Error {}

  // Send the photograph with the fields given; the reply, or an error that says what to do.
  const send = async (address, fields, seconds) => {
    const body = new FormData();
    body.append("csrf", form.elements.csrf.value);
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append("photograph", photograph.blob, photograph.name);
    let reply;
    try {
      reply = await fetch(`${address}?lang=${document.documentElement.lang}`, {
        method: "POST", body, headers: { "X-Requested-With": "script" }, signal: AbortSignal.timeout(1000 * seconds),
      });
      if (reply.ok) return await (reply.headers.get("content-type").includes("json") ? reply.json() : reply.text());
    } catch (error) {
      throw new Told(error.name === "TimeoutError" ? words.slow : words.offline);
    }
    const told = await reply.json().catch(() => ({}));
    throw new Told(told.problem ?? words.offline);
  };

  // ---- The photograph

  const crop = new window.CutisCrop(cutting, Number(form.dataset.aspect), () => {
    touched = true;
    tell(hint, "");  // the suggestion is taken no more
    const shares = Object.entries(crop.shares()).map(([name, value]) => [name, Math.round(100 * value)]);
    tell(boxTold, say("box", Object.fromEntries(shares)));
    outdated();
  });

  // What has been answered is not what is shown now.
  const outdated = () => {
    if (result.hidden) return;
    result.hidden = true;
    result.replaceChildren();
    desk.classList.remove("answered");
    tell(status, words.changed);
  };

  const scaledDown = async (bitmap) => {
    const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => { canvas.toBlob(done, "image/jpeg", 0.95); });
  };

  const take = async (file) => {
    if (!file || asking) return;
    refuse("");
    tell(status, "");
    tell(hint, words.reading);
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      forget();
      refuse(words["not-a-photograph"]);
      return;
    }
    const large = Math.max(bitmap.width, bitmap.height) > LONGEST || file.size > LARGE;
    const asItIs = SENT_AS_THEY_ARE.includes(file.type) && !large;
    photograph = { blob: asItIs ? file : await scaledDown(bitmap), name: file.name, bitmap };
    touched = false;
    outdated();
    tell(status, "");
    quality.hidden = true;
    cutting.hidden = false;
    drop.classList.add("full");
    for (const each of drop.querySelectorAll("[data-full-words]")) each.textContent = each.dataset.fullWords;
    crop.show(bitmap);
    looked = look(photograph);
  };

  const forget = () => {
    photograph = null;
    cutting.hidden = true;
    tell(hint, "");
    outdated();
    drop.classList.remove("full");
    for (const each of drop.querySelectorAll("[data-empty-words]")) each.textContent = each.dataset.emptyWords;
  };

  // The first look: a box, and whether the photograph is fit. Nothing waits for it but the answer, for a moment.
  const look = async (mine) => {
    tell(hint, words.looking);
    let told;
    try {
      told = await send("/look", {}, 30);
    } catch (error) {
      if (photograph === mine) tell(hint, `${words["no-suggestion"]} (${error.message})`);
      return;
    }
    if (photograph !== mine) return;
    quality.hidden = told.unfit.length === 0;
    quality.querySelector("ul").replaceChildren(...told.unfit.map((text) => {
      const line = document.createElement("li");
      line.textContent = text;
      return line;
    }));
    if (touched) return;
    if (told.box && !told.whole) crop.suggest(told.box);
    const found = told.whole ? words.whole : told.box ? words.found : words.none;
    tell(hint, [found, told.unfit.length ? "" : words.fit, told.notes].filter(Boolean).join(" "));
  };

  for (const input of inputs) {
    input.addEventListener("change", () => {
      take(input.files[0]);
      input.value = "";  // the same file may be chosen again
    });
  }

  for (const name of ["dragover", "dragenter"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => { if (event.clipboardData.files.length) take(event.clipboardData.files[0]); });

  // ---- The answer

  const known = () => Object.fromEntries(
    ["age", "sex", "site", "skin_type"].map((name) => [name, form.elements[name].value]),
  );

  form.querySelector(".patient").addEventListener("input", () => outdated());

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asking) return;
    if (!photograph) {
      refuse(words["no-photograph"]);
      inputs[1].focus();
      return;
    }
    asking = true;
    const button = form.querySelector("[data-go]");
    button.setAttribute("aria-disabled", "true");
    cutting.inert = true;
    refuse("");
    tell(status, words.asking);
    try {
      await Promise.race([looked, new Promise((done) => setTimeout(done, 5000))]);
      const asked = { ...known(), ...crop.shares() };
      fill(await send("/answer", asked, 60), asked);
      tell(status, words.answered);
    } catch (error) {
      if (!(error instanceof Told)) throw error;
      tell(status, "");
      refuse(error.message);
    } finally {
      asking = false;
      button.removeAttribute("aria-disabled");
      cutting.inert = false;
    }
  });

  const fill = (html, asked) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;  // our own server's template, which escapes whatever it was sent
    result.replaceChildren(holder.content);
    for (const each of result.querySelectorAll(".script-only")) each.hidden = false;
    const when = result.querySelector("time");
    when.textContent = new Date(when.dateTime).toLocaleString(document.documentElement.lang, {
      dateStyle: "long", timeStyle: "short",
    });
    pictures(asked);
    result.querySelector("[data-print]").addEventListener("click", () => print());
    result.querySelector("[data-heatmap-go]").addEventListener("click", () => heatmap(asked));
    result.querySelector("[data-similar-go]")?.addEventListener("click", () => similar(asked));
    result.hidden = false;
    desk.classList.add("answered");
    const heading = result.querySelector("[data-answer-heading]");
    heading.focus({ preventScroll: true });
    heading.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };

  // The photograph with its box, and what the model was shown.
  const pictures = (asked) => {
    const { bitmap } = photograph;
    const draw = (canvas, left, top, width, height) => {
      const scale = Math.min(1, 900 / Math.max(width, height));
      canvas.width = Math.max(1, Math.round(width * scale));
      canvas.height = Math.max(1, Math.round(height * scale));
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, left, top, width, height, 0, 0, canvas.width, canvas.height);
      return [context, scale];
    };
    const part = [asked.left * bitmap.width, asked.top * bitmap.height, asked.width * bitmap.width, asked.height * bitmap.height];
    const cut = asked.width < 1 || asked.height < 1;
    const [context, scale] = draw(result.querySelector("[data-photo]"), 0, 0, bitmap.width, bitmap.height);
    if (cut) {
      for (const [colour, width] of [["black", 9], ["white", 4]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.strokeRect(...part.map((each) => each * scale));
      }
      draw(result.querySelector("[data-crop-seen]"), ...part);
    }
    result.querySelector("[data-crop-seen]").closest("figure").hidden = !cut;
    result.querySelector("[data-part=figures]").hidden = false;
  };

  // ---- Where the network looked

  const drawn = async (base64, canvas) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
  };

  const heatmap = async (asked) => {
    const part = result.querySelector("[data-heatmap]");
    const button = part.querySelector("[data-heatmap-go]");
    const line = part.querySelector("[data-heatmap-status]");
    const figure = part.querySelector("[data-heatmap-figure]");
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    tell(line, words.drawing);
    try {
      const told = await send("/heatmap", { ...asked, node: part.querySelector("[data-node]").value }, 90);
      if (!part.isConnected) return;
      const picture = figure.querySelector("[data-heatmap-picture]");
      await drawn(told.overlay, picture);
      await drawn(told.scale, figure.querySelector("[data-heatmap-scale]"));
      picture.setAttribute("aria-label", say("heatmap-alt", { name: told.name }));
      figure.querySelector("figcaption").textContent = part.dataset.caption.replace("{name}", told.name);
      figure.hidden = false;
      tell(line, told.unclear ? say("heatmap-unclear", { name: told.name }) : "");
    } catch (error) {
      if (!(error instanceof Told)) throw error;
      tell(line, error.message);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  };

  // ---- Cases like this one

  const similar = async (asked) => {
    const part = result.querySelector("[data-similar]");
    const button = part.querySelector("[data-similar-go]");
    const line = part.querySelector("[data-similar-status]");
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    tell(line, words.comparing);
    try {
      const holder = document.createElement("template");
      holder.innerHTML = await send("/similar", asked, 60);  // our own server's template
      if (!part.isConnected) return;
      part.querySelector("[data-similar-cases]").replaceChildren(holder.content);
      button.hidden = true;  // the same photograph has the same cases
      tell(line, "");
    } catch (error) {
      if (!(error instanceof Told)) throw error;
      tell(line, error.message);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  };
})();
