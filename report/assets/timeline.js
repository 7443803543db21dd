// One video's timeline on a canvas: for each class its truth, the sequences of the runs, and their detections.
const SIZE = { caption: 17, truth: 10, plot: 46, lane: 26, thin: 4, gap: 10, axis: 20 };
const RUN_COLOURS = ["--run-a", "--run-b"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Where everything is, in CSS pixels. */
function layout(video, options) {
  const rows = [];
  let y = 2;
  for (const c of classesOf(video)) {
    const row = { c, caption: y };
    y += SIZE.caption;
    if (D.truth) {
      row.truth = y;
      y += SIZE.truth + 3;
    }
    row.plot = y;
    y += SIZE.plot + 3;
    row.lanes = [];
    video.r.forEach((own, run) => {
      const others = options.candidates ? stack(own.o.filter((one) => one[0] === c)) : { lines: [], count: 0 };
      if (!own.d.some((one) => one[0] === c) && !others.count) return;
      row.lanes.push({ run, y, others, othersY: y + SIZE.lane + 1 });
      y += SIZE.lane + 2 + others.count * (SIZE.thin + 1);
    });
    y += SIZE.gap;
    rows.push(row);
  }
  return { rows, height: y + SIZE.axis };
}

/** Candidates in lines, in none of which two overlap; the surest first, at most eight lines. */
function stack(candidates) {
  const ends = [];
  const lines = [];
  for (const one of [...candidates].sort((a, b) => b[3] - a[3])) {
    let line = ends.findIndex((taken) => taken.every(([s, e]) => one[2] <= s || one[1] >= e));
    if (line < 0 && ends.length < 8) line = ends.push([]) - 1;
    if (line < 0) continue;
    ends[line].push([one[1], one[2]]);
    lines.push([one, line]);
  }
  return { lines, count: ends.length };
}

/** Draw a video; `options`: candidates, now (hundredths or null), selected (a row of the first run's list). */
function drawTimeline(canvas, video, options) {
  const plan = layout(video, options);
  const width = canvas.clientWidth || canvas.parentElement.clientWidth;
  if (!width) return;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  canvas.style.height = `${plan.height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(plan.height * ratio);
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "middle";
  const ink = {
    text: colour("--text"), dim: colour("--dim"), line: colour("--line"), truth: colour("--truth"), back: colour("--plot"),
    right: colour("--good"), wrong: colour("--bad"),
  };
  const x = (time) => (time / Math.max(video.d, 1)) * width;
  for (const row of plan.rows) drawRow(g, video, row, { x, width, ink, options });
  drawAxis(g, video, plan.height - SIZE.axis, { x, width, ink });
  if (options.now !== null && options.now !== undefined) {
    g.fillStyle = ink.text;
    g.fillRect(x(options.now) - 0.75, 0, 1.5, plan.height - SIZE.axis);
  }
}

function drawRow(g, video, row, { x, width, ink, options }) {
  g.fillStyle = ink.text;
  g.textAlign = "left";
  g.font = "600 12px system-ui, sans-serif";
  g.fillText(fitted(g, D.classes[row.c], width * 0.7), 0, row.caption + 8);
  g.font = "11px system-ui, sans-serif";
  const [low, high] = D.scale[row.c];
  g.fillStyle = ink.dim;
  g.textAlign = "right";
  g.fillText(`${shortScore(low)} to ${shortScore(high)}`, width, row.caption + 8);
  if (row.truth !== undefined) {
    g.fillStyle = ink.back;
    g.fillRect(0, row.truth, width, SIZE.truth);
    for (const [c, start, end, met] of video.t) {
      if (c !== row.c) continue;
      const box = [x(start), row.truth, Math.max(x(end) - x(start), 1.5), SIZE.truth];
      g.fillStyle = ink.truth;
      if (met === undefined || met === FOUND) g.fillRect(...box);
      else hatched(g, box, ink.truth);
    }
  }
  g.fillStyle = ink.back;
  g.fillRect(0, row.plot, width, SIZE.plot);
  video.r.forEach((own, run) => {
    const values = sequenceOf(own, row.c);
    if (!values) return;
    const y = (part) => row.plot + SIZE.plot - 2 - part * (SIZE.plot - 4);
    g.strokeStyle = ink.line;
    g.setLineDash([4, 4]);
    g.lineWidth = 1;
    if (run === 0)
      for (const level of own.q[row.c][1]) {
        g.beginPath();
        g.moveTo(0, y(level));
        g.lineTo(width, y(level));
        g.stroke();
      }
    g.setLineDash([]);
    g.strokeStyle = colour(RUN_COLOURS[run]);
    g.lineWidth = 1.5;
    g.beginPath();
    values.forEach((value, i) => {
      const left = (i / values.length) * width;
      const at = y(value / 255);
      if (i === 0) g.moveTo(left, at);
      else g.lineTo(left, at);
      g.lineTo(((i + 1) / values.length) * width, at);
    });
    g.stroke();
  });
  for (const lane of row.lanes) drawLane(g, video, row, lane, { x, width, ink, options });
}

/** Detections stand on a line, the surer the higher, each with its score where there is room for it. */
function drawLane(g, video, row, lane, { x, width, ink, options }) {
  const own = video.r[lane.run];
  const tint = colour(RUN_COLOURS[lane.run]);
  const floor = lane.y + SIZE.lane;
  g.fillStyle = ink.line;
  g.fillRect(0, floor - 0.5, width, 1);
  let written = -1; // where the last score ends
  own.d.forEach((one, index) => {
    if (one[0] !== row.c) return;
    const mark = lane.run === 0 ? marks.of(video, index) : null;
    const [start, end] = mark ? [mark.start, mark.end] : [one[1], one[2]];
    const share = Math.max(0, Math.min(1, one[3] / topScore[row.c]));
    const tall = 5 + share * (SIZE.lane - 16);
    const box = [x(start), floor - tall, Math.max(x(end) - x(start), 2), tall];
    const lit = options.now !== null && options.now !== undefined && options.now >= start && options.now < end;
    g.globalAlpha = mark && mark.verdict === "wrong" ? 0.3 : 1;
    if (one[4] > RIGHT && !lit) hatched(g, box, tint);
    else {
      g.fillStyle = tint;
      g.fillRect(...box);
    }
    g.globalAlpha = 1;
    if (lit || (lane.run === 0 && options.selected === index)) {
      g.strokeStyle = ink.text;
      g.lineWidth = 2;
      g.strokeRect(box[0] - 1, box[1] - 1, box[2] + 2, box[3] + 2);
    }
    const text = shortScore(one[3]);
    const room = g.measureText(text).width;
    g.textAlign = "center";
    g.fillStyle = mark ? (mark.verdict === "right" ? ink.right : ink.wrong) : ink.text;
    const middle = Math.min(Math.max(box[0] + box[2] / 2, room / 2), width - room / 2);
    const sign = mark ? (mark.verdict === "right" ? "✓" : "✗") : "";
    if (middle - room / 2 > written) {
      g.fillText(sign || text, middle, box[1] - 6);
      written = middle + room / 2 + 2;
    }
  });
  if (lane.run === 0)
    for (const extra of marks.added(video)) {
      if (extra.c !== row.c) continue;
      g.fillStyle = ink.right;
      g.fillRect(x(extra.start), floor - 6, Math.max(x(extra.end) - x(extra.start), 2), 6);
    }
  for (const [one, line] of lane.others.lines) {
    g.globalAlpha = 0.25 + (0.6 * Math.max(0, one[3])) / topScore[row.c];
    g.fillStyle = tint;
    g.fillRect(x(one[1]), lane.othersY + line * (SIZE.thin + 1), Math.max(x(one[2]) - x(one[1]), 1.5), SIZE.thin);
  }
  g.globalAlpha = 1;
}

function hatched(g, [left, top, wide, tall], tint) {
  g.save();
  g.beginPath();
  g.rect(left, top, wide, tall);
  g.clip();
  g.strokeStyle = tint;
  g.lineWidth = 1.3;
  g.beginPath();
  for (let at = left - tall; at < left + wide; at += 4) {
    g.moveTo(at, top + tall);
    g.lineTo(at + tall, top);
  }
  g.stroke();
  g.restore();
  g.strokeStyle = tint;
  g.lineWidth = 1.2;
  g.strokeRect(left + 0.6, top + 0.6, Math.max(wide - 1.2, 0.5), Math.max(tall - 1.2, 0.5));
}

function drawAxis(g, video, top, { x, width, ink }) {
  const steps = [100, 200, 500, 1000, 1500, 3000, 6000, 12000, 30000, 60000, 180000, 360000];
  const step = steps.find((one) => (one / Math.max(video.d, 1)) * width > 64) || 720000;
  g.fillStyle = ink.dim;
  g.strokeStyle = ink.line;
  g.lineWidth = 1;
  for (let time = 0; time <= video.d; time += step) {
    const at = Math.min(Math.max(x(time), 0.5), width - 0.5);
    g.beginPath();
    g.moveTo(at, top);
    g.lineTo(at, top + 5);
    g.stroke();
    g.textAlign = time === 0 ? "left" : "center";
    if (time === 0 || x(time) < width - 18) g.fillText(clock(time, 0), time === 0 ? 0 : at, top + 13);
  }
}

function fitted(g, text, width) {
  if (g.measureText(text).width <= width) return text;
  let letters = [...text];
  while (letters.length > 1 && g.measureText(letters.join("") + "…").width > width) letters = letters.slice(0, -1);
  return letters.join("") + "…";
}

/** What lies under a point of the canvas: time, the row of the first run's list, and words. */
function under(canvas, video, event, options) {
  const box = canvas.getBoundingClientRect();
  const time = Math.round(Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * video.d);
  const y = event.clientY - box.top;
  const row = layout(video, options).rows.findLast((one) => y >= one.caption);
  const words = [clock(time)];
  let index = null;
  if (row) {
    words.push(D.classes[row.c]);
    const within = (one) => one[0] === row.c && time >= one[1] && time < one[2];
    for (const one of video.t.filter(within)) words.push(`true ${clock(one[1])}–${clock(one[2])}${one.length > 3 ? `: ${D.met[one[3]]}` : ""}`);
    video.r.forEach((own, run) => {
      own.d.forEach((one, i) => {
        if (!within(one)) return;
        if (run === 0) index = i;
        const kind = one[4] >= 0 ? `: ${D.kinds[one[4]][0]}` : "";
        words.push(`${D.runs.length > 1 ? D.runs[run] : "found"} ${clock(one[1])}–${clock(one[2])}, score ${shortScore(one[3])}${kind}`);
      });
    });
  }
  return { time, index, words: words.join(" · ") };
}
