// The open case: the time left, keys, and sending the answer until the server has said that it is kept.
(() => {
  "use strict";

  const root = document.querySelector("[data-case]");
  const words = root.dataset;
  const form = document.querySelector("[data-answer]");
  const status = document.querySelector("[data-status]");
  const problem = document.querySelector("[data-problem]");
  const say = document.querySelector("[data-say]");
  const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  let sending = false;
  let over = false;

  // ---- The answer. The same form may arrive several times: the server keeps the first.

  const chosen = () => new FormData(form).getAll("choice").some(Boolean);
  const complete = () => form.checkValidity() && chosen();

  const lock = (on) => {
    form.classList.toggle("locked", on);
    form.inert = on;  // what it tells is said outside it, see tell()
  };

  const tell = (text) => {
    status.textContent = text;
    say.textContent = text;
  };

  const refuse = (text) => {
    problem.textContent = text;
    problem.hidden = false;
    problem.scrollIntoView({ block: "nearest" });
  };

  const post = async (body) => {
    const reply = await fetch(form.action, {
      method: "POST", body, headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10000),
    });
    if (reply.status >= 500) throw new Error("the server does not answer");
    return { status: reply.status, ...(await reply.json()) };
  };

  const leave = (address) => {
    sending = false;
    location.replace(address);
  };

  const send = async () => {
    if (sending) return;
    sending = true;
    const body = new URLSearchParams(new FormData(form));
    if (over) body.set("sent_by", "time limit");  // not pressed by the reader: the results tell so
    lock(true);
    problem.hidden = true;
    tell(words.sending);
    let told;
    for (let wait = 500; !told; wait = Math.min(2 * wait, 8000)) {
      try {
        told = await post(body);
      } catch {
        tell(words.offline);
        await Promise.race([sleep(wait), new Promise((done) => addEventListener("online", done, { once: true }))]);
      }
    }
    if (told.outcome) {
      tell(told.outcome === "answered" ? words.saved : words.timeUp);
      leave(told.next);
    } else if (told.status === 422) {
      sending = false;
      tell("");
      if (over) {
        await sleep(1000);  // the server's clock runs a little behind ours
        send();
      } else {
        lock(false);
        refuse(told.problem);
      }
    } else {
      leave(told.code === "kept" ? "/study?notice=kept" : "/study");
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen()) send();
    else refuse(words.incomplete);
  });
  addEventListener("beforeunload", (event) => { if (sending) event.preventDefault(); });

  // ---- The time left. The server's clock decides; this one only shows it.

  const clock = document.querySelector("[data-clock]");
  if (clock) {
    const text = clock.querySelector("[data-clock-text]");
    const bar = clock.querySelector("progress");
    const begun = performance.getEntriesByType("navigation")[0]?.responseStart ?? 0;
    const end = begun + 1000 * Number(clock.dataset.left);
    let announced = end - performance.now() <= 10000;

    const timeUp = async () => {
      over = true;
      root.classList.add("over");
      text.textContent = words.timeUp;
      say.textContent = words.timeUp;
      if (sending) return;
      lock(true);
      if (!complete()) await sleep(2200);
      send();
    };

    const tick = () => {
      const left = Math.max(0, (end - performance.now()) / 1000);
      const seconds = Math.ceil(left);
      bar.value = left;
      text.textContent = words.leftWords.replace("{seconds}", seconds);
      clock.classList.toggle("soon", left <= 10);
      if (!announced && left <= 10) {
        announced = true;
        say.textContent = words.soonWords.replace("{seconds}", seconds);
      }
      if (left > 0) setTimeout(tick, 200);
      else timeUp();
    };
    tick();
  }

  // ---- Keys. They can be turned off, for people whose software types for them.

  const keys = document.querySelector("[data-keys]");
  keys.checked = localStorage.getItem("cutis-keys") !== "off";
  const showKeys = () => document.body.classList.toggle("no-keys", !keys.checked);
  keys.addEventListener("change", () => {
    localStorage.setItem("cutis-keys", keys.checked ? "on" : "off");
    showKeys();
  });
  showKeys();

  document.addEventListener("keydown", (event) => {
    if (!keys.checked || event.ctrlKey || event.altKey || event.metaKey || sending || over) return;
    if (event.target.matches("select, textarea, input:not([type=radio], [type=checkbox], [type=range])")) return;
    if (event.key === "+" || event.key === "-") {
      document.querySelector(`[data-zoom-by="${event.key === "+" ? 1 : -1}"]`)?.click();
    } else if (/^[0-9a-z]$/.test(event.key)) {
      const wanted = form.querySelector(`input[data-key="${event.key}"], button[data-key="${event.key}"]`);
      wanted?.focus();
      wanted?.click();
    }
  });

  // ---- How sure: a slider beside the number. It says nothing until it was moved.

  const percent = document.querySelector("[data-percent]");
  if (percent) {
    const slider = percent.querySelector("[data-slider]");
    const number = percent.querySelector("input[type=number]");
    const touch = () => {
      slider.classList.toggle("untouched", number.value === "");
      if (number.value === "") slider.setAttribute("aria-valuetext", "–");
      else slider.removeAttribute("aria-valuetext");
    };
    const take = () => { number.value = slider.value; touch(); };
    slider.addEventListener("input", take);
    slider.addEventListener("pointerup", take);  // also where it is pressed in its middle, which changes nothing
    number.addEventListener("input", () => { if (number.validity.valid) slider.value = number.value; touch(); });
    if (number.value !== "") slider.value = number.value;
    touch();
  }
})();
