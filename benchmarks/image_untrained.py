"""What are ImageNet networks worth as localizers without any training? Sizes times rules on boxed images.

    python benchmarks/image_untrained.py --dataset FOLDER --weights efficientnet_lite0 --sizes 128 224 280 384

Prints a table of sizes, at the paper's threshold and refined, beside the centred box; then chooses size, iterations and
threshold on one half of the images and scores them on the other, both ways. Writes OUT/untrained.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from thas.eval.boxes import BoxTruth, best_iou, blind_boxes, paired_interval
from thas.eval.swept_maps import swept_from_iou, swept_iou
from thas.image_has.activation import upsampled
from thas.image_has.datasets import open_images
from thas.image_has.decode import image_size
from thas.image_has.loading import whole_batches
from thas.image_has.localize import localize, scaled_boxes
from thas.image_has.untrained import respelt, untrained_localizer
from thas.image_has.views import refined, shrunk_to

OTSU = tuple(round(0.4 + 0.1 * i, 1) for i in range(13))
RULES = {f"{t:g} of the maximum": ("max", (t,)) for t in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4)} | {
    "Otsu 0.4 to 1.6": ("otsu", OTSU),
    "Otsu 0.4 to 1.2": ("otsu", OTSU[:9]),
    "Otsu 0.6 to 1.2": ("otsu", OTSU[2:9]),
}
ITERATIONS = (0, 20)
PAPER, REFINED = "0.2 of the maximum", "Otsu 0.4 to 1.6"


def maps_of(arguments, table, *, side: int, mirror: bool):
    """Maps of the true classes, pictures, and which are classified right of all and of these.

    With the mirror image, maps (N, R, R) and pictures (N, 3, R, R) are at the size of refining.
    """
    changes = {"input.size": side, "localize.refine": 0, "localize.mirror": mirror, "localize.zoom": 0}
    localizer = untrained_localizer(arguments.network, weights=arguments.weights, changes=changes, device="auto")
    localizer = respelt(localizer, table.classes)
    known = table.relabelled(localizer.classes)
    few = torch.tensor([localizer.classes.index(name) for name in table.classes])
    small = min(arguments.refine_size, side) or side
    maps, pictures, right, of_few = [], [], [], []
    for batch in whole_batches(known, side=side, batch_size=8):
        found = localizer.maps(batch.pixels, batch.labels)
        maps.append(
            shrunk_to(found.maps[:, -1:].cpu().clamp(min=0), small)[:, 0] if mirror else found.maps[:, -1].cpu()
        )
        pictures.append(shrunk_to(batch.pixels.float(), small))
        right.append(found.predicted.cpu() == batch.labels)
        of_few.append(few[found.probabilities.cpu()[:, few].argmax(1)] == batch.labels)
    return torch.cat(maps), torch.cat(pictures), torch.cat(right).numpy(), torch.cat(of_few).numpy()


def further(maps: torch.Tensor, pictures: torch.Tensor, iterations: int) -> torch.Tensor:
    """The maps refined so many times more."""
    return torch.cat(
        [
            refined(m[:, None], p.float(), iterations=iterations)[:, 0]
            for m, p in zip(maps.clamp(min=0).split(10), pictures.split(10), strict=True)
        ]
    )


def hits_of(maps: torch.Tensor, truth: BoxTruth, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """For each rule (N,) bool: its box has an IoU above 0.5 with a true one."""
    at = {}
    for scale in ("max", "otsu"):
        levels = sorted({level for one, several in RULES.values() if one == scale for level in several})
        boxes = localize(maps, threshold=levels, scale=scale)
        at |= {(scale, level): boxes[:, i] for i, level in enumerate(levels)}
    found = {}
    for rule, (scale, levels) in RULES.items():
        mean = np.mean([at[scale, level] for level in levels], axis=0)
        placed = zip(mean, sizes, strict=True)
        scaled = [scaled_boxes(box, map_size=tuple(maps.shape[-2:]), image_size=tuple(size)) for box, size in placed]
        found[rule] = best_iou(np.array(scaled), truth) > 0.5
    return found


def swept(maps: torch.Tensor, truth: BoxTruth, sizes: np.ndarray) -> tuple[float, float]:
    """MaxBoxAcc and MaxBoxAccV2 over 100 thresholds of the range."""
    thresholds = np.arange(100) / 100
    largest, any_part = swept_iou(maps.numpy(), truth, sizes=sizes, thresholds=thresholds)
    found = swept_from_iou(largest, any_part, thresholds, iou=0.5)
    return found.max_box_acc, found.max_box_acc_v2


def span(hits: np.ndarray, others: np.ndarray) -> str:
    """A paired interval in per cent."""
    low, high = paired_interval(hits, others)
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def chosen_on_a_half(hits: dict[tuple[str, int, str], np.ndarray], centred: np.ndarray) -> list[str]:
    """The rule that is best on one half of the images, scored on the other; both ways, and both halves together."""
    halves = np.arange(len(centred)) % 2 == 0
    lines, together = [], np.zeros(len(centred), dtype=bool)
    for name, here in (("even", halves), ("odd", ~halves)):
        best = max(hits, key=lambda rule: hits[rule][here].mean())
        other = hits[best][~here]
        together[~here] = other
        lines.append(
            f"chosen on the {name} images: {best}; there {100 * hits[best][here].mean():.1f}, on the others "
            f"{100 * other.mean():.1f}, centred box {100 * centred[~here].mean():.1f}: {span(other, centred[~here])}"
        )
    both = (
        f"both halves: {100 * together.mean():.1f}, centred box {100 * centred.mean():.1f}: {span(together, centred)}"
    )
    return [*lines, both]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--network")
    parser.add_argument("--weights")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 224, 280, 384])
    parser.add_argument(
        "--refine-size", type=int, default=128, help="side at which maps are refined and cut; 0: as seen"
    )
    parser.add_argument("--fused", type=int, nargs="*", default=[224, 280], help="sizes whose maps are averaged")
    parser.add_argument("--out", type=Path, default=Path("image_untrained"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    opened = open_images(str(arguments.dataset), training=False)
    table = opened.subset(opened.test_subset)
    sizes = np.array([image_size(table.path(i))[::-1] for i in range(len(table))])
    truth = BoxTruth.from_lists([table.boxes[path].tolist() for path in table.paths])
    _, centred_share, (tall, wide) = blind_boxes(truth, sizes)
    blind = np.tile(sizes[:, ::-1], 2) * (np.array([1 - wide, 1 - tall, 1 + wide, 1 + tall]) / 2)
    centred = best_iou(blind, truth) > 0.5
    heads = ["size", "rule", f"Top-1 Clas of all / of {len(table.classes)}", "GT-known Loc", "Top-1 Loc, likewise"]
    heads += ["MaxBoxAcc", "MaxBoxAccV2", "GT-known less centred box, 95 %"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    print(f"| | best centred box | | {100 * centred_share:.1f} | | | | |", flush=True)
    hits: dict[tuple[str, int, str], np.ndarray] = {}
    rows, kept = [], {}

    def show(side: str, name: str, maps: torch.Tensor, mine: np.ndarray, right: tuple[np.ndarray, np.ndarray]) -> None:
        best, v2 = swept(maps, truth, sizes)
        clas = [100 * one.mean() for one in right]
        loc = [100 * (one & mine).mean() for one in right]
        row = [f"{clas[0]:.1f} / {clas[1]:.1f}", f"{100 * mine.mean():.1f}", f"{loc[0]:.1f} / {loc[1]:.1f}"]
        row = [side, name, *row, f"{100 * best:.1f}", f"{100 * v2:.1f}", span(mine, centred)]
        rows.append(dict(zip(heads, row, strict=True)))
        print("| " + " | ".join(row) + " |", flush=True)

    def refine_and_score(side: str, maps: torch.Tensor, pictures: torch.Tensor, right: tuple) -> torch.Tensor:
        done = 0
        for iterations in ITERATIONS:
            if iterations > done:
                maps, done = further(maps, pictures, iterations - done), iterations
            hits.update({(side, iterations, rule): one for rule, one in hits_of(maps, truth, sizes).items()})
        show(side, "refined", maps, hits[side, ITERATIONS[-1], REFINED], right)
        return maps

    for side in arguments.sizes:
        start = time.perf_counter()
        maps, _, *right = maps_of(arguments, table, side=side, mirror=False)
        show(str(side), "paper", maps, hits_of(maps, truth, sizes)[PAPER], tuple(right))
        maps, pictures, *right = maps_of(arguments, table, side=side, mirror=True)
        if side in arguments.fused:
            kept[side] = maps, pictures, right
        refine_and_score(str(side), maps, pictures, tuple(right))
        print(f"<!-- {side}: {time.perf_counter() - start:.0f} s -->", flush=True)
    if len(kept) > 1:
        first = next(iter(kept.values()))
        side = first[0].shape[-1]
        scaled = [upsampled(m.clamp(min=0), (side, side)) for m, _, _ in kept.values()]
        mean = torch.stack([m / m.amax((1, 2), keepdim=True).clamp(min=1e-6) for m in scaled]).mean(0)
        refine_and_score(" + ".join(map(str, kept)), mean, first[1], tuple(first[2]))
    lines = chosen_on_a_half(hits, centred)
    print("\n" + "\n".join(lines))
    best = sorted(hits, key=lambda rule: -hits[rule].mean())[:10]
    print(
        "\nthe ten best on all images (chosen on them): " + "; ".join(f"{r} {100 * hits[r].mean():.1f}" for r in best)
    )
    content = {"rows": rows, "halves": lines, "rules": {str(rule): float(one.mean()) for rule, one in hits.items()}}
    (arguments.out / "untrained.json").write_text(json.dumps(content, indent=2))


if __name__ == "__main__":
    main()
