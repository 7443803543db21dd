"""`thas eval` and `thas convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..errors import UsageError
from .console import note, out, print_json, warn

if TYPE_CHECKING:
    from ..eval.annotations import Annotations
    from ..eval.assessment import Assessment

_FLAG = Parameter(negative=())
_MANY = Parameter(negative=(), consume_multiple=True)
_DRAWS = 1000


def eval_(
    detections: Annotated[list[Path] | None, _MANY] = None,
    /,
    *,
    annotations: Path | None = None,
    dataset: str | None = None,
    data_root: Path = Path("data"),
    subset: str | None = None,
    iou: Annotated[list[float] | None, _MANY] = None,
    protocol: Literal["activitynet", "thumos14", "thumos14-11point", "wtalc", "all"] = "activitynet",
    videos: str | None = None,
    known_labels: Annotated[bool, _FLAG] = False,
    drop_unknown_labels: Annotated[bool, _FLAG] = False,
    clean_truth: Annotated[bool, _FLAG] = False,
    class_ids: Literal["official", "positions"] | None = None,
    tie_order: Literal["canonical", "file"] | None = None,
    ties: Annotated[bool, _FLAG] = False,
    baselines: Annotated[bool, _FLAG] = False,
    bootstrap: Annotated[bool, _FLAG] = False,
    diagnose: Annotated[bool, _FLAG] = False,
    pictures: Path | None = None,
    seeds: Annotated[bool, _FLAG] = False,
    seed: int = 0,
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Score detections: mean average precision at temporal IoU thresholds.

    Without DETECTIONS the newest run is scored on its data set's test videos. Two files of detections are compared;
    with --seeds several are averaged.

    Example:

        thas eval --iou 0.1 0.3 0.5

        thas eval detections.json --annotations thumos14/annotations --protocol all --ties --baselines

        thas eval ours.json theirs.json --annotations truth.json --subset test

        thas eval detections.json --annotations truth.json --diagnose --pictures why/

    Parameters
    ----------
    detections
        Files (ActivityNet JSON, CSV, THUMOS14 text) or run folders.
    annotations
        Ground truth: ActivityNet JSON, CSV, a folder of THUMOS14 text files, or a data set's folder.
    dataset
        A data set's name or folder, instead of annotations; without detections its newest run is scored.
    data_root
        The folder that holds data sets called by name.
    subset
        The subset to score; if left out, the one that the detections lie in.
    iou
        Thresholds, as fractions; 0.1 to 0.7 if left out.
    protocol
        How AP is computed; the same detections differ by up to 13 points between them. `all` shows them side by side.
    videos
        Score these alone: thumos14-213, -212, -211, -210, or a text file with a name on each line.
    known_labels
        Count only detections whose label occurs in their video, as the Hide-and-Seek paper does; this flatters.
    drop_unknown_labels
        Leave out detections whose label the ground truth does not know, instead of stopping.
    clean_truth
        Drop ground truths that repeat another one or have no length; the published programs keep them.
    class_ids
        What class numbers in a THUMOS14 text file mean, if they can mean two things.
    tie_order
        Order of equal scores, if not the protocol's: canonical (video, start, end) or file (as the rows come).
    ties
        Show how far equal scores could move the mAP.
    baselines
        Show what blind guesses score: tiles of fixed lengths, the whole video.
    bootstrap
        Show the 95 % interval of the mAP over the choice of videos (1000 draws).
    diagnose
        Say why the mAP is what it is: kinds of errors, what each costs, and where actions are missed.
    pictures
        Folder for the diagnosis's pictures; a run's own folder if a run is scored.
    seeds
        Take the detections as runs that differ by seed: mean and standard deviation.
    seed
        Of all random draws here.
    json
        Print one JSON object, with fractions.
    """
    from ..eval.average_precision import DEFAULT_IOU
    from ..eval.protocols import PROTOCOLS

    files: list[Path | None] = [*detections] if detections else [None]
    if len(files) > 2 and not seeds:
        raise UsageError(
            f"{len(files)} sets of detections were given", why="two can be compared", next="give two, or add --seeds"
        )
    names = list(PROTOCOLS) if protocol == "all" else [protocol]
    if len(names) > 1 and (len(files) > 1 or diagnose):
        raise UsageError(
            "--protocol all goes with one set of detections and without --diagnose", next="name one protocol"
        )
    options: dict[str, Any] = {
        "iou": iou or list(DEFAULT_IOU),
        "known_labels": known_labels,
        "unknown_labels": "drop" if drop_unknown_labels else None,
        "clean_truth": clean_truth,
        "tie_order": tie_order,
        "with_ties": ties,
        "with_baselines": baselines,
        "draws": _DRAWS if bootstrap else 0,
        "seed": seed,
    }
    truth = _Truth(annotations, dataset, data_root, subset, videos)
    sources = [_Source(path, truth, class_ids) for path in files]
    groups = [[source.assess(name, options) for name in names] for source in sources]
    for source in sources:
        source.keep_scores(groups[sources.index(source)])
    if len(files) == 1:
        content = _one(sources[0], groups[0], json=json)
    elif seeds:
        content = _seeds([group[0] for group in groups], json=json)
    else:
        content = _pair(sources, [group[0] for group in groups], seed=seed, json=json)
    if diagnose:
        content["diagnosis"] = [
            _diagnose(source, group[0], pictures, json=json) for source, group in zip(sources, groups, strict=True)
        ]
    if json:
        print_json(content)
    return 0


