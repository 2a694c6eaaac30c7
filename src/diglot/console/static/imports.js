// Files on the pages of imports: dropped anywhere on the page, measured before they are sent, followed meanwhile.
"use strict";

const dropForm = () => document.querySelector("[data-drop]");

function tellUpload(text) {
  const fault = document.getElementById("upload-fault");
  fault.replaceChildren();
  if (!text) return;
  const note = document.createElement("div");
  note.className = "note bad";
  note.setAttribute("role", "alert");
  note.textContent = text;
  fault.append(note);
}

function isTooLarge(form) {
  const [file] = form.elements.file.files;
  if (!file || file.size <= Number(form.dataset.most)) return false;
  tellUpload(form.dataset.tooLarge);
  return true;
}

document.addEventListener("dragover", (event) => {
  const form = dropForm();
  if (!form || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  form.classList.add("over");
});

document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) dropForm()?.classList.remove("over");
});

document.addEventListener("drop", (event) => {
  const form = dropForm();
  if (!form || !event.dataTransfer.files.length) return;
  event.preventDefault();
  form.classList.remove("over");
  if (event.dataTransfer.files.length > 1) {
    tellUpload("Drop one file at a time.");
    return;
  }
  form.elements.file.files = event.dataTransfer.files;
  if (!isTooLarge(form)) form.requestSubmit();
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-drop]");
  if (!form) return;
  tellUpload("");
  isTooLarge(form);
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.target.matches("[data-drop]")) return;
  if (isTooLarge(event.target)) {
    event.preventDefault();
    return;
  }
  tellUpload("");
  event.target.querySelector("[data-sending]").hidden = false;
  document.getElementById("said").textContent = "Uploading";
});

document.addEventListener("htmx:xhr:progress", (event) => {
  if (!event.target.matches("[data-drop]") || !event.detail.lengthComputable) return;
  const { loaded, total } = event.detail;
  event.target.querySelector("progress").value = loaded / total;
  const megabytes = (bytes) => (bytes / 1048576).toFixed(1);
  event.target.querySelector("[data-sent]").textContent =
    loaded < total ? `${megabytes(loaded)} of ${megabytes(total)} MiB` : "Almost done";
});

for (const name of ["htmx:afterRequest", "htmx:sendError"]) {
  document.addEventListener(name, (event) => {
    if (!event.target.matches("[data-drop]")) return;
    event.target.querySelector("[data-sending]").hidden = true;
    if (name === "htmx:sendError") tellUpload("The upload was interrupted. Nothing of the file was kept: try again.");
  });
}

for (const hint of document.querySelectorAll("[data-drop-hint]")) hint.hidden = false;
