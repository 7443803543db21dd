// The keyboard, printing.
const KEYS = [
  ["/", "search"], ["j k", "next, previous video"], ["space", "play, pause"], ["← →", "a second back, on"], ["Enter", "to the next detection; on a row, to it"], ["↑ ↓", "from row to row"], ["y n", "mark the detection at this moment right, wrong"],
  ["[ ]", "set its start, its end to this moment"], ["e", "show its detections"], ["s", "save what is marked"], ["?", "this help"],
];

afterTheme = () => list.redraw();
document.getElementById("save").addEventListener("click", () => marks.save());

const help = el("dialog", { id: "help" }, el("h2", {}, "Keys"),
  el("dl", {}, ...KEYS.flatMap(([key, words]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, words)])),
  el("form", { method: "dialog" }, el("button", {}, "Close")));
document.body.append(help);
document.getElementById("keys").addEventListener("click", () => help.showModal());

/** The video that keys act on: the one in focus, else the first in view. */
function current() {
  const focused = document.activeElement?.closest?.("article.video");
  if (focused) return cards.get(focused);
  return [...cards.values()].find((card) => card.element.getBoundingClientRect().bottom > 80);
}
function step(by) {
  const all = [...list.holder.querySelectorAll("article.video")];
  const focused = all.indexOf(document.activeElement?.closest?.("article.video"));
  const next = all[Math.max(0, Math.min(all.length - 1, focused < 0 ? 0 : focused + by))];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}
/** The detection selected, else the one at this moment. */
function detectionAt(card) {
  if (card.selected !== null) return card.selected;
  const index = card.video.r[0].d.findIndex((row) => card.now !== null && card.now >= row[1] && card.now < row[2]);
  return index < 0 ? null : index;
}
function edit(card, change) {
  const index = detectionAt(card);
  if (index === null) return;
  change(index);
  card.refresh();
}
function moveEnd(card, which) {
  if (card.now === null) return;
  edit(card, (index) => {
    const [, start, end] = card.video.r[0].d[index];
    const mark = marks.of(card.video, index);
    const ends = [mark?.start ?? start, mark?.end ?? end];
    ends[which] = card.now;
    if (ends[0] < ends[1]) marks.move(card.video, index, ...ends);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target.matches(".scroll") && event.key.startsWith("Arrow")) return; // a table that goes on at the side
  const typing = event.target.closest("input, select, textarea");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  const card = current();
  const row = event.target.closest(".row[data-index]");
  const act = {
    "/": () => list.search.focus(),
    j: () => step(1), k: () => step(-1),
    " ": () => card?.video.s && card.play(),
    ArrowLeft: () => card?.seek((card.now ?? 0) - 100), ArrowRight: () => card?.seek((card.now ?? 0) + 100),
    Enter: () => card && (row ? card.goTo(Number(row.dataset.index)) : card.goToNext()),
    ArrowUp: row && (() => row.previousElementSibling?.matches("[data-index]") && row.previousElementSibling.focus()),
    ArrowDown: row && (() => row.nextElementSibling?.matches("[data-index]") && row.nextElementSibling.focus()),
    y: () => card && edit(card, (index) => marks.set(card.video, index, "right")),
    n: () => card && edit(card, (index) => marks.set(card.video, index, "wrong")),
    "[": () => card && moveEnd(card, 0), "]": () => card && moveEnd(card, 1),
    e: () => card?.toggleRows(), s: () => marks.count() && marks.save(),
    "?": () => help.showModal(),
  }[event.key];
  if (!act || ((event.key === " " || event.key === "Enter") && event.target.closest("button, summary, a, video"))) return;
  event.preventDefault();
  act();
});

// Paper is white, whatever the screen is; it has all cards, as far as there are not thousands, and nothing folded away.
let onScreen = null; // what to put back after printing
function paper(on) {
  if (on === (onScreen !== null)) return;
  const root = document.documentElement;
  if (on) {
    const folded = [...document.querySelectorAll("details:not([open])")];
    onScreen = { theme: root.dataset.theme, folded };
    for (const one of folded) one.open = true;
    root.dataset.paper = "";
    list.makeForPaper();
  } else {
    for (const one of onScreen.folded) one.open = false;
    delete root.dataset.paper;
  }
  const theme = on ? "light" : onScreen.theme;
  if (!on) onScreen = null;
  setTheme(theme);
  if (on) for (const card of cards.values()) card.draw();
}
addEventListener("beforeprint", () => paper(true));
addEventListener("afterprint", () => paper(false));
matchMedia("print").addEventListener("change", (event) => paper(event.matches));

list.build(document.getElementById("videos"));