@dataclass(frozen=True)
class _Truth:
    """Where the ground truth comes from, as typed."""

    annotations: Path | None
    dataset: str | None
    data_root: Path
    subset: str | None
    videos: str | None

    def read(self) -> Annotations | None:
        """The annotations named, of all subsets unless a data set was named; None if nothing was."""
        from ..eval.annotations import read_annotations

        if self.annotations is not None:
            return read_annotations(self.annotations)
        if self.dataset is None:
            return None
        from ..dataset import open_dataset

        found = open_dataset(self.dataset, data_root=self.data_root)
        return found.annotations() if self.subset is not None else found.annotations().subset(found.test_subset)


class _Source:
    """One set of detections with its ground truth: from a file, or from a run."""

    def __init__(self, path: Path | None, truth: _Truth, class_ids: Literal["official", "positions"] | None) -> None:
        from ..eval.assessment import choose_subset, read_video_list

        self.run: Path | None = None
        given = truth.read() if path is not None or truth.annotations is not None else None
        if path is None or path.is_dir():
            from ..runs import find_run
            from ..temporal_has.runs import prepare_evaluation

            self.run = find_run(path, dataset=truth.dataset)
            if truth.subset is not None and given is None:
                raise UsageError(
                    "a run is scored on its own test subset", next="leave --subset out, or give --annotations too"
                )
            self.detections, own, self.title = prepare_evaluation(self.run)
        else:
            from ..eval.detections import read_detections

            if given is None:
                raise UsageError(
                    f"the ground truth of {path} is not known", next=f"thas eval {path} --annotations FILE|FOLDER"
                )
            self.detections, own = read_detections(path, class_ids=class_ids), given
            self.title = f"{path} against {truth.annotations or truth.dataset}"
        self.truth = own
        if given is not None:
            for sentence in given.notes:
                note(sentence)
            self.truth, chosen = choose_subset(given, self.detections, truth.subset)
            if chosen:
                note(chosen)
        self.videos = read_video_list(truth.videos, self.truth) if truth.videos else None

    def assess(self, protocol: str, options: dict[str, Any]) -> Assessment:
        from ..eval.assessment import assess

        return assess(self.detections, self.truth, protocol=protocol, videos=self.videos, **options)

    def keep_scores(self, assessments: list[Assessment]) -> None:
        """A run keeps its newest scores beside its detections."""
        if self.run is not None:
            import json

            from ..files import write_atomically

            content = assessments[0].to_json() if len(assessments) == 1 else _all(assessments)
            write_atomically(self.run / "scores.json", json.dumps(content, indent=2, allow_nan=False) + "\n")


def _all(assessments: list[Assessment]) -> dict[str, Any]:
    return {"protocol": "all", "scores": {a.scores.protocol: a.to_json() for a in assessments}}


def _account(assessments: list[Assessment]) -> None:
    """What was scored on stdout, once; what was dropped or is odd on stderr."""
    from ..eval.report import account

    said: set[str] = set()
    for assessment in assessments:
        facts, protocol, *oddities = account(assessment)
        for line in (facts, protocol):
            if line not in said:
                out.print(line, markup=False)
        for line in oddities:
            if line not in said:
                (warn if "dropped" in line or "no length" in line or "repeated" in line else note)(line)
        said.update((facts, protocol, *oddities))


def _one(source: _Source, assessments: list[Assessment], *, json: bool) -> dict[str, Any]:
    from ..eval.report import class_table, score_table

    content = assessments[0].to_json() if len(assessments) == 1 else _all(assessments)
    if not json:
        out.print(source.title, markup=False)
        _account(assessments)
        out.print(score_table(assessments))
        if len(assessments) == 1 and len(assessments[0].scores.classes) <= 30:
            out.print(class_table(assessments[0]))
        if assessments[0].scores.details["known_labels"]:
            note("known labels: the classification of the videos was taken as solved, which flatters")
    return {"detections_from": source.title, **content}


