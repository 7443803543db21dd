"""Features that others made, into a cache of ours: found by `layouts`, ordered by `arrangement` and `row_times`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from .._version import __version__
from ..core.errors import Failure, FeatureError, ThasError, UsageError, counted, listing
from ..core.files import cannot_write
from ..core.json_files import load_json
from ..core.messages import Progress, logger, silent
from ..core.narrowing import is_table
from ..core.near_names import near_names, near_sentence
from ..core.tables import number, table_rows
from ..core.temporary_names import remove_unfinished
from .arrangement import Crops, check_arrangement, rows, width_of
from .cache import Features, write_features
from .extraction_settings import ExtractionResult, write_failures
from .layouts import Source, find_sources, side_by_side
from .pickles import reading_arrays
from .row_times import RowTimes

__all__ = ["Source", "find_sources", "import_features", "read_numbers", "read_rates"]


def import_features(
    source: Path | str | Sequence[Source],
    out: Path | str,
    *,
    times: RowTimes | None = None,
    keys: tuple[str, ...] = (),
    transposed: bool = False,
    crops: Crops | None = None,
    stored: Literal["float32", "float16"] = "float32",
    videos: Iterable[str] = (),
    progress: Progress = silent,
) -> ExtractionResult:
    """Turn features made elsewhere into a feature cache.

    Args:
        source: A folder or file that `find_sources` knows, or what it found there.
        out: The cache; made if absent.
        times: When rows begin and end; None where the folder's files say it.
        keys: Names of the arrays inside files, or of streams; several are joined side by side.
        transposed: The arrays are (D, T).
        crops: What becomes of arrays of several crops (T, 10, D) or (10, T, D).
        stored: The type in the cache.
        videos: The names that a data set has; arrays called nearly so are written under these.
        progress: Called with 1.0 after each video.

    Returns:
        What became of each video; failures of single videos do not raise.

    Raises:
        UsageError: The folder holds no arrays, they look the other way round, or how to read them was not said.
        FeatureError: Not one of the arrays can be read.
        DataError: The cache cannot be written to.
    """
    known, out = tuple(videos), Path(out)
    if isinstance(source, str | Path):
        if Path(source).resolve() == out.resolve():
            raise UsageError(
                "features cannot be imported into the folder they come from",
                why=f"{out} would hold both",
                next="--out another folder",
                subject=str(out),
            )
        sources = find_sources(Path(source), keys=keys, videos=known)
    else:
        sources = list(source)
    names = _names(sources, known)
    times = times or RowTimes()
    times.check(sources, names)
    shapes, broken = _survey(sources)
    if len(broken) == len(sources):
        raise next(iter(broken.values()))  # with the advice that mends it
    counts = ((one.video, times.expected_rows(one, names[one.video])) for one in sources)
    expected = {video: count for video, count in counts if count is not None}
    for sentence in check_arrangement(shapes, transposed=transposed, crops=crops, expected_rows=expected):
        logger.warning(sentence)
    recipe = times.recipe() | {
        "stored": stored,
        "imported_source": str(source if isinstance(source, str | Path) else sources[0].path.parent),
        "thas_version": __version__,
    }
    if crops is not None:
        recipe["crops"] = crops
    width = _usual_width(sources, transposed, crops)
    done: list[str] = []
    failed: list[Failure] = []
    cut: list[str] = []
    for one in sources:
        video = names[one.video]
        try:
            if one.video in broken:
                raise broken[one.video]
            data = _rows_of(one, transposed, crops, cut)
            if data.shape[1] != width:
                turned = "; it is probably (D, T)" if len(data) == width else ""
                why = f"its rows have {data.shape[1]} numbers, those of the others {width}{turned}"
                raise FeatureError(f"{one.path} has another width", why=why)
            start, end, duration, rate = times.of(one, video, len(data))
            write_features(
                out,
                Features(video, data, start, end, duration),
                recipe=recipe,
                source={"average_fps": rate, "path": str(one.path)},
                dtype=stored,
            )
        except ThasError as error:
            failed.append(Failure(video, "read", " ".join((error.why or error.what).split()), next=error.next or ""))
        except OSError as error:
            raise cannot_write(out, error) from error
        else:
            done.append(video)
        progress(1.0)
    if cut:
        what = "streams that differ by a row; the longer one lost its last"
        logger.warning(counted(cut, f"video has {what}", f"videos have {what}"))
    if out.is_dir():
        remove_unfinished(out)
        write_failures(out, failed)
    return ExtractionResult(tuple(done), (), tuple(failed))


def _names(sources: Sequence[Source], known: Sequence[str]) -> dict[str, str]:
    """What each video is called in the cache: as the data set calls it, where the two differ in writing alone."""
    own = [one.video for one in sources]
    if not known:
        return {video: video for video in own}
    near = near_names(own, known)
    if near:
        logger.warning(f"imported under the data set's names: {listing((f'{a} as {b}' for a, b in near.items()), 3)}")
    names = {video: near.get(video, video) for video in own}
    strange = sorted(set(names.values()) - set(known))
    if len(strange) == len(own):
        raise UsageError(
            "none of these features is of a video of the data set",
            why=f"they are of {listing(strange, 3)}; the data set has {listing(known, 3)}",
            next="rename the files as labels.csv names the videos, or give --out FOLDER instead of --dataset",
            subject=strange[0],
        )
    if strange:
        logger.warning(
            counted(strange, "array is of no video of the data set", "arrays are of no videos of the data set")
        )
    lacking = [video for video in known if video not in set(names.values())]
    if lacking:
        hint = near_sentence(lacking, strange)
        logger.warning(
            counted(lacking, "video of the data set has no array", "videos of the data set have no array") + hint
        )
    return names


def _survey(sources: Sequence[Source]) -> tuple[dict[str, tuple[int, ...]], dict[str, ThasError]]:
    """The shape of each video's first stream, and what could not be read."""
    shapes: dict[str, tuple[int, ...]] = {}
    broken: dict[str, ThasError] = {}
    for one in sources:
        try:
            first = one.streams[0]()[0]
        except ThasError as error:
            broken[one.video] = error
        else:
            if first.numeric and first.shape and 0 not in first.shape:
                shapes[one.video] = tuple(first.shape)
    return shapes, broken


