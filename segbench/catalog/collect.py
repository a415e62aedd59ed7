"""Collect the catalog: the ENTRIES of each of its files, one file beside each file of ``segbench/models/``.

``catalog/enet.py`` holds the entries whose factories are in ``models/enet.py``. The networks of the papers that
segbench reproduces come first, in the order of `FIRST`; all other files follow by name. Imports no torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from segbench.catalog.entry import Entry
from segbench.errors import CatalogError
from segbench.resolution import SizeRule

FIRST = ("mfpnet", "frmnet", "frfnet", "eseg", "efrnet")
"""Files of the papers' own networks, which open the catalog in this order."""

HELPERS = frozenset({"__main__", "collect", "entry", "known", "licences", "references", "shared", "titles"})
"""Files of this package that are no model's."""

BUILDING_BLOCKS = frozenset(
    {
        "base",
        "context",
        "layers",
        "outputs",
        "own",
        "panoptic_branches",
        "samples",
        "stubs",
    }
)
"""Files of ``segbench/models/`` without a network of the catalog: what networks share."""


class Catalog(Mapping[str, Entry]):
    """Entries by name, in catalog order; the files are read when the first one is asked for.

    Reading them late keeps `CatalogError` where it can be shown as one line: importing the package never raises it.
    """

    def __init__(self, package: str = "segbench.catalog", models: str = "segbench.models") -> None:
        """Name the package whose files hold the entries, and the one whose files hold the factories."""
        self._package, self._models = package, models
        self._files: dict[str, tuple[Entry, ...]] | None = None
        self._entries: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        self.files()
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self.files()
        return iter(self._entries)

    def __len__(self) -> int:
        self.files()
        return len(self._entries)

    def files(self) -> Mapping[str, tuple[Entry, ...]]:
        """The entries of each file, by the file's name without its ending.

        Raises:
            CatalogError: a file that cannot be imported, has no ENTRIES or something else in them, has a name twice,
                a factory of another model file, or networks that take different sizes.
        """
        if self._files is None:
            files = {name: read(name, self._package, self._models) for name in file_names(self._package)}
            owners: dict[str, str] = {}
            for file, entries in files.items():
                for entry in entries:
                    if entry.name in owners:
                        also = "" if owners[entry.name] == file else f", and in {path(owners[entry.name])}"
                        raise CatalogError(f"{path(file)}: the name {entry.name!r} is there twice{also}")
                    owners[entry.name] = file
            self._entries = {entry.name: entry for entries in files.values() for entry in entries}
            self._files = files
        return self._files

    def size_rule(self, module: str) -> SizeRule | None:
        """The sizes that the networks of a model file take; None for a module that is none."""
        package, _, file = module.rpartition(".")
        if package != self._models or file in BUILDING_BLOCKS:
            return None
        entries = self.files().get(file)
        return entries[0].size_rule if entries else None


def file_names(package: str = "segbench.catalog") -> list[str]:
    """Names of the catalog's files without ending: `FIRST`, then all others by name."""
    folder = importlib.import_module(package).__path__
    names = sorted({module.name for module in pkgutil.iter_modules(folder)} - HELPERS)
    return [*(name for name in FIRST if name in names), *(name for name in names if name not in FIRST)]


def forgotten(models: Path | None = None, catalog: Path | None = None) -> list[str]:
    """Files of ``segbench/models/`` that no file of the catalog stands beside, without ending."""
    package = Path(__file__).parent
    models, catalog = models or package.parent / "models", catalog or package
    there, beside = ({file.stem for file in folder.glob("[!_]*.py")} for folder in (models, catalog))
    return sorted(there - BUILDING_BLOCKS - beside)


def path(file: str) -> str:
    """A file of the catalog as a contributor knows it."""
    return f"segbench/catalog/{file}.py"


def read(file: str, package: str = "segbench.catalog", models: str = "segbench.models") -> tuple[Entry, ...]:
    """The entries of one file.

    Raises:
        CatalogError: says in one line what is wrong with which file; see `Catalog.files`.
    """
    try:
        module = importlib.import_module(f"{package}.{file}")
    except Exception as error:
        reason = " ".join(str(error).split())
        raise CatalogError(f"{path(file)} cannot be imported: {type(error).__name__}: {reason}") from error
    entries = getattr(module, "ENTRIES", None)
    if not isinstance(entries, tuple | list) or not entries:
        raise CatalogError(f"{path(file)} has no ENTRIES: a tuple of at least one Entry is accepted")
    for entry in entries:
        if not isinstance(entry, Entry):
            raise CatalogError(f"{path(file)}: ENTRIES holds {entry!r:.60}, which is no Entry")
        place, _, function = entry.factory.partition(":")
        if place != f"{models}.{file}" or not function.isidentifier():
            raise CatalogError(
                f"{path(file)}: the factory of {entry.name!r} is {entry.factory!r}; "
                f"'{models}.{file}:function' is accepted, in the model file of the same name"
            )
        if entry.size_rule != entries[0].size_rule:
            raise CatalogError(
                f"{path(file)}: {entry.name!r} takes {entry.size_rule}, {entries[0].name!r} {entries[0].size_rule}; "
                "networks of one file have one size rule: give the other a model file and catalog file of its own"
            )
    return tuple(entries)