def _seeds(assessments: list[Assessment], *, json: bool) -> dict[str, Any]:
    from ..eval.bootstrap import over_seeds
    from ..eval.plain import plain
    from ..eval.report import seeds_table

    scores = [assessment.scores for assessment in assessments]
    mean, deviation = over_seeds(scores)
    if not json:
        _account(assessments[:1])
        out.print(seeds_table(mean, deviation, scores[0].thresholds, runs=len(scores), protocol=scores[0].protocol))
    content = {
        "protocol": scores[0].protocol,
        "iou": scores[0].thresholds,
        "map": mean[:-1],
        "map_deviation": deviation[:-1],
        "average": mean[-1],
        "average_deviation": deviation[-1],
        "runs": [s.to_json() for s in scores],
    }
    return plain(content)


def _pair(sources: list[_Source], assessments: list[Assessment], *, seed: int, json: bool) -> dict[str, Any]:
    from ..eval.assessment import compare_assessments
    from ..eval.plain import plain
    from ..eval.report import comparison_table, score_table, verdict

    comparison = compare_assessments(assessments[0], assessments[1], draws=_DRAWS, seed=seed)
    names = ("A", "B")
    sentence = verdict(comparison, names=names)
    if not json:
        for name, source, assessment in zip(names, sources, assessments, strict=True):
            out.print(f"{name}: {source.title}", markup=False)
            _account([assessment])
            out.print(score_table([assessment]))
        out.print(comparison_table(comparison, assessments[0].scores.thresholds, names=names))
        out.print(sentence, markup=False)
    found = vars(comparison) | {"real": comparison.real, "verdict": sentence}
    return plain({"a": assessments[0].to_json(), "b": assessments[1].to_json(), **found})


def _diagnose(source: _Source, assessment: Assessment, pictures: Path | None, *, json: bool) -> dict[str, Any]:
    from ..eval.explanation import action_table, error_table, explain, legend, recall_table, summary

    thresholds = assessment.scores.thresholds
    explanation = explain(assessment, source.truth, iou=0.5 if 0.5 in thresholds else float(thresholds[-1]))
    if not json:
        out.print(error_table(explanation))
        for line in legend():
            out.print(f"  {line}", style="dim", markup=False)
        for table in (action_table, recall_table):
            out.print(table(explanation))
        out.print("In short", style="bold")
        for line in summary(explanation):
            out.print(f"- {line}", markup=False)
    folder = pictures or (source.run / "diagnosis" if source.run is not None else None)
    if folder is not None:
        from ..eval.pictures import draw

        note("pictures: " + ", ".join(map(str, draw(explanation, assessment, folder))))
    return explanation.to_json()


def convert(
    source: Path,
    target: Path,
    /,
    *,
    to: Literal["activitynet", "csv", "thumos", "webvtt", "label-studio", "fiftyone"] | None = None,
    subset: str | None = None,
    min_score: float | None = None,
    top: int | None = None,
    fps: float = 24.0,
    media: str = "{video}.mp4",
    class_ids: Literal["official", "positions"] | None = None,
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Convert annotations and detections between formats.

    Example:

        thas convert detections.json chapters/ --to webvtt --top 10

        thas convert thumos14/annotations truth.json --to activitynet --subset test

        thas convert runs/latest tasks.json --to label-studio --fps 30 --media "https://host/videos/{video}.mp4"

    Parameters
    ----------
    source
        Detections or annotations in any form that `thas eval` reads, or a run folder.
    target
        The file to write; a folder for webvtt, and for annotations in THUMOS14's form.
    to
        The form: activitynet, csv, thumos, webvtt (chapters, a file a video), label-studio, fiftyone. If left out, the
        target's ending tells: .json, .csv or .txt.
    subset
        Only the annotations of one subset.
    min_score
        Only detections with this score or more.
    top
        Only so many detections of each video, the surest.
    fps
        For Label Studio, whose ranges are frames: what its tag says, <Video frameRate="24">.
    media
        Where Label Studio and FiftyOne find a video, with {video} for its name.
    class_ids
        What class numbers in a THUMOS14 text file mean, if they can mean two things.
    json
        Print one JSON object with the files written.
    """
    from ..eval.convert import select, write
    from ..eval.sources import read_any

    forms = {".json": "activitynet", ".csv": "csv", ".txt": "thumos"}
    form = to or forms.get(target.suffix.lower())
    if form is None:
        raise UsageError(f"the form of {target} is not known", next=f"thas convert {source} {target} --to FORM")
    table = read_any(source, class_ids=class_ids)
    if subset is not None:
        from ..eval.annotations import Annotations

        if not isinstance(table, Annotations):
            raise UsageError("detections have no subsets", next="leave --subset out")
        table = table.subset(subset)
    if min_score is not None or top is not None:
        from ..segments import Segments

        if not isinstance(table, Segments):
            raise UsageError("annotations have no scores to choose by", next="leave --min-score and --top out")
        table = select(table, minimum_score=min_score, most=top)
    files = write(table, target, form=form, fps=fps, media=media)
    if json:
        print_json({"form": form, "files": [str(file) for file in files]})
    else:
        out.print(f"{len(files)} file{'s' * (len(files) != 1)} written: {target}", markup=False)
    return 0
