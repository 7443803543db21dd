// One video on the page: its name and tally, its timeline, and once asked for the video itself and its detections.
const cards = new Map(); // element -> card

class Card {
  constructor(video) {
    this.video = video;
    this.now = null;
    this.selected = null;
    this.canvas = el("canvas", { role: "slider", tabIndex: 0, "aria-valuemin": 0, "aria-valuemax": Math.round(video.d / 100) });
    this.readout = el("p", { className: "readout" });
    this.readout.setAttribute("aria-live", "off");
    this.player = el("div", { className: "player", hidden: true });
    this.rows = el("div", { className: "rows", hidden: true });
    this.correct = el("button", { type: "button", onclick: () => this.toggleRows() }, "Correct");
    const buttons = el("span", { className: "buttons" });
    if (video.s) buttons.append(el("button", { type: "button", onclick: () => this.play() }, "▶ Video"));
    buttons.append(this.correct);
    this.element = el(
      "article",
      { className: "video", tabIndex: -1 },
      el("div", { className: "head" }, el("h3", { dir: "auto" }, video.n), this.facts(), buttons),
      el("div", { className: "body" }, this.player, el("div", { className: "lines" }, this.canvas, this.readout)),
      this.rows,
    );
    this.canvas.setAttribute("aria-label", this.words());
    this.canvas.style.height = `${layout(video, this.options()).height}px`; // so that nothing moves when it is drawn
    this.canvas.addEventListener("pointermove", (event) => this.tell(event));
    this.canvas.addEventListener("pointerleave", () => (this.readout.textContent = ""));
    this.canvas.addEventListener("click", (event) => this.click(event));
    cards.set(this.element, this);
    if (video.refused) this.unplayable(); // by a card of it that a filter took away
  }

  facts() {
    const video = this.video;
    const line = el("span", { className: "facts" }, clock(video.d));
    const told = video.r[0].p;
    if (told !== undefined && video.l.length && !video.l.includes(told))
      line.append(el("span", { className: "tag bad" }, `taken for ${D.classes[told]}`));
    if (D.truth) {
      const { right, wrong, missed } = tally(video);
      line.append(el("span", { className: `tag ${right ? "good" : ""}` }, `${right} right`));
      if (wrong) line.append(el("span", { className: "tag bad" }, `${wrong} wrong`));
      if (missed) line.append(el("span", { className: "tag warn" }, `${missed} missed`));
    } else line.append(el("span", { className: "tag" }, `${video.r[0].d.length} found`));
    return line;
  }

  words() {
    const rows = this.video.r[0].d.map((row) => `${D.classes[row[0]]} ${clock(row[1])} to ${clock(row[2])}`);
    return `${this.video.n}: ${rows.slice(0, 20).join("; ") || "nothing found"}`;
  }

  options() {
    return { candidates: list.candidates, now: this.now, selected: this.selected };
  }
  draw() {
    drawTimeline(this.canvas, this.video, this.options());
    const now = this.now ?? 0;
    const here = this.video.r[0].d.filter((row) => now >= row[1] && now < row[2]).map((row) => D.classes[row[0]]);
    this.canvas.setAttribute("aria-valuenow", Math.round(now / 100));
    this.canvas.setAttribute("aria-valuetext", [clock(now), ...here].join(" "));
  }
  tell(event) {
    this.readout.textContent = under(this.canvas, this.video, event, this.options()).words;
  }
  click(event) {
    const { time, index } = under(this.canvas, this.video, event, this.options());
    this.element.focus({ preventScroll: true });
    if (index !== null) this.select(index);
    this.seek(time);
  }

  /** Go to a moment, in the video too if it is there. */
  seek(time) {
    this.now = Math.max(0, Math.min(time, this.video.d));
    if (this.video.s) {
      this.open();
      const media = this.media;
      if (media.readyState > 0) media.currentTime = this.now / 100;
      else media.addEventListener("loadedmetadata", () => (media.currentTime = this.now / 100), { once: true });
    }
    this.refresh();
  }

  /** Choose a detection and go to its start. */
  goTo(index) {
    const mark = marks.of(this.video, index);
    this.selected = index;
    this.seek(mark ? mark.start : this.video.r[0].d[index][1]);
  }
  /** Go to the detection that starts next after this moment; from the last one to the first. */
  goToNext() {
    const starts = this.video.r[0].d.map((row, index) => [row[1], index]).sort((a, b) => a[0] - b[0]);
    const next = starts.find(([start]) => this.now === null || start > this.now) ?? starts[0];
    if (next) this.goTo(next[1]);
  }

  open() {
    if (this.media) return;
    this.media = el("video", { src: this.video.s, controls: true, preload: "metadata", playsInline: true, muted: true });
    this.media.addEventListener("error", () => this.unplayable());
    // A file of which only the sound can be played is not shown either.
    this.media.addEventListener("loadedmetadata", () => this.media.videoWidth || this.unplayable());
    this.media.addEventListener("timeupdate", () => this.follow());
    this.media.addEventListener("play", () => this.run());
    this.player.replaceChildren(this.media);
    this.player.hidden = false;
    this.draw();
  }
  follow() {
    if (!this.media) return;
    if (!this.media.seeking) this.now = Math.round(this.media.currentTime * 100);
    this.draw();
    this.light();
  }
  run() {
    if (!this.media || this.media.paused || this.media.ended) return;
    this.follow();
    requestAnimationFrame(() => this.run());
  }
  play() {
    this.open();
    if (!this.media) return;
    if (this.media.paused) this.media.play().catch(() => {});
    else this.media.pause();
  }
  unplayable() {
    this.media = null;
    this.video.refused ??= decodeURIComponent(this.video.s);
    this.player.hidden = false;
    this.player.replaceChildren(
      el("p", { className: "note warn" }, `This browser cannot play ${this.video.refused}: it is missing, or of a kind it does not know. thas clips writes files that play${this.video.i?.length ? "" : "; thas report --stills 4 puts pictures here"}.`),
      this.stills(),
    );
    this.video.s = "";
    this.draw();
  }

