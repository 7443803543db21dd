"""`thas list`: what thas knows by name."""

from __future__ import annotations

from ..core.plugins import PartKind
from .console import note, out, say
from .options import Printed


def _list_parts(kind: PartKind, printed: Printed) -> None:
    from ..core.plugins import is_built_in, names, origin

    found = {name: "thas" if is_built_in(kind, name) else str(origin(kind, name)) for name in names(kind)}
    if printed.as_json({kind: [{"name": name, "from": whose} for name, whose in found.items()]}):
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

    _list_parts("heads", printed)


def list_losses(*, printed: Printed = Printed()) -> None:
    """The losses that `train.loss` of `thas train` knows.

    For example:

        thas list losses
    """
    from ..temporal_has import settings  # noqa: F401

    _list_parts("losses", printed)


def list_networks(*, printed: Printed = Printed()) -> None:
    """The networks that `network.name` of `thas image train` knows.

    For example:

        thas list networks
    """
    from ..image_has import settings  # noqa: F401

    _list_parts("networks", printed)


def list_presets(*, printed: Printed = Printed()) -> None:
    """The presets that --preset knows by name, of videos and of images.

    For example:

        thas list presets
    """
    from ..core.presets import preset_names, preset_remark, read_preset

    found = [read_preset(name) for name in preset_names()]
    rows = [{"name": one.name, "kind": one.kind, "about": preset_remark(one.name)} for one in found]
    if printed.as_json({"presets": rows}):
        return
    for kind, title in (("temporal", "for videos"), ("image", "for images")):
        say(f"{title}:")
        for one in found:
            if one.kind == kind:
                say(f"    {one.name}: {preset_remark(one.name)}")
    say("or a TOML file of your own (docs/training.md)")


def list_datasets(*, printed: Printed = Printed()) -> None:
    """The data sets that --dataset knows by name.

    For example:

        thas list datasets
    """
    from ..core.plugins import names, origin
    from ..core.presets import read_preset
    from ..datasets.data_preset import dataset_presets

    presets = {name: dict(read_preset(name).tables["data"]) for name in dataset_presets()}
    brought = {name: str(origin("datasets", name)) for name in names("datasets")}
    if printed.as_json(presets | {name: {"from": whose} for name, whose in brought.items()}):
        return
    for name, data in presets.items():
        say(f"{name}: learns from {data['train_subset']}, scored on {data['test_subset']}")
        say(f"    {str(data['note']).format(folder='data/' + name)}")
    for name, whose in brought.items():
        say(f"{name}: {whose}")
    say("or a folder with videos/ and labels.csv (video,label,subset)")


def list_experiments(*, printed: Printed = Printed()) -> None:
    """The experiments that `thas sweep` knows by name: the tables of the paper, and more.

    For example:

        thas list experiments

    """
    from ..sweep.plan import experiment_names, find_experiment, read_experiment

    found = {name: read_experiment(find_experiment(name)) for name in experiment_names()}
    rows = {name: {"half": one.half, "title": one.title, "source": one.source} for name, one in found.items()}
    if printed.as_json(rows):
        return
    for name, one in found.items():
        say(f"{name}: {one.title} ({one.half} half)")
        say(f"    {one.source}")


def list_backbones(*, printed: Printed = Printed()) -> None:
    """List the backbones: dimension, clip, input, licence and where weights come from.

    For example:

        thas list backbones
    """
    from ..features.backbones import backbone_names, get_backbone

    rows = []
    for name in backbone_names():
        one = get_backbone(name)
        how = one.preprocessing
        rows.append(
            {
                "name": name,
                "dimension": one.dimension,
                "layers": list(one.layers),
                "clip_frames": one.clip_frames,
                "frame_step": one.frame_step,
                "input": f"{how.crop_height}x{how.crop_width} {how.colour}",
                "licence": one.licence,
                "weights": one.origin,
            }
        )
    if printed.as_json({"backbones": rows}):
        return
    from rich.table import Table

    table = Table("name", "D", "clip", "input", "weights", "licence", box=None, pad_edge=False)
    told: dict[str, str] = {}
    for row in rows:
        clip = f"{row['clip_frames']} x {row['frame_step']}"
        # What is long stands below, or the table would not fit into 80 columns.
        weights, colon, files = row["weights"].partition(": ")
        licence, _, data = row["licence"].partition(", ")
        told[row["name"] if colon else weights] = f"trained on {data}; {files}" if colon else f"trained on {data}"
        table.add_row(row["name"], str(row["dimension"]), clip, row["input"], weights, licence)
    out.print(table)
    for name, text in told.items():
        note(f"{name}: {text}")
    note("clip: frames that the network is given x the step between them. D: length of a feature vector.")
