"""Weights on disk: ours, whole and self-describing, and torchvision's to start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from torch import Tensor, nn

from .._version import __version__
from ..core.checkpoints import (
    FORMATS,
    check_shapes,
    check_unchanged,
    class_names,
    packed,
    part,
    raw_tensors,
    read_header,
    torch_tensors,
    unpacked,
)
from ..core.errors import CheckpointError, listing
from ..core.files import write_atomically
from ..core.narrowing import as_int, as_table, is_table
from ..core.plugins import require
from ..core.reading import reading
from ..core.settings_table import flatten
from .library import LibraryNetwork, build_library_network, is_library_name, load_library_weights
from .network import CamNetwork, OwnNetwork, build_network
from .settings import ImageSettings, NetworkSettings

CLASSIFIER = ("classifier.weight", "classifier.bias")
_OTHER = "holds a network of another shape than yours"
OWN = "own"
"""What a file says where others name their network: that the weights are of an `OwnNetwork`."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with all that is needed to use it on an image.

    Attributes:
        network: In evaluation mode.
        classes: C names, in the order of the logits.
        settings: Of its input, network and localization; an own network's does not speak of it.
        titles: Class -> a name for readers, where that is another.
    """

    network: CamNetwork | OwnNetwork
    classes: tuple[str, ...]
    settings: ImageSettings
    titles: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def facts(self) -> dict[str, object]:
        """What a file says of it, plain values."""
        settings = self.settings
        own = isinstance(self.network, OwnNetwork) and not isinstance(self.network, LibraryNetwork)
        kernel5 = kernel5_of(self.network.state_dict())
        return {
            "backbone": OWN if own else settings.network.name,
            "architecture": {} if own else asdict(settings.network) | {"kernel5": kernel5},
            "preprocessing": asdict(settings.input),
            "hide": asdict(settings.hide),
            "localize": asdict(settings.localize),
            "classes": list(self.classes),
            "titles": {name: self.titles[name] for name in self.classes if name in self.titles},
            **({"plugins": parts} if (parts := settings.origins_of_parts()) else {}),
        }

    def to_bytes(
        self, extra: Mapping[str, Tensor], facts: Mapping[str, object], *, weights: Mapping[str, Tensor]
    ) -> bytes:
        """The content of a checkpoint: the network's weights by its own names, more tensors, and more plain values."""
        tensors = {f"network.{name}": value for name, value in weights.items()} | dict(extra)
        about = {"kind": "image", "format": FORMATS[-1], "thas": __version__, "settings": self.settings.flat()}
        return packed(tensors, {**about, **self.facts, **facts})


def save_weights(
    path: Path,
    network: CamNetwork | OwnNetwork,
    *,
    classes: tuple[str, ...],
    settings: ImageSettings,
    titles: Mapping[str, str] | None = None,
) -> None:
    """Write a network to one safetensors file that says by itself what it is, unless the network is your own."""
    facts = TrainedNetwork(network, classes, settings, titles or {}).facts
    write_atomically(path, packed(network.state_dict(), facts))


def load_weights(path: Path, network: OwnNetwork | None = None) -> TrainedNetwork:
    """Read what `save_weights` wrote.

    Args:
        path: The file.
        network: Built as yours was in training, where the file holds the weights of a network of your own.

    Raises:
        CheckpointError: The file is missing, damaged, or holds another kind of network.
    """
    tensors, facts = unpacked(path)
    if (facts.get("backbone") == OWN) != (network is not None):
        own = network is None
        raise CheckpointError(
            f"{path} holds the weights of {'a' if own else 'no'} network of your own",
            why="only your code can build it" if own else f"it holds those of {facts.get('backbone')}",
            next=f"load_weights(path{', network=OwnNetwork(...)' if own else ''}), in Python",
            subject=str(path),
        )
    require(facts.get("plugins", {}), path=str(path))
    with reading(
        path,
        "does not hold a network of the image half",
        next="thas image train makes one",
        kind=CheckpointError,
        but=CheckpointError,
    ):
        shape = dict(as_table(facts["architecture"]))
        kernel5 = as_int(shape.pop("kernel5", 5))
        tables = {"network": shape, "input": facts["preprocessing"], "localize": facts["localize"]}
        tables["hide"] = facts.get("hide", {})  # older files say nothing of it
        settings = ImageSettings().updated(flatten(tables), origin=str(path))
        classes, titles = class_names(facts["classes"]), _titles(facts.get("titles", {}))
        weights = part(tensors, "network") if "kind" in facts else tensors

        def built() -> CamNetwork | OwnNetwork:
            return network or fresh_network(settings.network, classes=len(classes), seed=0, kernel5=kernel5)

        if network is not None:  # before anything is loaded, or half of the weights would be new
            with reading(path, _OTHER, next="build the network as it was built for training", kind=CheckpointError):
                check_shapes(built, weights)
        elif not is_library_name(settings.network.name):  # a library's sizes go by its name
            check_shapes(built, weights)
        loaded = built()
        loaded.load_state_dict(weights)
    return TrainedNetwork(loaded.eval(), classes, settings, titles)