  /** Pictures of the surest detections, where the page was made with them. */
  stills() {
    return el("div", { className: "stills" }, ...(this.video.i ?? []).map(([index, data]) => {
      const row = this.video.r[0].d[index];
      const words = `${D.classes[row[0]]} ${clock((row[1] + row[2]) / 2)}`;
      return el("button", { type: "button", title: words, onclick: () => this.goTo(index) },
        el("img", { src: data, alt: words }), el("bdi", {}, D.classes[row[0]]), ` ${clock((row[1] + row[2]) / 2)}`);
    }));
  }

  toggleRows(show = this.rows.hidden) {
    this.rows.hidden = !show;
    this.correct.setAttribute("aria-expanded", String(show));
    if (show) this.fillRows();
  }
  select(index) {
    this.selected = index;
    if (!this.rows.hidden) this.fillRows();
    this.draw();
  }
  /** The detections as rows with what can be done to them. */
  fillRows() {
    const video = this.video;
    const list_ = video.r[0].d.map((row, index) => this.row(row, index));
    const extras = marks.added(video).map((one) =>
      el("div", { className: "row added" }, el("span", { className: "what", dir: "auto" }, D.classes[one.c]),
        el("span", {}, one.end > one.start ? `${clock(one.start)} – ${clock(one.end)}` : clock(one.start, 2)),
        el("button", { type: "button", onclick: () => { marks.remove(video, one); this.refresh(); } }, "Remove")),
    );
    const pick = el("select", { ariaLabel: "action to add" }, ...D.classes.map((name, i) => el("option", { value: i, selected: video.l[0] === i }, name)));
    const adding = el("div", { className: "row" }, el("span", { className: "what" }, "Missed an action?"), pick,
      el("button", { type: "button", className: "add", onclick: () => this.addHere(Number(pick.value)) }),
      el("button", { type: "button", className: "point", title: "a click on the action, without a length, to learn from",
        onclick: () => { marks.add(video, Number(pick.value), this.now ?? 0, this.now ?? 0); this.refresh(); } }));
    // What had the focus keeps it, though it is made anew; a field that is being left does not.
    const stops = () => [...this.rows.querySelectorAll("[tabindex], button, select")];
    const held = stops().indexOf(document.activeElement);
    this.rows.replaceChildren(...list_, ...extras, adding);
    if (held >= 0) stops()[held]?.focus({ preventScroll: true });
    this.light();
  }
  row(row, index) {
    const video = this.video;
    const mark = marks.of(video, index);
    const [start, end] = mark ? [mark.start, mark.end] : [row[1], row[2]];
    const time = (name, value, set) => {
      const input = el("input", { value: clock(value, 2), size: 9, ariaLabel: `${name} of detection ${index + 1}`, inputMode: "decimal" });
      input.addEventListener("change", () => {
        const typed = parseClock(input.value);
        const [from, to] = set(typed);
        if (Number.isNaN(typed) || from >= to || to > video.d) input.setCustomValidity("a time within the video, the start before the end");
        else {
          input.setCustomValidity("");
          marks.move(video, index, from, to);
          this.refresh();
        }
        input.reportValidity();
      });
      return input;
    };
    const button = (verdict, sign, words) =>
      el("button", { type: "button", className: verdict, title: words, ariaPressed: String(mark?.verdict === verdict),
        onclick: () => { marks.set(video, index, verdict); this.refresh(); } }, sign);
    const kind = row[4] >= 0 ? el("span", { className: `tag ${row[4] === RIGHT ? "good" : "bad"}`, title: D.kinds[row[4]][1] }, D.kinds[row[4]][0]) : "";
    return el("div", { className: `row${this.selected === index ? " selected" : ""}`, "data-index": index, tabIndex: 0 },
      el("span", { className: "what", dir: "auto" }, D.classes[row[0]]),
      el("button", { type: "button", className: "go", title: "go there", onclick: () => this.goTo(index) }, clock(start)),
      el("span", { className: "ends" }, time("start", start, (typed) => [typed, end]), " – ", time("end", end, (typed) => [start, typed])),
      el("span", { className: "score" }, shortScore(row[3])), kind,
      el("span", { className: "verdicts" }, button("right", "✓", "right"), button("wrong", "✗", "wrong")));
  }
  addHere(c) {
    const lengths = this.video.r[0].d.map((row) => row[2] - row[1]).sort((a, b) => a - b);
    const long = lengths.length ? lengths[lengths.length >> 1] : 200;
    const start = Math.min(this.now ?? 0, Math.max(0, this.video.d - long));
    marks.add(this.video, c, start, Math.min(this.video.d, start + long));
    this.refresh();
  }
  /** The detection that plays lights up, and what can be added is added at this moment. */
  light() {
    if (this.rows.hidden) return;
    this.rows.querySelector(".add").textContent = `Add at ${clock(this.now ?? 0)}`;
    this.rows.querySelector(".point").textContent = `Point at ${clock(this.now ?? 0, 2)}`;
    for (const line of this.rows.querySelectorAll("[data-index]")) {
      const index = Number(line.getAttribute("data-index"));
      const [, start, end] = this.video.r[0].d[index];
      line.classList.toggle("lit", this.now !== null && this.now >= start && this.now < end);
    }
  }
  refresh() {
    if (!this.rows.hidden) this.fillRows();
    this.draw();
  }
}
