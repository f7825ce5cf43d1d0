// Every page: what needs a script is shown, a form is sent once, Enter presses the one button that leads on.
(() => {
  "use strict";

  for (const each of document.querySelectorAll(".script-only")) each.hidden = false;

  // A page that the browser kept shows what was, not what is.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // The notice is for the page after the form, not for a reload.
  if (location.pathname === "/study" && location.search) history.replaceState(null, "", location.pathname);

  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    });
  }

  document.addEventListener("keydown", (event) => {
    const free = event.target === document.body || event.target.id === "content";
    if (event.key !== "Enter" || event.repeat || !free || event.ctrlKey || event.altKey || event.metaKey) return;
    document.querySelector("[data-enter]")?.click();
  });

  for (const each of document.querySelectorAll("time[data-local]")) {
    each.textContent = new Date(each.dateTime).toLocaleString(document.documentElement.lang, {
      dateStyle: "long", timeStyle: "short",
    });
  }
  for (const each of document.querySelectorAll("input[data-select]")) each.addEventListener("focus", () => each.select());
})();
