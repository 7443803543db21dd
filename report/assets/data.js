"use strict";
// The data of the page, and small helpers. Texts reach the page through textContent alone, so that no name is markup.
const D = JSON.parse(document.getElementById("data").textContent);
const RIGHT = 0; // of D.kinds
const FOUND = 0; // of D.met

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** mm:ss.t of hundredths of a second, with hours where there are any. */
function clock(hundredths, digits = 1) {
  const unit = 10 ** (2 - digits);
  const all = Math.round(hundredths / unit) * unit;
  const minutes = Math.floor(all / 6000);
  const seconds = ((all % 6000) / 100).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  const hours = Math.floor(minutes / 60);
  const two = (n) => String(n).padStart(2, "0");
  return (hours ? `${hours}:` : "") + `${two(minutes % 60)}:${seconds}`;
}

/** Hundredths of a second from "75.3", "01:15.3" or "1:01:15"; NaN where it is no time. */
function parseClock(text) {
  const parts = text.trim().split(":");
  if (parts.length > 3 || parts.some((part) => !/^\d+(\.\d+)?$/.test(part))) return NaN;
  return Math.round(100 * parts.reduce((sum, part) => 60 * sum + Number(part), 0));
}

function shortScore(score) {
  return Math.abs(score) >= 10 ? score.toFixed(1) : score.toFixed(2);
}

const cachedBytes = new WeakMap();
/** A class's sequence in a run's rows as bytes, 0 to 255 on the class's scale; null where it was not kept. */
function sequenceOf(rows, c) {
  const kept = rows.q[c];
  if (!kept) return null;
  if (!cachedBytes.has(kept)) cachedBytes.set(kept, Uint8Array.from(atob(kept[0]), (letter) => letter.charCodeAt(0)));
  return cachedBytes.get(kept);
}

/** The classes to draw of a video: its true ones, those found, those of its labels, then what else was kept. */
function classesOf(video) {
  const wanted = [...video.t.map((row) => row[0])];
  for (const rows of video.r) wanted.push(...rows.d.map((row) => row[0]));
  wanted.push(...video.l);
  for (const rows of video.r) wanted.push(...Object.keys(rows.q).map(Number));
  return [...new Set(wanted)].slice(0, 6);
}

// Heights of detections compare across videos: one scale a class.
const topScore = D.classes.map(() => 1e-9);
for (const video of D.videos)
  for (const rows of video.r)
    for (const row of [...rows.d, ...rows.o]) topScore[row[0]] = Math.max(topScore[row[0]], row[3]);

/** What is right and wrong in a video by the first run. */
function tally(video) {
  const rows = video.r[0].d;
  return {
    right: rows.filter((row) => row[4] === RIGHT).length,
    wrong: rows.filter((row) => row[4] > RIGHT).length,
    missed: video.t.filter((row) => row.length > 3 && row[3] !== FOUND).length,
  };
}
