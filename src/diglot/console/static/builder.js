// The rule builder: what is typed while the form is on its way stays, and so does the form after an error.
"use strict";

const INPUTS = "#builder :is(input:not([type=hidden]), textarea, select)[id]";
const readInputs = () => new Map([...document.querySelectorAll(INPUTS)].map((one) => [one.id, one]));
// The values that the request under way has sent, by the ids of their inputs, and those that differ when it ends.
let sent = new Map();
let typed = [];

// After a removal the ids belong to other rules, and pasted rules replace all.
const keepsIds = (element) => !/"(remove|paste)/.test(element.getAttribute("hx-vals") || "");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target.id !== "builder") return;
  const inputs = keepsIds(event.detail.elt) ? readInputs() : new Map();
  sent = new Map([...inputs].map(([id, one]) => [id, one.value]));
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const place = document.getElementById("builder-error");
  if (!place || !event.target.closest("#builder")) return;
  if (event.detail.xhr.status >= 400) {
    event.detail.shouldSwap = true;
    event.detail.target = place;
    event.detail.swapOverride = "innerHTML show:top";
    return;
  }
  place.replaceChildren();
  if (event.target.id === "builder") typed = [...readInputs().values()].filter((one) => sent.has(one.id) && sent.get(one.id) !== one.value);
});

document.addEventListener("htmx:afterSwap", () => {
  for (const old of typed.splice(0)) {
    const input = document.getElementById(old.id);
    if (!input || input === old || input.type !== old.type) continue;
    input.value = old.value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

// A long list of choices is searched without the server, and the rules stay as they are; what is chosen stays in sight.
const searchChoices = (event) => {
  if (!event.target.matches("[data-search-choices]")) return;
  event.stopPropagation();
  const wanted = event.target.value.trim().toLowerCase();
  for (const label of event.target.parentElement.querySelectorAll("label")) {
    label.hidden = !label.querySelector("input").checked && !label.textContent.toLowerCase().includes(wanted);
  }
};
document.addEventListener("input", searchChoices, true);
document.addEventListener("change", searchChoices, true);

// A field that was chosen before the scripts had loaded, or while the form was on its way, is chosen now.
document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body && event.target.id !== "builder") return;
  for (const select of document.querySelectorAll("#builder select[hx-vals]")) {
    const options = [...select.options];
    const drawn = options.find((one) => one.defaultSelected) || options[0];
    if (select.selectedOptions[0] !== drawn) select.dispatchEvent(new Event("change", { bubbles: true }));
  }
});
