"""The mIoU that papers print for a network, beside the measured one."""

from __future__ import annotations

import math
import re
from typing import Any

from segbench.checkpoints import Released
from segbench.claims import PAPERS, load_claims
from segbench.datasets.spec import DatasetSpec
from segbench.records.accuracy_conditions import spec_title
from segbench.resolution import show


def compare_with_claims(model: str, spec: DatasetSpec, split: str, miou: float) -> list[dict[str, Any]]:
    """Every mIoU that a paper prints for this network on this data set and split.

    Args:
        model: catalog name, or ``package.module:factory``, for which there is none.
        spec: the data set.
        split: the split that was evaluated; claims that name another one are left out.
        miou: measured, from 0 to 1.

    Returns:
        For each claim its paper, table, size, split (empty where it is not printed), printed percentage, and
        `difference`, measured minus claimed in points.
    """
    rows = []
    for claim in load_claims(model=model):
        printed = claim.miou_percent
        if claim.dataset != spec_title(spec.name) or claim.split not in ("", split) or printed is None:
            continue
        rows.append(
            {
                "paper": claim.paper,
                "where": claim.where,
                "size": list(claim.size) if claim.size else None,
                "split": claim.split,
                "miou_percent": str(printed),
                "difference": None if math.isnan(miou) else 100 * miou - float(printed),
            }
        )
    return rows


def claimed_by_weights(released: Released | None, spec: DatasetSpec, split: str, miou: float) -> list[dict[str, Any]]:
    """The mIoU that the authors of released weights print for them, in the form of `compare_with_claims`."""
    if released is None or not released.of(spec) or released.checkpoint.split not in ("", split):
        return []
    printed = re.match(r"[\d.]+", released.checkpoint.claimed_miou_percent)
    if printed is None:
        return []
    size = released.checkpoint.input_size
    return [
        {
            "paper": "released weights",
            "where": released.claimed_in,
            "size": list(size) if size else None,
            "split": released.checkpoint.split,
            "miou_percent": printed[0],
            "difference": None if math.isnan(miou) else 100 * miou - float(printed[0]),
        }
    ]


def claim_lines(claims: list[dict[str, Any]]) -> list[str]:
    """One line for each claim, for a person."""
    lines = []
    for claim in claims:
        size = f" at {show(tuple(claim['size']))}" if claim["size"] else ""
        split = "" if claim["split"] else ", split not printed"
        difference = "" if claim["difference"] is None else f": measured {claim['difference']:+.2f} points"
        title = PAPERS.get(claim["paper"], claim["paper"]).split(":")[0]
        lines.append(f"{claim['miou_percent']} % ({title}, {claim['where']}{size}{split}){difference}")
    return lines
