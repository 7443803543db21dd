"""Does hiding help to localize? Arms times seeds on one data set of images, with paired intervals and pictures.

    python benchmarks/image_localization.py --dataset ../shared/data/imagenette-128 --seeds 3 --out results
    python benchmarks/image_localization.py --dataset ... --network resnet18 --cosine 0.05 --set train.epochs=60

Each arm is trained by `thas.image_has.session.train_run` and differs from the others in what is hidden alone. A run
already in the output folder is not trained again, and an interrupted one is continued. All are localized as the paper
does and with refined maps. Writes NETWORK-RULES.json and NETWORK-RULES.png, the pictures side by side.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from thas.core.log import Epoch
from thas.core.resume import TRACELESS, Begin
from thas.core.run_settings import read_settings
from thas.eval.boxes import paired_interval
from thas.image_has.evaluate import Evaluation, ScoredImages, evaluate
from thas.image_has.localizer import Localizer
from thas.image_has.pictures import picture_of, save_picture, side_by_side, spread_rows
from thas.image_has.session import train_run
from thas.image_has.settings import ImageSettings

# Sizes as in the paper, for 224 pixels; they are scaled to the side that the network sees.
ARMS: dict[str, dict[str, Any]] = {
    "none": {"hide.probability": 0},
    "mixed": {"hide.size": (0, 16, 32, 44, 56)},
    "16": {"hide.size": (16,)},
    "32": {"hide.size": (32,)},
    "44": {"hide.size": (44,)},
    "56": {"hide.size": (56,)},
    "max": {"hide.probability": 0, "network.pooling": "max"},
    "max-56": {"hide.size": (56,), "network.pooling": "max"},
    "dropout": {"input.dropout": "training"},
}

REFINED = {"localize.refine": 20, "localize.refine_size": 128, "localize.scale": "otsu", "localize.mirror": True}
RULES: dict[str, dict[str, object]] = {
    "paper": {"localize.refine": 0, "localize.scale": "max", "localize.threshold": 0.2, "localize.mirror": False},
    # Chosen by looking at the boxes of every other image, counted from 1: rows "unseen" below are the rest.
    "refined": REFINED,
}

UNTRAINED = ("localize", "eval")

OTHER_THRESHOLDS = (0.1, 0.3, 0.4, 0.5)  # of the map's maximum; 0.3 is the paper's for GoogLeNet-GAP


def settings_of(arm: str, seed: int, arguments: argparse.Namespace) -> ImageSettings:
    """The preset, the options, and what the arm hides."""
    options = dict(arguments.set) | {"network.name": arguments.network, "train.seed": seed}
    settings = ImageSettings.preset(arguments.preset).updated(options)
    if arguments.cosine:
        epochs = settings.train.epochs
        schedule = {
            "train.stages": tuple(range(1, epochs)),
            "train.learning_rate": cosine(arguments.cosine, epochs=epochs),
        }
        settings = settings.updated(schedule | {"train.weight_decay": settings.train.weight_decay[:1]})
    changes = dict(ARMS[arm])
    if "hide.size" in changes:
        changes["hide.size"] = tuple(round(size * settings.input.size / 224) for size in changes["hide.size"])
    return settings.updated(changes)


def cosine(highest: float, *, epochs: int) -> tuple[float, ...]:
    """A learning rate an epoch: one epoch to warm up, then half a cosine; few epochs come further so than in steps."""
    falling = 0.5 * (1 + np.cos(np.pi * (np.arange(epochs) + 0.5) / epochs))
    return tuple(np.round(highest * np.concatenate([[0.2], falling[1:]]), 6).tolist())


def trained(arm: str, seed: int, arguments: argparse.Namespace) -> Path:
    """The run of an arm and a seed, trained now, continued, or found finished."""
    runs = arguments.out / f"{arguments.network}-{arm}-{seed}"
    finished = sorted(runs.glob("*/*/weights.safetensors"))
    for run in (path.parent for path in runs.glob("*/*/settings.toml")):
        _check_same(run, settings_of(arm, seed, arguments))
    if finished:
        return finished[-1].parent
    begun = any(runs.glob("*/*/checkpoint.*"))
    result = train_run(
        str(arguments.dataset),
        settings=settings_of(arm, seed, arguments),
        begin=Begin(runs, begun),
        on_event=lambda event: print(f"{arm} {seed}: {event}", flush=True) if isinstance(event, Epoch) else None,
    )
    return result.run


def _check_same(run: Path, wanted: ImageSettings) -> None:
    """Stop if a run of this name was made with other settings: it would pass for one of these."""
    unchecked = {"input.mean", "input.std", *TRACELESS}  # measured, or without a trace in the network
    mine, theirs = wanted.flat(), read_settings(run, ImageSettings)[0].flat()
    other = [
        key for key in mine if mine[key] != theirs[key] and key not in unchecked and key.split(".")[0] not in UNTRAINED
    ]
    if other:
        raise SystemExit(
            f"{run} was made with another {other[0]}: {theirs[other[0]]}, not {mine[other[0]]}; name another --out"
        )


def main() -> None:
    """Train, score, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("image_localization"))
    parser.add_argument("--preset", default="images-128")
    parser.add_argument("--network", default="alexnet")
    parser.add_argument("--arms", nargs="+", default=["none", "mixed", "32"], choices=list(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cosine", type=float, metavar="RATE", help="warm up to this learning rate, fall as a cosine")
    parser.add_argument("--sizes", nargs="*", type=int, default=[], help="also localize refined at these sides besides")
    parser.add_argument("--side", type=int, help="localize at this side instead of the one trained at")
    parser.add_argument("--brief", action="store_true", help="no means of arms, other thresholds or training images")
    parser.add_argument("--set", nargs="*", type=lambda pair: tuple(pair.split("=", 1)), default=[])
    arguments = parser.parse_args()
    runs: dict[str, list[Path]] = {}
    for seed in range(arguments.seeds):
        for arm in arguments.arms:
            runs.setdefault(arm, []).append(trained(arm, seed, arguments))
    brief = arguments.brief
    learned = {arm: [] if brief else [_accuracy_of_training_images(run) for run in mine] for arm, mine in runs.items()}
    together = {"mean of the arms": [[runs[arm][seed] for arm in arguments.arms] for seed in range(arguments.seeds)]}
    together |= {f"mean of the seeds of {arm}": [mine] for arm, mine in runs.items()}
    together = {} if brief else together
    asked = {f"refined, also at {side}": {**REFINED, "localize.sizes": (side,)} for side in arguments.sizes}
    at = {"input.size": arguments.side} if arguments.side else {}
    for name, rules in ((name, rules | at) for name, rules in {**RULES, **asked}.items()):
        found = {arm: [evaluate([run], changes=rules) for run in mine] for arm, mine in runs.items()}
        for mean, members in together.items():
            if len(members[0]) > 1:
                dataset = {"dataset": str(arguments.dataset)}
                found[mean] = [evaluate(several, changes=rules, images=ScoredImages(**dataset)) for several in members]
        first = found[arguments.arms[0]]
        rows = {arm: summary(evaluations, first[: len(evaluations)]) for arm, evaluations in found.items()}
        for arm, mine in runs.items():
            rows[arm]["top1_clas_of_training_images"] = learned[arm]
            if name == "paper" and not brief:
                rows[arm]["gt_known_loc_at_other_thresholds"] = {
                    f"{t:g}": float(np.mean([_known_at(run, t) for run in mine])) for t in OTHER_THRESHOLDS
                }
        (arguments.out / f"{arguments.network}-{name}.json").write_text(json.dumps(rows, indent=2))
        print(f"\nlocalized as {name}: {rules or 'in the settings'}\n")
        print("\n".join(table_lines(rows)))
        columns = {arm: (found[arm][0], Localizer.from_run(mine[0], changes=rules)) for arm, mine in runs.items()}
        draw(columns, arguments.out / f"{arguments.network}-{name}.png")


def _accuracy_of_training_images(run: Path) -> float:
    return float(
        evaluate([run], images=ScoredImages(subset="train"), changes={"eval.thresholds": 1}).scores.top1_clas or 0
    )


def _known_at(run: Path, threshold: float) -> float:
    return float(evaluate([run], changes={"localize.threshold": threshold}).scores.gt_known_loc or 0)


def table_lines(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The results as a Markdown table, in per cent."""
    first = next(iter(rows))
    heads = ["hiding", "Top-1 Clas", "GT-known Loc", "Top-1 Loc", "MaxBoxAcc", "V2", f"GT-known over {first}"]
    heads += [f"MaxBoxAcc over {first}", "GT-known over centred", "the unseen half", "MaxBoxAcc over centred"]
    heads += ["training images right"]

    def cent(value: float) -> str:
        return f"{100 * value:.1f}"

    def span(low: float, high: float) -> str:
        return f"{100 * low:+.1f} to {100 * high:+.1f}"

    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for arm, row in rows.items():
        cells = [arm, *(cent(row[name]["mean"]) for name in ("top1_clas", "gt_known_loc", "top1_loc", "max_box_acc"))]
        cells.append(cent(row["max_box_acc_v2"]))
        cells += [span(*row[name]["over_first_interval95"]) for name in ("gt_known_loc", "max_box_acc")]
        cells.append(span(*row["gt_known_loc"]["over_centred_interval95"]))
        unseen = row["unseen"]
        cells.append(f"{cent(unseen['mean'])} against {cent(unseen['centred'])}: {span(*unseen['interval95'])}")
        cells.append(span(*row["max_box_acc"]["over_centred_interval95"]))
        learned = row.get("top1_clas_of_training_images")
        lines.append("| " + " | ".join([*cells, cent(float(np.mean(learned))) if learned else ""]) + " |")
    blind = rows[first]["baselines"]
    for name in ("whole_image", "centred_box"):
        lines.append(f"| {name.replace('_', ' ')}, no network | | {cent(blind[name])} | | |" + " |" * (len(heads) - 5))
    key = "gt_known_loc_at_other_thresholds"
    other = {arm: row[key] for arm, row in rows.items() if key in row}
    return [*lines, "", "GT-known Loc at other fractions of the maximum:", json.dumps(other)] if other else lines


def best_hits(one: Evaluation) -> np.ndarray:
    """(M,) bool: the box of the true class hits at the best threshold of the sweep (MaxBoxAcc), where boxes are."""
    table = one.predictions.table
    rows = [i for i, name in enumerate(table.paths) if name in table.boxes]
    reached = one.predictions.largest[rows] >= one.scores.iou
    return reached[:, reached.mean(0).argmax()]


def summary(evaluations: list[Evaluation], first: list[Evaluation]) -> dict[str, Any]:
    """Means over seeds, and paired differences on the same images with the same seeds."""
    scores = [one.scores for one in evaluations]
    row: dict[str, Any] = {"seeds": len(scores), "images": scores[0].images, "baselines": scores[0].baselines}
    for name in ("gt_known_loc", "top1_loc", "top1_clas"):
        values = [getattr(one, name) for one in scores]
        row[name] = {"mean": float(np.mean(values)), "each": values}
    row["max_box_acc_v2"] = float(np.mean([one.swept["max_box_acc_v2"] for one in scores]))
    row["best_threshold_of_range"] = [one.swept["best_threshold"] for one in scores]

    # All seeds see the same images: an interval for these networks on such images, not for other seeds.
    def pooled(hits: Any, of: list[Evaluation]) -> np.ndarray:
        return np.stack([np.asarray(hits(one)) for one in of])

    def centred(one: Evaluation) -> Any:
        return one.scores.centred_hits

    kinds = {
        "gt_known_loc": lambda one: one.scores.known_hits,
        "max_box_acc": best_hits,
        "top1_loc": lambda one: one.scores.top1_hits,
        "top1_clas": lambda one: one.scores.right,
    }
    for name, hits in kinds.items():
        mine = pooled(hits, evaluations)
        row.setdefault(name, {"mean": float(mine.mean())})
        row[name]["over_first_interval95"] = list(paired_interval(mine, pooled(hits, first)))
        if name in ("gt_known_loc", "max_box_acc"):
            row[name]["over_centred_interval95"] = list(paired_interval(mine, pooled(centred, evaluations)))
    half = [(np.asarray(one.scores.known_hits)[::2], np.asarray(one.scores.centred_hits)[::2]) for one in evaluations]
    ours, blind = (np.stack(hits) for hits in zip(*half, strict=True))
    row["unseen"] = {"mean": float(ours.mean()), "centred": float(blind.mean())}
    row["unseen"]["interval95"] = list(paired_interval(ours, blind))
    return row


def draw(columns: dict[str, tuple[Evaluation, Localizer]], path: Path) -> None:
    """The first seed's maps of some images, a column an arm."""
    table = next(iter(columns.values()))[0].predictions.table
    sheet = [
        [picture_of(one.predictions, localizer, i, title=False) for one, localizer in columns.values()]
        for i in spread_rows(table, 20)
    ]
    save_picture(side_by_side(sheet, headings=list(columns)), path)


if __name__ == "__main__":
    main()
