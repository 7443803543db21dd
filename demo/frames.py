"""What is seen in the demo's videos: coloured things in motion before a camera that wanders over a mottled ground.

An action is done with an implement of its class: a shape, a colour and a way to move. Its three phases look as such
phases do before a camera. While the implement is carried up (approach) and away (retreat) it is far off: small, half
hidden in haze, and moved a little. For the moment of the action itself, the telling phase, it is close, bright, fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

SIZE = 112

_SHAPES = ("disc", "ring", "bar", "cross", "square", "triangle", "dumbbell", "kite")
_MOTIONS = ("whirl", "swing", "lift", "dive", "climb", "flare", "spin", "weave")
_COLOURS = {
    "red": (230, 50, 40),
    "blue": (50, 90, 240),
    "green": (50, 200, 60),
    "yellow": (235, 220, 50),
    "magenta": (215, 70, 215),
    "cyan": (60, 215, 220),
    "orange": (240, 140, 30),
    "violet": (120, 50, 160),
    # Of no class.
    "white": (225, 225, 225),
    "black": (40, 40, 40),
    "grey": (140, 140, 140),
}


@dataclass(frozen=True)
class Look:
    """How a thing looks: its shape, its colour and its way to move."""

    shape: str
    colour: str
    motion: str


# The implement of each class in the telling phase, and how it is seen while it is carried up and away: a class keeps
# its colour; shape and motion change, as a javelin looks otherwise when it is carried than when it flies.
TELLING = {
    "BarSpin": Look("bar", "green", "spin"),
    "CrossSwing": Look("cross", "yellow", "swing"),
    "DiscWhirl": Look("disc", "red", "whirl"),
    "DumbbellLift": Look("dumbbell", "orange", "lift"),
    "KiteFlare": Look("kite", "violet", "flare"),
    "RingDive": Look("ring", "blue", "dive"),
    "SquareClimb": Look("square", "magenta", "climb"),
    "TriangleWeave": Look("triangle", "cyan", "weave"),
}
CLASSES = tuple(TELLING)


def _turned(look: Look, shapes: int, motions: int) -> Look:
    shape = _SHAPES[(_SHAPES.index(look.shape) + shapes) % len(_SHAPES)]
    motion = _MOTIONS[(_MOTIONS.index(look.motion) + motions) % len(_MOTIONS)]
    return Look(shape, look.colour, motion)


APPROACH = {label: _turned(look, 3, 2) for label, look in TELLING.items()}
RETREAT = {label: _turned(look, 5, 5) for label, look in TELLING.items()}
# Things that no class owns, large and small.
STRANGE = tuple(
    Look(shape, colour, _MOTIONS[(3 * i + j) % len(_MOTIONS)])
    for i, shape in enumerate(_SHAPES)
    for j, colour in enumerate(("white", "black", "grey"))
)


@dataclass(frozen=True)
class Event:
    """Something that is seen for a while: close, bright and fast, or else far off, hazy and slow."""

    look: Look
    start_seconds: float
    end_seconds: float
    close: bool


@cache
def _sprite(shape: str, size: int, turn: int) -> np.ndarray:
    """(size, size, 1) float32 opacity of a shape, turned by so many of 24 steps, with soft edges."""
    places = np.linspace(-1, 1, size)
    y, x = np.meshgrid(places, places, indexing="ij")
    cosine, sine = np.cos(turn * np.pi / 12), np.sin(turn * np.pi / 12)
    x, y = cosine * x + sine * y, cosine * y - sine * x
    radius, wide, tall = np.hypot(x, y), np.abs(x), np.abs(y)
    inside = {
        "disc": 0.8 - radius,
        "ring": 0.18 - np.abs(radius - 0.7),
        "bar": np.minimum(0.22 - tall, 0.95 - wide),
        "cross": np.maximum(np.minimum(0.2 - tall, 0.9 - wide), np.minimum(0.2 - wide, 0.9 - tall)),
        "square": 0.65 - np.maximum(wide, tall),
        "triangle": np.minimum(0.6 - y, (0.9 + y) / 2 - wide),
        "dumbbell": 0.35 - np.minimum(np.hypot(x - 0.55, y), np.hypot(x + 0.55, y)),
        "kite": 0.6 - wide - 0.6 * tall,
    }[shape]
    return np.clip(inside * size / 2.5 + 0.5, 0, 1).astype(np.float32)[..., None]


def _moved(motion: str, cycles: float) -> tuple[float, float, float, int]:
    """Where a thing is after so many cycles: right and down (-1 to 1), size, and turn in 24 steps."""
    sine, cosine = np.sin(2 * np.pi * cycles), np.cos(2 * np.pi * cycles)
    right, down = {
        "whirl": (cosine, sine),
        "swing": (sine, 0.0),
        "lift": (0.0, sine),
        "dive": (sine, sine),
        "climb": (sine, -sine),
        "weave": (sine, 0.7 * np.sin(4 * np.pi * cycles)),
    }.get(motion, (0.0, 0.0))
    size = 1 + 0.35 * sine if motion == "flare" else 1.0
    return right, down, size, round(12 * cycles) % 24 if motion == "spin" else 0


@cache
def _ground(size: int = 384) -> np.ndarray:
    """(size, size, 3) float32, the mottled ground, the same in all videos: no scene belongs to a class."""
    from scipy.ndimage import gaussian_filter

    draw = np.random.default_rng(99)
    ground = np.zeros((size, size, 3))
    for blur, strength in ((24, 7), (8, 5), (2.5, 3)):
        layer = gaussian_filter(draw.standard_normal((size, size, 3)), (blur, blur, 0), mode="wrap")
        layer /= layer.std(axis=(0, 1))
        ground += strength * (0.9 * layer.mean(axis=2, keepdims=True) + 0.35 * layer)
    return np.clip(ground + 105, 0, 255).astype(np.float32)


def _camera(frames: int, fps: float, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(frames, 2) the window's corner, wandering, with a cut now and then; and (frames,) the exposure."""
    memory = np.exp(-np.arange(60) / 20)
    pushes = draw.normal(0, 1, (frames, 2))
    speed = np.stack([np.convolve(pushes[:, axis], memory)[:frames] for axis in (0, 1)], axis=1)
    corner = np.cumsum(0.35 * speed, axis=0) + draw.uniform(0, 384, 2)
    for cut in draw.integers(0, frames, draw.poisson(frames / fps / 15)):
        corner[cut:] += draw.uniform(0, 384, 2)
    seconds = np.arange(frames) / fps
    exposure = 1 + 0.12 * np.sin(2 * np.pi * seconds / draw.uniform(5, 15) + draw.uniform(0, 6))
    return corner, exposure


