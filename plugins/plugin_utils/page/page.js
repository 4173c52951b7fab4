// Without this script everything on the page is shown; with it, one section at a time.
"use strict";
const sections = [...document.querySelectorAll(".diff")];
const cells = [...document.querySelectorAll(".matrix button.cell")];

function open(name, focus) {
  for (const section of sections) section.hidden = section.id !== "section-" + name;
  for (const cell of cells) cell.setAttribute("aria-expanded", String(cell.dataset.section === name));
  const shown = document.getElementById("section-" + name);
  if (shown && focus) {
    shown.querySelector("h2").focus();
    shown.scrollIntoView({ block: "nearest" });
  }
  if (focus) history.replaceState(null, "", "#section-" + name);
}

for (const cell of cells) {
  cell.addEventListener("click", () => open(cell.dataset.section, true));
  // Arrows walk the matrix.
  cell.addEventListener("keydown", (event) => {
    const columns = Number(document.querySelector(".matrix").dataset.columns);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const next = step && cells[cells.indexOf(cell) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });
}

const asked = location.hash.replace("#section-", "");
const worst = document.querySelector(".matrix").dataset.first;
open(sections.some((section) => section.id === "section-" + asked) ? asked : worst, false);

const since = document.getElementById("since");
since?.addEventListener("change", () => {
  for (const step of document.querySelectorAll(".timeline li")) step.hidden = step.dataset.time <= since.value;
  for (const list of document.querySelectorAll(".timeline ol"))
    list.nextElementSibling.hidden = [...list.children].some((step) => !step.hidden);
});
