// An answer on the page: the template's copy, of which what is not said of this photograph is taken away. What is told,
// and in which words, is as cutis.web.clinic.answer_page tells it.

import { roundHalfEven } from "./resizing.js";

const REASSURING = "low"; // nobody is told this grade of a photograph stranger than 99 of 100

// given: what is known of the patient, in words; preview: ImageBitmap; box: in shares, or null.
export function show(answer, { place, template, language, say, words, names, given, preview, box }) {
  const copy = template.content.cloneNode(true), article = copy.firstElementChild;
  const part = (name) => copy.querySelector(`[data-part=${name}]`);
  const only = (name, kept) => copy.querySelectorAll(`[data-part=${name}]`).forEach((each) => { if (each.dataset.of !== String(kept)) each.remove(); });
  const write = (name, text) => { if (text) part(name).textContent = text; else part(name).remove(); };
  const listed = (texts) => texts.join(language === "zh" ? "、" : ", ");
  const ordered = (ids) => ids.map((id) => answer.diagnoses.find((each) => each.id === id));

  const percent = (share) => {
    if (share < 0.01) return say("often.least-percent");
    return share > 0.99 ? say("often.most-percent") : say("often.percent", { percent: roundHalfEven(100 * share) });
  };
  const often = (share) => {
    if (share < 0.01) return say("often.fewer");
    if (share > 0.99) return say("often.more");
    return share >= 0.095 && share < 0.945 ? say("often.in-10", { n: roundHalfEven(10 * share) }) : say("often.in-100", { n: roundHalfEven(100 * share) });
  };
  const named = (element, id) => {
    element.textContent = names[id].name;
    element.lang = names[id].language;
  };

  // Names in one line, each in its own language.
  const held = (line, ids) => {
    const one = line.firstElementChild;
    const each = ids.map((id) => {
      const name = one.cloneNode();
      named(name, id);
      return name;
    });
    line.replaceChildren(...each.flatMap((name, place) => (place ? [", ", name] : [name])));
  };

  const withheld = answer.stranger_than === 99 && answer.risk === REASSURING;
  article.dataset.stranger = answer.stranger_than ?? 0;
  article.dataset.risk = answer.risk ?? "";
  if (answer.seen_in_training !== "image") part("seen").remove();
  only("stranger", answer.stranger_than);
  only("risk", withheld ? "withheld" : (answer.risk ?? "none"));
  only("list", answer.above === null ? "none" : answer.above ? "above" : "below");
  write("malignant", answer.malignant !== null && say("answer.malignant", { words: often(answer.malignant), percent: percent(answer.malignant) }));
  write("grades", answer.risk && say("answer.grades", Object.fromEntries(Object.entries(answer.risk_probabilities).map(([grade, share]) => [grade, percent(share)]))));

  repeat(part("diagnoses"), answer.differential.length ? ordered(answer.differential) : answer.diagnoses.slice(0, 1), (line, each) => {
    const kind = `malignancy.${each.malignancy}` in words ? each.malignancy : "unknown";
    line.firstElementChild.dataset.class = each.id;
    named(line.querySelector(".name"), each.id);
    line.querySelector(".plain").textContent = names[each.id].plain;
    line.querySelector(".kind").textContent = say(`malignancy.${kind}`);
    line.querySelector(".kind").classList.add(kind);
    line.querySelector(".often").textContent = often(each.probability);
    line.querySelector("progress").value = Math.round(1000 * each.probability);
    line.querySelector(".percent").textContent = percent(each.probability);
    if (each.threshold !== null) line.querySelector(".threshold").textContent = say("answer.threshold", { percent: percent(each.threshold) });
  });
  repeat(part("rows"), answer.diagnoses, (line, each) => {
    line.firstElementChild.dataset.class = each.id;
    named(line.querySelector("th"), each.id);
    line.querySelector("td").textContent = percent(each.probability);
  });

  if (answer.conformal_coverage === null) part("set").remove();
  else if (!answer.conformal_set.length) copy.querySelectorAll("[data-part=set-held]").forEach((each) => each.remove());
  else {
    part("set-empty").remove();
    write("set-text", say("answer.set-text", { percent: roundHalfEven(100 * answer.conformal_coverage) }));
    held(part("set-held"), answer.conformal_set);
    write("set-always", answer.always_in_set.length && say("answer.set-always", { names: listed(answer.always_in_set.map((id) => names[id].name)) }));
  }
  if (answer.stranger_than === 99) part("hidden").append(part("probabilities"));
  else part("hidden").remove();

  write("when", new Date().toLocaleString(language, { dateStyle: "long", timeStyle: "short" }));
  if (given.length) part("given").querySelector("dd").textContent = listed(given);
  else part("given").remove();
  pictures(copy, preview, box);
  part("print").addEventListener("click", () => print());
  place.replaceChildren(copy);
  place.hidden = false;
  place.querySelector("h2").focus();
}

function repeat(list, items, fill) {
  const template = list.querySelector("template");
  for (const each of items) {
    const line = template.content.cloneNode(true);
    fill(line, each);
    list.append(line);
  }
  template.remove();
}

// The photograph with its box, and what the model was shown.
function pictures(copy, preview, box) {
  const draw = (canvas, left, top, width, height) => {
    canvas.width = Math.max(1, Math.round(width));
    canvas.height = Math.max(1, Math.round(height));
    canvas.getContext("2d").drawImage(preview, left, top, width, height, 0, 0, canvas.width, canvas.height);
  };
  const photo = copy.querySelector("[data-photo]"), seen = copy.querySelector("[data-crop-seen]");
  draw(photo, 0, 0, preview.width, preview.height);
  if (!box) {
    seen.closest("figure").remove();
    return;
  }
  const part = [box.left * preview.width, box.top * preview.height, box.width * preview.width, box.height * preview.height];
  draw(seen, ...part);
  const context = photo.getContext("2d");
  for (const [colour, width] of [["black", 9], ["white", 4]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(...part);
  }
}
