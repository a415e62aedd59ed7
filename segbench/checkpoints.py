"""Released weights that the catalog knows, and the conditions that each of them carries. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from segbench.catalog import CATALOG, Checkpoint, Entry
from segbench.catalog.licences import licence_of
from segbench.datasets.spec import DatasetSpec


@dataclass(frozen=True)
class Released:
    """Released weights, and the network that they are of."""

    entry: Entry
    checkpoint: Checkpoint

    @property
    def claimed_in(self) -> str:
        """Where the claimed mIoU is printed."""
        return self.checkpoint.claimed_in or "where the weights are"

    @property
    def licence(self) -> str:
        """Of the weights, or that of the repository whose network they are of."""
        if self.checkpoint.licence:
            return self.checkpoint.licence
        code = licence_of(self.entry.source)
        return f"{code} (repository)" if code else "not read"

    @property
    def claimed(self) -> str:
        """The claimed mIoU in per cent with its split, and where it is printed; empty where none is."""
        weights = self.checkpoint
        if not weights.claimed_miou_percent:
            return ""
        split = f" ({weights.split})" if weights.split else ""
        return f"{weights.claimed_miou_percent} %{split}, {self.claimed_in}"

    def to_json(self) -> dict[str, Any]:
        """Everything that is known of the weights, as JSON types."""
        content = asdict(self.checkpoint)
        return {
            "model": self.entry.name,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in content.items()},
            "licence": self.licence,
            "claimed_in": self.claimed_in if self.checkpoint.claimed_miou_percent else "",
        }

    def of(self, spec: DatasetSpec) -> bool:
        """Whether the weights were trained on this data set."""
        return spec.name.startswith(self.checkpoint.dataset.lower())

    def conditions(self) -> str:
        """What is applied where the file is recognised, in words."""
        weights = self.checkpoint
        parts = [f"{weights.dataset}, {weights.classes} outputs"]
        if weights.void_output is not None:
            parts.append(f"output {weights.void_output} for ignored pixels")
        if weights.preprocessing is not None:
            parts.append(f"its authors' normalisation ({weights.preprocessing.channels})")
        if weights.input_size is not None:
            parts.append("input {}x{}".format(*weights.input_size))
        return ", ".join(parts)


def released(names: Iterable[str] | None = None) -> Iterator[Released]:
    """All released weights of some networks, or of the whole catalog."""
    for name in CATALOG if names is None else names:
        for checkpoint in CATALOG[name].checkpoints:
            yield Released(CATALOG[name], checkpoint)


def recognise(sha256: str) -> Released | None:
    """The released weights with this hash; None where the catalog does not know them."""
    return next((item for item in released() if sha256 and item.checkpoint.sha256 == sha256), None)
