"""The data sets: classes, files, splits and official scoring rules, as declarations. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from segbench.datasets.ade20k import ADE20K
from segbench.datasets.bdd100k import BDD100K
from segbench.datasets.camvid import CAMVID, CAMVID_MERGE, CAMVID_SELECT
from segbench.datasets.cityscapes import CITYSCAPES
from segbench.datasets.spec import DatasetSpec
from segbench.errors import UnknownName

__all__ = ["DATASETS", "DatasetSpec", "find_spec"]

DATASETS: Mapping[str, DatasetSpec] = MappingProxyType(
    {spec.name: spec for spec in (CITYSCAPES, CAMVID, CAMVID_MERGE, CAMVID_SELECT, BDD100K, ADE20K)}
)
"""Every data set by name; camvid-merge and camvid-select are two readings of the same files."""


def find_spec(name: str) -> DatasetSpec:
    """The data set of that name.

    Raises:
        UnknownName: there is none.

    Example:
        >>> [label.name for label in find_spec("cityscapes").classes][:3]
        ['road', 'sidewalk', 'building']
    """
    if name not in DATASETS:
        raise UnknownName("data set", name, DATASETS)
    return DATASETS[name]
