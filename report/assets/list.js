// All videos: searched, filtered and sorted; made as they scroll into view, so that thousands open at once.
const PAGE = 24;
const PAPER = 500; // most cards that are printed
const list = {
  candidates: false,
  shown: [],
  made: 0,

  build(root) {
    this.count = el("output", { className: "count" });
    this.search = el("input", { type: "search", placeholder: "Search videos (/)", ariaLabel: "search videos", id: "search" });
    this.byClass = el("select", { id: "class", ariaLabel: "action" }, el("option", { value: "" }, "all actions"),
      ...D.classes.map((name, i) => el("option", { value: i }, name)));
    const kinds = [["", "all videos"], ...D.kinds.map(([name], i) => [i, name]), ["missed", "missed actions"], ["told", "label told wrong"]];
    this.byKind = el("select", { id: "kind", ariaLabel: "kind of detection" }, ...kinds.map(([value, name]) => el("option", { value }, name)));
    if (!D.truth) this.byKind.replaceChildren(...kinds.filter(([value]) => value === "" || value === "told").map(([value, name]) => el("option", { value }, name)));
    this.order = el("select", { id: "order", ariaLabel: "order" },
      ...[["worst", D.truth ? "worst first" : "as they come"], ["best", "best first"], ["name", "by name"], ["long", "longest first"]]
        .filter(([value]) => D.truth || value !== "best").map(([value, name]) => el("option", { value }, name)));
    this.all = el("input", { type: "checkbox", id: "candidates" });
    this.holder = el("div", { className: "list" });
    this.end = el("div", { className: "end" });
    this.rest = el("p", { className: "note rest" });
    root.append(
      el("div", { className: "filters", role: "search" }, this.search, this.byClass, this.byKind, this.order,
        el("label", {}, this.all, " all candidates"), this.count),
      this.legend(), this.holder, this.rest, this.end);
    this.search.addEventListener("input", () => this.update());
    for (const one of [this.byClass, this.byKind, this.order]) one.addEventListener("change", () => this.update());
    this.all.addEventListener("change", () => {
      this.candidates = this.all.checked;
      this.redraw();
    });
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) cards.get(entry.target).draw();
    }, { rootMargin: "400px" });
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.more();
    }, { rootMargin: "800px" }).observe(this.end);
    new ResizeObserver(() => this.redraw()).observe(this.holder);
    this.update();
  },

  legend() {
    const one = (style, words) => el("span", {}, el("i", { className: `swatch ${style}` }), words);
    const parts = D.truth ? [one("truth", "true action"), one("truth hatch", "not found")] : [];
    D.runs.forEach((name, run) => parts.push(one(run ? "b" : "a", D.runs.length > 1 ? name : "found; the higher, the surer")));
    if (D.truth) parts.push(one("a hatch", "wrong"));
    parts.push(el("span", { className: "dim" }, "curve: class activation, one scale a class; dashed: threshold"));
    return el("p", { className: "legend" }, ...parts);
  },

  matches(video) {
    const words = this.search.value.trim().toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const name = video.n.toLocaleLowerCase();
    if (!words.every((word) => name.includes(word))) return false;
    const c = this.byClass.value === "" ? null : Number(this.byClass.value);
    const kind = this.byKind.value;
    const own = (row) => c === null || row[0] === c;
    if (kind === "missed") return video.t.some((row) => own(row) && row.length > 3 && row[3] !== FOUND);
    if (kind === "told") return video.l.length > 0 && video.r[0].p !== undefined && !video.l.includes(video.r[0].p) && (c === null || video.l.includes(c));
    if (kind !== "") return video.r.some((rows) => rows.d.some((row) => own(row) && row[4] === Number(kind)));
    return c === null || video.t.some(own) || video.l.includes(c) || video.r.some((rows) => rows.d.some(own));
  },

  update() {
    this.shown = D.videos.filter((video) => this.matches(video));
    const order = this.order.value;
    if (order === "best") this.shown.reverse();
    if (order === "name") this.shown.sort((a, b) => a.n.localeCompare(b.n));
    if (order === "long") this.shown.sort((a, b) => b.d - a.d);
    this.count.textContent = `${this.shown.length} of ${D.videos.length}`;
    for (const child of this.holder.children) {
      this.seen.unobserve(child);
      cards.get(child)?.media?.pause();
      cards.delete(child);
    }
    this.holder.replaceChildren();
    this.made = 0;
    this.more();
    if (!this.shown.length) this.holder.append(el("p", { className: "note" }, "No video matches."));
  },

  /** All cards, which a screen makes as it comes to them; what is beyond the limit is said. */
  makeForPaper() {
    while (this.made < Math.min(PAPER, this.shown.length)) this.more();
    const left = this.shown.length - this.made;
    this.rest.textContent = left > 0 ? `${left} more videos are not printed: search or filter for those that you want.` : "";
  },

  more() {
    for (const video of this.shown.slice(this.made, this.made + PAGE)) {
      const card = new Card(video);
      this.holder.append(card.element);
      this.seen.observe(card.element);
    }
    this.made = Math.min(this.shown.length, this.made + PAGE);
  },

  redraw() {
    for (const card of cards.values()) {
      const box = card.element.getBoundingClientRect();
      if (box.bottom > -600 && box.top < innerHeight + 600) card.draw();
    }
  },
};
