"use strict";
// The page of images: light or dark, and one class alone.
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = theme === "dark" ? "Light" : "Dark";
}
const darkByDefault = matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
darkByDefault.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
setTheme(darkByDefault.matches ? "dark" : "light");
for (const id of ["save", "keys"]) document.getElementById(id).hidden = true;
document.getElementById("class").addEventListener("change", (event) => {
  for (const one of document.querySelectorAll(".image")) one.hidden = event.target.value !== "" && one.dataset.class !== event.target.value;
});
