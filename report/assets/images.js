// The page of images: one class alone.
for (const id of ["save", "keys"]) document.getElementById(id).hidden = true;
document.getElementById("class").addEventListener("change", (event) => {
  for (const one of document.querySelectorAll(".image")) one.hidden = event.target.value !== "" && one.dataset.class !== event.target.value;
});