def _titles(value: object) -> dict[str, str]:
    if not is_table(value) or not all(isinstance(title, str) for title in value.values()):
        raise ValueError("its titles are no table of names")
    return {name: str(title) for name, title in value.items()}


def fresh_network(
    settings: NetworkSettings, *, classes: int, seed: int, kernel5: int = 5
) -> CamNetwork | LibraryNetwork:
    """A network by name, ours or a library's, with fresh weights; arguments as for `build_network`."""
    if is_library_name(settings.name):
        return build_library_network(settings.name, classes=classes, seed=seed)
    return build_network(settings, classes=classes, seed=seed, kernel5=kernel5)


def _network_in(path: Path) -> dict[str, Tensor]:
    """The network's tensors, of a file of weights or of a checkpoint, which holds others, too."""
    tensors, metadata = raw_tensors(path)
    ours = dict(as_table(json.loads(metadata.get("thas", "{}"))))
    check_unchanged(tensors, ours, path)
    return part(tensors, "network") if "kind" in ours else tensors


def kernel5_of(tensors: Mapping[str, Tensor]) -> int:
    """Side of the third branch's kernel in a GoogLeNet; 5 for other networks."""
    weight = tensors.get("features.inception3a.branch3.1.conv.weight")
    return 5 if weight is None else int(weight.shape[-1])


def start_from(
    path: Path, settings: NetworkSettings, *, classes: tuple[str, ...], seed: int
) -> CamNetwork | LibraryNetwork:
    """A network that starts from weights: a library's for the same architecture, or a file of ours.

    What the file lacks (the added convolution, the classifier) and a classifier for other classes keep fresh weights; a
    library's classifier begins at zero.

    Args:
        path: A .pth file of torchvision's (vgg16, vgg16_bn, googlenet, resnet18, resnet50), or a .safetensors file; of
            a library's network any file of its weights.
        settings: Name and shape.
        classes: C names.
        seed: Of the fresh weights.

    Raises:
        CheckpointError: The file is missing, damaged, or of another architecture.
    """
    tensors = read_tensors(path)
    if is_library_name(settings.name):
        library = build_library_network(settings.name, classes=len(classes), seed=seed)
        load_library_weights(library, tensors, path=path, classifier=False)
        # timm draws an EfficientNet's classifier the larger, the fewer the classes: for ten its first logits are some
        # fives apart, and the first steps would go into unlearning them. From nothing there is nothing to unlearn.
        for one in library.model.get_submodule(library.classifier_name).parameters():
            nn.init.zeros_(one)
        return library
    theirs = _renamed(tensors, settings.name)
    network = build_network(settings, classes=len(classes), seed=seed, kernel5=kernel5_of(theirs))
    ours = network.state_dict()
    if path.suffix == ".safetensors" and read_header(path).get("classes") != list(classes):
        theirs = {name: tensor for name, tensor in theirs.items() if name not in CLASSIFIER}
    theirs = {name: tensor for name, tensor in theirs.items() if name in ours}
    wrong = [name for name, tensor in theirs.items() if tensor.shape != ours[name].shape]
    absent = [n for n in ours if n not in theirs and n not in CLASSIFIER and not n.startswith("features.conv_gap")]
    if wrong or absent:
        raise CheckpointError(
            f"{path} is not a {settings.name} of this shape",
            why=f"other shape: {listing(wrong, 3)}" if wrong else f"it lacks {listing(absent, 3)}",
            next="name the network the file was made for, and its batch_norm: --set network.name=...",
            subject=str(path),
        )
    network.load_state_dict(theirs, strict=False)
    return network


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth or .safetensors file, by name.

    Raises:
        CheckpointError: The file is missing, damaged, or holds none.
    """
    if not path.exists():
        raise CheckpointError(f"there is no weights file {path}", next="check the path", subject=str(path))
    if path.suffix != ".safetensors":
        return torch_tensors(path)
    with reading(path, "holds no weights", next="download it again", kind=CheckpointError, but=CheckpointError):
        return _network_in(path)


def _renamed(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Torchvision's names in ours; our own stay as they are."""
    if any(key.startswith("features.conv1") for key in tensors):
        return tensors
    if name != "vgg16":
        return {f"features.{key}": tensor for key, tensor in tensors.items()}
    stages = enumerate((2, 2, 3, 3, 3), start=1)
    blocks = iter(["conv1", *[f"conv{stage}_{i}" for stage, count in stages for i in range(1, count + 1)][1:]])
    renamed: dict[str, Tensor] = {}
    block = layer = ""
    for key, tensor in part(tensors, "features").items():  # each convolution, then its batch norm; weights come first
        field = key.rpartition(".")[2]
        if field == "weight":
            block, layer = (next(blocks, ""), "conv") if tensor.ndim == 4 else (block, "bn")
        renamed[f"features.{block}.{layer}.{field}"] = tensor
    return renamed
