"""Trained networks at work on images: probabilities and maps, from one network or several, one view or ten crops."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import PIL.Image
import torch
from torch import Tensor

from ..core.boxes import Boxes
from ..core.dropping import dropped
from ..core.errors import UsageError
from ..core.runners import choose_device
from ..core.runs import ROOTS, check_map_members
from .activation import FoundBox, Localization, LocalizedImage, activation_map, upsampled
from .box_workers import boxes_of
from .decode import as_rgb, read_image
from .loading import normalised, seed_of, squashed
from .localize import scaled_boxes
from .settings import ImageSettings
from .trained_runs import trained_networks
from .views import part_of, refined_together, resized, shrunk_to, views
from .weights import TrainedNetwork
from .zoom import whole_windows, with_small_things, zoom_sides

_AT_ONCE = 8
"""Images that are looked at together where nobody says how many: larger pictures of them fill the memory soon."""


@dataclass
class Localizer:
    """One trained network, or several whose maps and probabilities are averaged.

    The paper's ensemble averages the maps of the networks trained with four sizes of cells, and the probabilities of
    those and of the one trained without hiding: give all five, and the first four as `map_members`.

    Attributes:
        members: Networks of the same classes and input.
        settings: Of the first; its `localize` says which views are averaged.
        device: Where they run.
        map_members: Which members' maps are averaged; all if None.
        files: Of the members' weights, where they came from some.
    """

    members: Sequence[TrainedNetwork]
    settings: ImageSettings
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    map_members: Sequence[int] | None = None
    files: Sequence[Path] = ()

    @classmethod
    def of(
        cls,
        *members: TrainedNetwork,
        settings: ImageSettings | None = None,
        device: str = "auto",
        map_members: Sequence[int] | None = None,
    ) -> Localizer:
        """Networks on a device.

        Raises:
            UsageError: Their classes or inputs differ, a map member is none of them, or the device does not exist.
        """
        first = members[0]
        for other in members[1:]:
            if other.classes != first.classes or other.settings.input != first.settings.input:
                raise UsageError(
                    "these networks cannot be averaged",
                    why="they know different classes, or see images of different sizes or means",
                    next="average networks trained on one data set",
                )
        check_map_members(len(members), map_members or ())
        chosen = choose_device(device)
        for member in members:
            member.network.to(chosen).eval()
        return cls(members, settings or first.settings, chosen, map_members)

    @classmethod
    def from_run(
        cls,
        *runs: Path | str,
        device: str = "auto",
        changes: Mapping[str, object] | None = None,
        map_members: Sequence[int] | None = None,
        root: Path = ROOTS["image"],
    ) -> Localizer:
        """The networks of runs, `Localizer.from_run("runs/image/birds/20260101-120000")` for instance.

        Args:
            runs: Runs' folders or files of weights, several of which are averaged; the newest run if there are none.
            device: cpu, cuda, cuda:1 or auto.
            changes: Settings that differ from the run's, `{"localize.refine": 20}` for instance.
            map_members: Which of several give maps; all if None.
            root: Where the newest run is looked for.

        Raises:
            UsageError: There is no such run, or its networks cannot be averaged.
            CheckpointError: A file of weights is damaged or of another kind.
        """
        members, settings, files = trained_networks([Path(run) for run in runs], runs=root)
        found = cls.of(*members, settings=settings, device=device, map_members=map_members)
        return with_changes(replace(found, files=tuple(files)), changes or {})

    @property
    def classes(self) -> tuple[str, ...]:
        """C names."""
        return self.members[0].classes

    def title(self, label: str) -> str:
        """A class's name for a reader, "great white shark" of the WordNet id n01484850 for instance."""
        return self.members[0].titles.get(label, label)

    @property
    def side(self) -> int:
        """Side of the square that images are squashed to, in pixels; larger than the network's for ten crops.

        Of several sizes it is the largest, from which the others are made.
        """
        seen, rules = self.settings.input, self.settings.localize
        if rules.ten_crop:
            return seen.resize
        return max(seen.size, *rules.sizes, zoom_sides(seen.size)[1] if rules.zoom else 0)

    def localize(self, images: Sequence[PIL.Image.Image], *, top: int = 1) -> list[LocalizedImage]:
        """Box the likeliest classes of images.

        Args:
            images: Of any sizes, upright; `read_image` reads them from files.
            top: How many classes.

        Raises:
            ValueError: `top` is below 1.
        """
        found: list[LocalizedImage] = []
        for first in range(0, len(images), at_once(top)):
            some = images[first : first + at_once(top)]
            pixels = torch.stack([squashed(as_rgb(image), side=self.side) for image in some])
            found += self.boxed(pixels, [(image.height, image.width) for image in some], top=top)
        return found

    def boxed(self, pixels: Tensor, sizes: Sequence[tuple[int, int]], *, top: int = 1) -> list[LocalizedImage]:
        """The same of images already squashed.

        Args:
            pixels: (B, 3, S, S) uint8, with S the localizer's `side`.
            sizes: Height and width of the B images, in whose pixels the boxes are.
            top: How many classes.
        """
        if top < 1:
            raise ValueError(f"top must be 1 or more, but is {top}")
        seen = self.maps(pixels, top=top)
        maps = seen.maps.cpu().numpy()
        boxes = boxes_of(maps, self.settings.localize, seen.windows.numpy())
        chosen = seen.probabilities.gather(1, seen.ranked).tolist()
        found: list[LocalizedImage] = []
        for i, (ranked, scores) in enumerate(zip(seen.ranked.tolist(), chosen, strict=True)):
            corners = scaled_boxes(boxes[i], map_size=maps.shape[-2:], image_size=sizes[i]).round(2).tolist()
            several = zip(ranked, scores, corners, strict=True)
            rows = [FoundBox(self.classes[label], round(score, 6), tuple(box)) for label, score, box in several]
            found.append(LocalizedImage(tuple(rows), maps[i, 0].copy()))
        return found

    def __call__(self, *images: PIL.Image.Image | Path | str, top: int = 1) -> Boxes:
        """The likeliest classes' boxes in images, a row a box; `image` is the file, or the image's number.

        Args:
            images: Files, or images, upright.
            top: How many classes an image.

        Raises:
            DataError: A file cannot be read.
        """
        opened = [one if isinstance(one, PIL.Image.Image) else read_image(Path(one)) for one in images]
        names = [str(i) if isinstance(one, PIL.Image.Image) else str(one) for i, one in enumerate(images)]
        found = zip(names, self.localize(opened, top=top), strict=True)
        rows = [(name, box.label, *box.box, box.score) for name, one in found for box in one.boxes if any(box.box)]
        return Boxes(*zip(*rows, strict=True)) if rows else Boxes.empty(scored=True)

    @torch.inference_mode()
    def maps(self, pixels: Tensor, known: Tensor | None = None, *, top: int = 1) -> Localization:
        """Probabilities and maps of images.

        Args:
            pixels: (B, 3, S, S) uint8, with S the localizer's `side`.
            known: (B,) int64, the true classes, if their maps are wanted too.
            top: So many of the likeliest classes' maps are wanted.
        """
        seen = self.settings.input
        x = normalised(pixels.to(self.device), settings=seen, channels_last=True)
        picture = x
        if seen.dropout == "always":
            x = torch.stack([self._dropped(*pair) for pair in zip(x, pixels, strict=True)])
        rules = self.settings.localize
        # Many crops of one size, or the whole at each of several.
        sizes = dict.fromkeys((seen.size, *rules.sizes)) if not rules.ten_crop else (x.shape[-1],)
        outputs = []
        for side in sizes:
            whole = resized(x, side)
            for look in views(side, seen.size if rules.ten_crop else side, mirror=rules.mirror):
                shown = part_of(whole, look, seen.size if rules.ten_crop else side)
                outputs.append((look, [member.network(shown) for member in self.members]))
        everything = [one.logits.float().softmax(1) for _, several in outputs for one in several]
        probabilities = torch.stack(everything).mean(0)
        # Stable, so that of classes drawn level the first is predicted, as by argmax.
        ranked = probabilities.argsort(dim=1, descending=True, stable=True)[:, :top]
        wanted = ranked if known is None else torch.cat([ranked, known.to(self.device)[:, None]], dim=1)
        total = torch.zeros(*wanted.shape, *x.shape[-2:], device=self.device)
        count = torch.zeros(x.shape[-2:], device=self.device)
        for look, several in outputs:
            for i in self._drawing:
                weight = self.members[i].network.weight
                side = seen.size if rules.ten_crop else x.shape[-1]
                one = upsampled(activation_map(several[i].maps.float(), weight.float(), wanted), (side, side))
                place = (slice(look.top, look.top + side), slice(look.left, look.left + side))
                total[(..., *place)] += one.flip(-1) if look.mirrored else one
                count[place] += 1
        # Where no crop reaches, which happens when they are smaller than half the image, nothing speaks for a class.
        maps = total / count.clamp(min=1)
        if times := rules.refine:
            # What speaks against a class would eat into what speaks for it. Of a range it is a part, though.
            maps = maps if rules.scale == "range" else maps.clamp(min=0)
            maps, picture = (shrunk_to(one, rules.refine_size) for one in (maps, picture))
            twice = torch.zeros_like(ranked[:, 0], dtype=torch.bool) if known is None else wanted[:, -1] == wanted[:, 0]
            maps = refined_together(maps, picture, twice, iterations=times)
        windows = whole_windows(maps)
        if rules.zoom:
            maps, windows = with_small_things(
                maps, classes=wanted, x=x, picture=picture, settings=self.settings, look=self._looked
            )
        return Localization(probabilities, ranked, maps, windows)

    def _looked(self, pictures: Tensor, classes: Tensor, side: int) -> Tensor:
        """(N, K, h, w), maps of classes (N, K) in pictures shown at a side, averaged as all maps are; few at a time."""
        found: list[Tensor] = []
        for some, wanted in zip(pictures.split(_AT_ONCE), classes.split(_AT_ONCE), strict=True):
            shown = resized(some, side)
            several: list[Tensor] = []
            for mirrored in (False, True) if self.settings.localize.mirror else (False,):
                for i in self._drawing:
                    network = self.members[i].network
                    output = network(shown.flip(-1) if mirrored else shown)
                    one = activation_map(output.maps.float(), network.weight.float(), wanted)
                    several.append(one.flip(-1) if mirrored else one)
            height, width = several[0].shape[-2:]
            found.append(torch.stack([upsampled(one, (height, width)) for one in several]).mean(0))
        return torch.cat(found)

    @property
    def _drawing(self) -> Sequence[int]:
        """Places of the members whose maps are averaged."""
        return self.map_members if self.map_members is not None else range(len(self.members))

    def _dropped(self, x: Tensor, pixels: Tensor) -> Tensor:
        """Values dropped as the picture itself determines, so that it is seen alike alone and among others."""
        seed = seed_of(self.settings.train.seed, 6, zlib.crc32(pixels.cpu().numpy().tobytes()))
        generator = torch.Generator().manual_seed(seed)
        return dropped(x, probability=self.settings.hide.probability, generator=generator)


