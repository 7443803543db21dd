"""`thas list`: what thas knows by name."""

from __future__ import annotations

from ..core.plugins import PartKind
from .console import print_json, say
from .options import Printed


def _list_parts(kind: PartKind, *, json: bool) -> None:
    from ..core.plugins import is_built_in, names, origin

    found = {name: "thas" if is_built_in(kind, name) else str(origin(kind, name)) for name in names(kind)}
    if json:
        print_json({kind: [{"name": name, "from": whose} for name, whose in found.items()]})
        return
    for name, whose in found.items():
        say(name if whose == "thas" else f"{name}: {whose}")
    say("or one of your own, MODULE:ATTRIBUTE (docs/plugins.md)")


def list_heads(*, printed: Printed = Printed()) -> None:
    """The heads that `network.head` of `thas train` knows.

    For example:

        thas list heads
    """
    from ..temporal_has import settings  # noqa: F401  (brings the names)

    _list_parts("heads", json=printed.json)


def list_losses(*, printed: Printed = Printed()) -> None:
    """The losses that `train.loss` of `thas train` knows.

    For example:

        thas list losses
    """
    from ..temporal_has import settings  # noqa: F401

    _list_parts("losses", json=printed.json)


def list_networks(*, printed: Printed = Printed()) -> None:
    """The networks that `network.name` of `thas image train` knows.

    For example:

        thas list networks
    """
    from ..image_has import settings  # noqa: F401

    _list_parts("networks", json=printed.json)


def list_presets(*, printed: Printed = Printed()) -> None:
    """The presets that --preset knows by name, of videos and of images.

    For example:

        thas list presets
    """
    from ..core.presets import preset_names, preset_remark, read_preset

    found = [read_preset(name) for name in preset_names()]
    if printed.json:
        rows = [{"name": one.name, "kind": one.kind, "about": preset_remark(one.name)} for one in found]
        print_json({"presets": rows})
        return
    for kind, title in (("temporal", "for videos"), ("image", "for images")):
        say(f"{title}:")
        for one in found:
            if one.kind == kind:
                say(f"    {one.name}: {preset_remark(one.name)}")
    say("or a TOML file of your own (docs/training.md)")
