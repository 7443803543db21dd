"""ELAN's annotation files (`.eaf`), read.

An annotation either has two slots of time, or refers to another one and takes its time from it. A slot may have no
time: those between two that have are spread evenly, within their tier, as ELAN shows them.
Source: the EAF schema, versions 2.3 to 3.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree import ElementTree

from ..core.errors import listing, plural
from .events import Found, video_name

#: The linguistic type of tiers of instants: ELAN has none, so they are written as a millisecond.
POINT_TYPE = "point"

_UNITS = {"milliseconds": 0.001, "PAL-frames": 0.04, "NTSC-frames": 1001 / 30000}


class _Own(NamedTuple):
    """An annotation with slots of its own."""

    id: str
    first: str
    last: str
    value: str


@dataclass
class _Tier:
    name: str
    parent: str
    kind: str
    participant: str
    constraint: str
    own: list[_Own] = field(default_factory=list[_Own])
    referring: list[tuple[str, str, str, str]] = field(default_factory=list[tuple[str, str, str, str]])


def is_elan(root: ElementTree.Element) -> bool:
    """Whether XML is of ELAN."""
    return root.tag == "ANNOTATION_DOCUMENT"


def read(found: Found, root: ElementTree.Element) -> None:
    """Read the annotations of all tiers; fields are `value`, `tier`, `participant` and `type`.

    Raises:
        DataError: It names no video, or a time cannot be known.
    """
    path, header = found.path, root.find("HEADER")
    header = ElementTree.Element("HEADER") if header is None else header
    units = header.get("TIME_UNITS", "milliseconds")
    if units not in _UNITS:
        raise found.fail(f"its unit of time {units!r} is not known", why=f"known: {listing(_UNITS)}")
    video, skipped = _medium(found, header)
    slots: dict[str, float | None] = {}
    for slot in root.iterfind("TIME_ORDER[1]/*"):
        value = slot.get("TIME_VALUE")
        try:
            time = None if value is None else float(value) * _UNITS[units] + skipped
        except ValueError:
            raise found.fail(f"{value!r} is no time", place=f"{path}, slot {slot.get('TIME_SLOT_ID')}") from None
        slots[slot.get("TIME_SLOT_ID", "")] = time if time is None else round(time, 6)
    kinds = {one.get("LINGUISTIC_TYPE_ID", ""): one.get("CONSTRAINTS", "") for one in root.iter("LINGUISTIC_TYPE")}
    tiers = [_tier(found, element, kinds) for element in root.iter("TIER")]
    times = _times(found, tiers, slots)
    for tier in tiers:
        annotations = [(one.id, one.value) for one in tier.own] + [(one[0], one[3]) for one in tier.referring]
        for id_, value in annotations:
            if id_ not in times:
                what = f"the annotation {id_} of tier {tier.name!r} has no time"
                raise found.fail(what, why="it refers to one that the file does not hold")
            start, end = times[id_]
            fields = {"value": value, "tier": tier.name, "participant": tier.participant, "type": tier.kind}
            point = tier.kind == POINT_TYPE and end - start < 0.0015
            found.add(video, start, None if point else end, fields, place=f"{path}, tier {tier.name}, {id_}")
    filled = [tier.name for tier in tiers if tier.own or tier.referring]
    if len(filled) > 1 and "tier" not in found.options.where:
        found.notes.append(
            f"{found.path.name}: {plural(len(filled), 'tier')} are read together: {listing(filled, 12)}; "
            "--where tier=NAME chooses, --label tier takes the tier's name for the label"
        )


def _medium(found: Found, header: ElementTree.Element) -> tuple[str, float]:
    """The video's name, and how many seconds of the file ELAN skips at its beginning."""
    media = header.findall("MEDIA_DESCRIPTOR")
    pictures = [one for one in media if one.get("MIME_TYPE", "").startswith("video")] or media
    named = [(one.get("MEDIA_URL") or one.get("RELATIVE_MEDIA_URL") or "", one) for one in pictures]
    named = [(address, one) for address, one in named if address.strip()]
    if not named:
        old = header.get("MEDIA_FILE", "")
        return (found.video(old) if old else found.unnamed_video()), 0.0
    if len(named) > 1:
        others = listing([video_name(address) for address, _ in named[1:]])
        found.notes.append(
            f"{found.path.name}: annotations are of the first video, {video_name(named[0][0])}, not of {others}"
        )
    address, element = named[0]
    try:
        skipped = float(element.get("TIME_ORIGIN") or 0) / 1000
    except ValueError:
        raise found.fail(f"TIME_ORIGIN {element.get('TIME_ORIGIN')!r} is no time") from None
    if skipped:
        found.notes.append(
            f"{found.path.name}: ELAN skips the first {skipped:g} s of the video; its times count from there"
        )
    return found.video(address), skipped


