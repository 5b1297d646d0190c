"use strict";
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
    const value = (row) => row.children[column].dataset.v ?? row.children[column].textContent;
    const sorted = [...body.rows].sort((a, b) => {
      const one = value(a), two = value(b), number = Number(one) - Number(two);
      return down * (Number.isNaN(number) ? one.localeCompare(two) : number);
    });
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
    body.append(...sorted);
  });
}
const theme = document.querySelector("nav button");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("beforeprint", () => {
  document.documentElement.dataset.theme = "light";
  for (const details of document.querySelectorAll("details")) details.open = true;
});