def _usual_width(sources: Sequence[Source], transposed: bool, crops: Crops | None) -> int:
    """The width D that most videos have, of all their streams together; the first one's where none is more frequent."""
    widths: Counter[int] = Counter()
    for one in sources:
        try:
            shapes = [stored.shape for read in one.streams for stored in read()]
        except ThasError:
            continue
        widths[sum(width_of(shape, transposed=transposed, crops=crops) for shape in shapes)] += 1
    return widths.most_common(1)[0][0] if widths else 0


def _rows_of(source: Source, transposed: bool, crops: Crops | None, cut: list[str]) -> np.ndarray:
    """(T, D), of all streams."""
    with reading_arrays(source.path):
        parts = [rows(one.read(), transposed=transposed, crops=crops) for read in source.streams for one in read()]
        joined = side_by_side(parts)
    if any(len(part) != len(joined) for part in parts):
        cut.append(source.video)
    return joined


def read_numbers(path: Path, column: str) -> dict[str, float]:
    """A table `video,<column>`, separated by commas, semicolons or tabs, as a dictionary.

    Raises:
        DataError: It has no such columns, or a value is no number; the line is named.
    """
    return {
        row["video"]: number(row[column], place=f"{path}, line {line}", name=column)
        for line, row in table_rows(path, ("video", column))
    }


def read_rates(text: str) -> float | dict[str, float]:
    """Frame rates as typed: a number, a table `video,fps`, or JSON: annotations whose videos have `fps`, or video: fps.

    Raises:
        DataError: The file holds none.
    """
    try:
        return float(text)
    except ValueError:
        path = Path(text)
    if not path.exists():
        raise UsageError(
            f"--fps {text} is neither a number nor a file",
            why="no such file",
            next="--fps 25, say, or a table video,fps",
            subject=text,
        )
    if path.suffix.lower() != ".json":
        return read_numbers(path, "fps")
    content = load_json(path)
    table: Mapping[str, object] = content if is_table(content) else {}
    database = table.get("database")
    entries = database.items() if is_table(database) else ()
    rates = {video: entry["fps"] for video, entry in entries if is_table(entry) and "fps" in entry}
    if database is None:  # as CoLA's fps_dict.json
        rates = {video: rate for video, rate in table.items() if isinstance(rate, int | float)}
    if not rates:
        raise UsageError(
            f"{path} holds no frame rates", why='its videos have no "fps"', next="--fps NUMBER", subject=str(path)
        )
    return {video: number(rate, place=f"{path}, video {video}", name="fps") for video, rate in rates.items()}