def _tier(found: Found, element: ElementTree.Element, kinds: Mapping[str, str]) -> _Tier:
    kind = element.get("LINGUISTIC_TYPE_REF", "")
    tier = _Tier(
        element.get("TIER_ID", ""),
        element.get("PARENT_REF", ""),
        kind,
        element.get("PARTICIPANT", ""),
        kinds.get(kind, ""),
    )
    for annotation in element.iter("ANNOTATION"):
        for one in annotation:
            value = (one.findtext("ANNOTATION_VALUE") or "").strip()
            id_ = one.get("ANNOTATION_ID", "")
            if one.tag == "ALIGNABLE_ANNOTATION":
                first, last = one.get("TIME_SLOT_REF1", ""), one.get("TIME_SLOT_REF2", "")
                tier.own.append(_Own(id_, first, last, value))
            elif one.tag == "REF_ANNOTATION":
                tier.referring.append((id_, one.get("ANNOTATION_REF", ""), one.get("PREVIOUS_ANNOTATION", ""), value))
            else:
                raise found.fail(f"<{one.tag}> is no annotation", place=f"{found.path}, tier {tier.name}")
    return tier


def _times(found: Found, tiers: list[_Tier], slots: Mapping[str, float | None]) -> dict[str, tuple[float, float]]:
    """Start and end of every annotation, by its id."""
    times: dict[str, tuple[float, float]] = {}
    place = {slot: i for i, slot in enumerate(slots)}
    for tier in tiers:
        known = _spread(found, tier, slots, place)
        for one in tier.own:
            times[one.id] = known[one.first], known[one.last]
    waiting = [tier for tier in tiers if tier.referring]
    while waiting:
        ready = [tier for tier in waiting if all(to in times or to == "" for _, to, _, _ in tier.referring)]
        if not ready:
            break  # the caller names what has no time
        for tier in ready:
            _refer(tier, times)
        waiting = [tier for tier in waiting if tier not in ready]
    return times


def _spread(found: Found, tier: _Tier, slots: Mapping[str, float | None], place: Mapping[str, int]) -> dict[str, float]:
    """Times of a tier's slots; those without one lie evenly between the nearest of the same tier that have one."""
    for one in tier.own:
        if one.first not in slots or one.last not in slots:
            raise found.fail(
                f"the annotation {one.id} is at a slot that the file does not hold",
                why="the file is cut short or was changed",
                place=f"{found.path}, tier {tier.name}",
            )
    chain = sorted({slot for one in tier.own for slot in (one.first, one.last)}, key=lambda slot: place[slot])
    known: dict[str, float] = {}
    for i, slot in enumerate(chain):
        value = slots[slot]
        if value is not None:
            known[slot] = value
            continue
        before = next((k for k in range(i - 1, -1, -1) if slots[chain[k]] is not None), None)
        after = next((k for k in range(i + 1, len(chain)) if slots[chain[k]] is not None), None)
        if before is None or after is None:
            raise found.fail(
                f"the slot {slot} of tier {tier.name!r} has no time",
                why="no slot of the tier with a time lies on both sides of it",
                next="give it a time in ELAN",
            )
        low, high = slots[chain[before]], slots[chain[after]]
        assert low is not None
        assert high is not None
        known[slot] = low + (high - low) * (i - before) / (after - before)
    return known


def _refer(tier: _Tier, times: dict[str, tuple[float, float]]) -> None:
    """Times of annotations that refer to others: the whole of it; a share of it where several divide it."""
    children: dict[str, list[tuple[str, str]]] = {}
    for id_, to, previous, _ in tier.referring:
        children.setdefault(to, []).append((id_, previous))
    for parent, several in children.items():
        start, end = times.get(parent, (0.0, 0.0))
        if tier.constraint != "Symbolic_Subdivision":
            times |= {id_: (start, end) for id_, _ in several}
            continue
        ordered = [id_ for id_, previous in several if not previous]
        following = {previous: id_ for id_, previous in several if previous}
        while ordered and ordered[-1] in following:
            ordered.append(following.pop(ordered[-1]))
        ordered += [id_ for id_, _ in several if id_ not in set(ordered)]
        for i, id_ in enumerate(ordered):
            share = (end - start) / len(ordered)
            times[id_] = start + i * share, start + (i + 1) * share
