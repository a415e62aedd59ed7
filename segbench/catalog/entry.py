"""One catalog entry: what segbench knows of a network before building it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from segbench.catalog.titles import key_of, title_of
from segbench.resolution import ANY_SIZE, SizeRule

Fidelity = Literal["official", "port", "exact", "reconstruction"]

FIDELITY_MEANING: Mapping[Fidelity, str] = MappingProxyType(
    {
        "official": "numerically equal to the authors' own code; loads their weights",
        "port": "numerically equal to a widely used port, named with its commit",
        "exact": "no public code; every published cost met to the printed digits",
        "reconstruction": "costs agree with the paper, but the paper does not identify the network",
    }
)

BaseCheck = Literal["batch", "bfloat16", "state-dict", "compile", "export"]

BASE_CHECK_MEANING: Mapping[BaseCheck, str] = MappingProxyType(
    {
        "batch": "each image of a batch has the scores that it has alone",
        "bfloat16": "weights and image in bfloat16 give finite scores in bfloat16",
        "state-dict": "a network of other weights gives the same scores once it has loaded the saved state dict",
        "compile": "`torch.compile` takes the forward as one graph, which gives the same scores",
        "export": "the program of `torch.export` gives the same scores",
    }
)
"""What every network does beside its outputs, by the name that `Entry.unsupported` knows it by."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to an RGB image in [0, 255] before the network sees it: ``(image * scale - mean) / std``.

    `mean` and `std` are per channel, in the network's channel order; `channels` is that order.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    scale: float = 1 / 255
    channels: Literal["rgb", "bgr"] = "rgb"


IMAGENET = Preprocessing()
UNIT_RANGE = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SYMMETRIC_RANGE = Preprocessing(mean=(1.0, 1.0, 1.0), std=(1.0, 1.0, 1.0), scale=2 / 255)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights that somebody released, and the conditions under which they are meant to be run.

    Attributes:
        where: address.
        keys: how its keys read.
        dataset: what it was trained on, such as ``Cityscapes``.
        classes: outputs.
        claimed_miou_percent: as printed, from 0 to 100; empty where nothing is.
        claimed_in: where that is printed; empty for beside the weights.
        split: on which it is claimed; empty where it is not printed.
        licence: of the weights; empty for that of the repository.
        sha256: of the file, by which it is recognised; empty where it is not known.
        void_output: index of the output for ignored pixels; None where all outputs are classes.
        preprocessing: what its authors do to an image; None for the network's.
        input_size: height and width at which its authors run it; None for each image's own.
    """

    where: str
    keys: str
    dataset: str
    classes: int
    claimed_miou_percent: str = ""
    claimed_in: str = ""
    split: str = ""
    licence: str = ""
    sha256: str = ""
    void_output: int | None = None
    preprocessing: Preprocessing | None = None
    input_size: tuple[int, int] | None = None

    @property
    def file(self) -> str:
        """Name of the file, or where it is."""
        return self.where.rpartition("/")[2] if self.sha256 else self.where


@dataclass(frozen=True, slots=True)
class Golden:
    """A file of reference outputs (``tests/golden/<file>.json``) and the constructor options that meet it.

    Attributes:
        file: its name, without the ending.
        options: what the factory is called with to meet it.
        selecting: reference keys (regular expressions) of parameters that choose what the output is made of, by top-k
            for instance: no gradient reaches them, so that the file counts them as unused, but they count here.
    """

    file: str
    options: Mapping[str, object] = field(default_factory=dict)
    selecting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One network variant.

    Attributes:
        name: lower case, hyphens; what users type.
        factory: ``"package.module:function"``, called with ``num_classes`` and options.
        family: the architecture that variants share.
        paper: short reference of the network's own paper.
        fidelity: how far the network is known to be the authors' (`FIDELITY_MEANING`).
        resolutions: the sizes (height, width) at which papers cost it; the first is the default.
        params: parameters at `classes`, an integer that a test recounts.
        classes: class count of `params` and the default of the factory.
        live_params: parameters that reach the output, where the authors' network carries unused ones.
        size_rule: heights and widths that the reference code takes; it is the same for all networks of a file.
        preprocessing: what the reference does to the image first.
        source: ``owner/repository@commit`` of the reference code, where there is one.
        golden: reference outputs that the network meets.
        checkpoints: released weights that the network loads.
        searched: where released weights were looked for, for a network that has none.
        unsupported: why the network does not do what `BASE_CHECK_MEANING` says of every network, by its name there. A
            test holds both: what has a reason fails, everything else passes.
        note: what a reader of the numbers must know, in one sentence.
        title: the name as papers print it, such as ``BiSeNetV2-L``; made of family and variant where none is given.
        cite: key of the paper in ``references.bib``; the family's where none is given.
    """

    name: str
    factory: str
    family: str
    paper: str
    fidelity: Fidelity
    resolutions: tuple[tuple[int, int], ...]
    params: int
    classes: int = 19
    live_params: int | None = None
    size_rule: SizeRule = ANY_SIZE
    preprocessing: Preprocessing = IMAGENET
    source: str = ""
    golden: tuple[Golden, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    searched: str = ""
    unsupported: Mapping[BaseCheck, str] = field(default_factory=dict)
    note: str = ""
    title: str = ""
    cite: str = ""

    def __post_init__(self) -> None:
        """Fill in title and key of the paper from the family."""
        object.__setattr__(self, "title", self.title or title_of(self.name, self.family))
        object.__setattr__(self, "cite", self.cite or key_of(self.family))
