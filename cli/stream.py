"""`thas localize --stream`: intervals of a video that is still arriving, as lines of JSON."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import plural
from ..deploy.live import Live
from ..deploy.streaming import StreamEnd, stream_video, usual_scores
from ..temporal_has.localizer import Localizer
from ..temporal_has.results import write_detections, write_table
from ..temporal_has.video_results import run_facts
from .console import note, print_json_line
from .options import Streaming

_TOLD = ("start_seconds", "end_seconds", "score", "delay_seconds")


def stream(source: str, localizer: Localizer, run: Path, *, how: Streaming, out: Path) -> None:
    """Print what is found in a source until it ends or Ctrl-C; then write all that was found."""
    name = re.sub(r"[^\w.-]+", "-", Path(source).stem or "stream").strip("-.") or "stream"
    live = Live(localizer, video=name, horizon_seconds=how.stream_horizon, usual=usual_scores(run))
    note(f"told at the earliest {plural(live.lookahead + 1, 'snippet')} after all that an interval's score rests on")
    end: StreamEnd | None = None
    for found in stream_video(
        localizer,
        source,
        live=live,
        patience_seconds=how.stream_patience,
        again_seconds=how.stream_again,
        fps=how.stream_fps,
    ):
        if isinstance(found, StreamEnd):
            end = found
            continue
        sure, behind = found
        told = {name: round(float(getattr(sure, name)), 3) for name in _TOLD}
        print_json_line({"label": sure.label, **told, "behind_seconds": round(behind, 3)})
    assert end is not None
    delays = [one.delay_seconds for one in end.intervals] or [0.0]
    summary = {"mean": round(float(np.mean(delays)), 3), "largest": round(float(max(delays)), 3)}
    written: list[str] = []
    if end.candidates is not None:
        table, data = out / f"{name}.stream.csv", out / f"{name}.stream.json"
        write_table(table, end.candidates)
        facts = run_facts([run], localizer.settings, map_members=localizer.map_members)
        write_detections(data, end.candidates, {**facts, "source": name, "videos": [name], "streamed": True})
        written = [str(data), str(table)]
    elif end.came_back:
        note(f"it came back {plural(end.came_back, 'time')}: there is no list of the whole, only what was told")
    else:
        note(f"longer than the horizon of {how.stream_horizon:g} s: there is no list of the whole, only what was told")
    print_json_line(
        {
            "end": True,
            "seconds": round(end.seconds, 3),
            "snippets": end.snippets,
            "intervals": len(end.intervals),
            "delay_seconds": summary,
            "most_behind_seconds": round(end.behind_seconds, 3),
            "came_back": end.came_back,
            "written": written,
        }
    )
    if "://" in source and not how.stream_again:
        note("the address gave nothing more; of a camera that may come back: --stream-again 600")
