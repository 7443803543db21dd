// What a person marked: detections right or wrong, ends moved, actions and points added; saved as annotations.
const marks = {
  byVideo: new Map(), // video's name -> { rows: Map(index -> mark), added: [mark] }
  unsaved: false,

  entry(video) {
    if (!this.byVideo.has(video.n)) this.byVideo.set(video.n, { rows: new Map(), added: [] });
    return this.byVideo.get(video.n);
  },
  of(video, index) {
    return this.byVideo.get(video.n)?.rows.get(index) || null;
  },
  added(video) {
    return this.byVideo.get(video.n)?.added || [];
  },
  /** Mark a row of the first run's list; the same verdict again takes it back. */
  set(video, index, verdict) {
    const rows = this.entry(video).rows;
    const old = rows.get(index);
    const [, start, end] = video.r[0].d[index];
    if (old && old.verdict === verdict) rows.delete(index);
    else rows.set(index, { start: old?.start ?? start, end: old?.end ?? end, verdict });
    this.changed();
  },
  /** Move the ends of a row, which makes it right. */
  move(video, index, start, end) {
    this.entry(video).rows.set(index, { start, end, verdict: "right" });
    this.changed();
  },
  add(video, c, start, end) {
    this.entry(video).added.push({ c, start, end });
    this.changed();
  },
  remove(video, one) {
    const entry = this.entry(video);
    entry.added = entry.added.filter((other) => other !== one);
    this.changed();
  },
  changed() {
    this.unsaved = true;
    const count = this.count();
    const button = document.getElementById("save");
    button.hidden = count === 0;
    button.textContent = `Save ${count} ${count === 1 ? "mark" : "marks"}`;
  },
  count() {
    let count = 0;
    for (const { rows, added } of this.byVideo.values()) count += rows.size + added.length;
    return count;
  },
  /**
   * Annotations of the videos that have a mark: what is right and what was added, and as Ambiguous, which counts
   * neither way, what was not judged. What is wrong is not there.
   */
  file() {
    const database = {};
    for (const video of D.videos) {
      const entry = this.byVideo.get(video.n);
      if (!entry || entry.rows.size + entry.added.length === 0) continue;
      const annotations = video.r[0].d.flatMap((row, index) => {
        const mark = entry.rows.get(index);
        if (mark?.verdict === "wrong") return [];
        const [start, end] = mark ? [mark.start, mark.end] : [row[1], row[2]];
        return [{ label: mark ? D.classes[row[0]] : "Ambiguous", segment: [start / 100, end / 100] }];
      });
      const points = entry.added.filter(({ start, end }) => start === end);
      for (const { c, start, end } of entry.added) if (end > start) annotations.push({ label: D.classes[c], segment: [start / 100, end / 100] });
      annotations.sort((a, b) => a.segment[0] - b.segment[0]);
      database[video.n] = { subset: video.k || "marked", duration: video.d / 100, annotations };
      if (points.length) database[video.n].points = points.map(({ c, start }) => ({ label: D.classes[c], time: start / 100 }));
    }
    return { version: `thas ${D.version}`, taxonomy: [], database };
  },
  save() {
    const content = JSON.stringify(this.file(), null, 1) + "\n";
    const link = el("a", { href: URL.createObjectURL(new Blob([content], { type: "application/json" })), download: "marked.json" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    this.unsaved = false;
  },
};
window.addEventListener("beforeunload", (event) => {
  if (marks.unsaved && marks.count()) event.preventDefault();
});
