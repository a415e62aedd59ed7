"""GPUs as their data sheets describe them: peaks, clocks, bandwidth, cache; ``gpus.csv`` names each source.

Imports no torch. A peak is what the arithmetic units could do at the rated boost clock; cards run above that clock, so
that a share of the peak above 1 proves nothing before it is above 1 at the highest clock that is known, too.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from segbench.errors import BadOption, UnknownName

Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One card.

    Attributes:
        name: as users type it.
        aliases: how papers print it, lower case without spaces; several cards may share one.
        cores: FP32 units, each one multiplication and one addition a clock.
        boost_mhz: rated boost clock.
        highest_mhz: the highest clock that is known of it.
        fp16_tflops: peak in half precision without tensor cores, at the boost clock; None where it has no faster one.
        fp16_tensor_tflops: peak of the tensor cores, accumulated in fp32; None without any.
        bandwidth_gb_s: of its memory.
        last_level_cache_kib: what need not be read from memory twice.
        sources: where the values stand.
    """

    name: str
    aliases: tuple[str, ...]
    cores: int
    boost_mhz: int
    highest_mhz: int
    fp16_tflops: float | None
    fp16_tensor_tflops: float | None
    bandwidth_gb_s: float
    last_level_cache_kib: int
    sources: str

    def peak_flops(self, precision: Precision = "fp32") -> float:
        """Operations a second at the boost clock, a multiply-accumulate being two; tensor cores where there are any."""
        fp32 = 2e6 * self.cores * self.boost_mhz
        if precision == "fp32":
            return fp32
        return max(fp32, *(1e12 * (rate or 0) for rate in (self.fp16_tflops, self.fp16_tensor_tflops)))


def _read() -> Mapping[str, Gpu]:
    def number(text: str) -> float | None:
        return float(text) if text else None

    with Path(__file__).with_name("gpus.csv").open(encoding="utf-8", newline="") as file:
        found = [
            Gpu(
                name=row["name"],
                aliases=tuple(row["aliases"].split("|")),
                cores=int(row["cores"]),
                boost_mhz=int(row["boost_mhz"]),
                highest_mhz=int(row["highest_mhz"]),
                fp16_tflops=number(row["fp16_tflops"]),
                fp16_tensor_tflops=number(row["fp16_tensor_tflops"]),
                bandwidth_gb_s=float(row["bandwidth_gb_s"]),
                last_level_cache_kib=int(row["last_level_cache_kib"]),
                sources=row["sources"],
            )
            for row in csv.DictReader(file)
        ]
    return MappingProxyType({gpu.name: gpu for gpu in found})


GPUS: Mapping[str, Gpu] = _read()
"""Every card by name."""


@functools.cache
def cards_of(printed: str) -> tuple[Gpu, ...]:
    """The cards that a printed name may mean: ``Titan X`` is a Maxwell or a Pascal one; none for an unknown name."""
    words = re.sub(r"nvidia|geforce|[^a-z0-9]", "", printed.lower())
    exact = [gpu for gpu in GPUS.values() if words == re.sub(r"[^a-z0-9]", "", gpu.name.lower())]
    return tuple(exact or [gpu for gpu in GPUS.values() if words in gpu.aliases])


def find(name: str) -> Gpu:
    """The one card that a name means.

    Raises:
        UnknownName: no such card.
        BadOption: it may mean several.
    """
    cards = cards_of(name)
    if not cards:
        raise UnknownName("GPU", name, GPUS)
    if len(cards) > 1:
        raise BadOption(f"{name} may mean several cards: {' or '.join(gpu.name for gpu in cards)}")
    return cards[0]