def at_once(top: int) -> int:
    """How many images to look at together, so that the maps of `top` classes of each stay few.

    >>> at_once(1), at_once(1000)
    (8, 1)
    """
    return max(1, min(_AT_ONCE, 64 // max(1, top)))


def with_changes(localizer: Localizer, changes: Mapping[str, object]) -> Localizer:
    """The same with other settings, by dotted key.

    Raises:
        UsageError: The settings contradict each other, or the network takes no images of that size.
    """
    before = localizer.settings
    changed = replace(localizer, settings=before.localizing(changes))
    side, seen = changed.side, changed.settings
    try:
        if side != localizer.side or seen.localize.sizes:
            changed.maps(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    except (ValueError, AssertionError, RuntimeError) as error:
        zoomed = zoom_sides(seen.input.size) if seen.localize.zoom else ()
        sizes = ", ".join(map(str, dict.fromkeys((seen.input.size, *seen.localize.sizes, *zoomed))))
        raise UsageError(
            f"{seen.network.name} cannot look at images of {sizes} pixels",
            why=" ".join(str(error).split())[:200],
            next=f"--set input.size={before.input.size}"
            + " localize.sizes=" * bool(seen.localize.sizes)
            + " localize.zoom=0" * bool(zoomed),
        ) from None
    return changed
