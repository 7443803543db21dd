"use strict";
// What the pages of videos and of images share: light or dark, and tables that say that they go on at the side.
const darkByDefault = matchMedia("(prefers-color-scheme: dark)");
let afterTheme = () => {}; // what is drawn in colours is drawn again

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = theme === "dark" ? "Light" : "Dark";
  afterTheme();
}
document.getElementById("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
darkByDefault.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
setTheme(darkByDefault.matches ? "dark" : "light");

const sideways = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const cut = target.scrollWidth > target.clientWidth + 1;
    target.classList.toggle("cut", cut);
    if (cut) target.tabIndex = 0; // the arrow keys scroll it
    else target.removeAttribute("tabindex");
  }
});
for (const one of document.querySelectorAll(".scroll")) sideways.observe(one);