class _Thing:
    """An event in the picture: where it is, how large, how opaque; drawn once an event."""

    def __init__(self, event: Event, draw: np.random.Generator) -> None:
        self.event = event
        if event.close:
            self.size, self.opacity = draw.uniform(36, 44), draw.uniform(0.9, 1.0)
            self.reach, self.rate = draw.uniform(16, 24), draw.uniform(1.6, 2.2)
        else:
            self.size, self.opacity = draw.uniform(24, 28), draw.uniform(0.45, 0.6)
            self.reach, self.rate = draw.uniform(7, 10), draw.uniform(1.3, 1.8)
        # The camera follows what happens, roughly.
        self.centre = draw.uniform(48, SIZE - 48, 2)
        self.drift = draw.normal(0, 1.5, 2)
        self.begin = draw.random()
        self.colour = (np.array(_COLOURS[event.look.colour]) + draw.normal(0, 8, 3)).astype(np.float32)

    def paint(self, picture: np.ndarray, second: float) -> None:
        event = self.event
        if not event.start_seconds <= second < event.end_seconds:
            return
        since = second - event.start_seconds
        right, down, grown, turn = _moved(event.look.motion, self.begin + self.rate * since)
        size = 2 * round(self.size * grown / 2)
        opacity = _sprite(event.look.shape, size, turn) * np.float32(self.opacity)
        left = int(self.centre[0] + self.reach * right + self.drift[0] * since - size / 2)
        top = int(self.centre[1] + self.reach * down + self.drift[1] * since - size / 2)
        x, y, x_end, y_end = max(left, 0), max(top, 0), min(left + size, SIZE), min(top + size, SIZE)
        if x < x_end and y < y_end:
            part = picture[y:y_end, x:x_end]
            part += opacity[y - top : y_end - top, x - left : x_end - left] * (self.colour - part)


def render(events: tuple[Event, ...], frames: int, fps: float, draw: np.random.Generator) -> Iterator[np.ndarray]:
    """The frames of a video: later events over earlier ones; the camera's way, places and paces are drawn.

    Yields:
        (SIZE, SIZE, 3) uint8, RGB.
    """
    ground = _ground()
    corner, exposure = _camera(frames, fps, draw)
    things = [_Thing(event, draw) for event in events]
    grain = [draw.normal(0, 3, (SIZE, SIZE, 1)).astype(np.float32) for _ in range(6)]
    window = np.arange(SIZE)
    for i in range(frames):
        row, column = corner[i].astype(np.int64)
        picture = ground[((window + row) % 384)[:, None], (window + column) % 384] * np.float32(exposure[i])
        picture += grain[i % len(grain)]
        for thing in things:
            thing.paint(picture, i / fps)
        yield np.clip(picture, 0, 255).astype(np.uint8)
