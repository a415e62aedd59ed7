"""Where to read of a network, and how to cite it: ``references.bib``, and the address of its reference code."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from segbench.catalog import CATALOG, KNOWN, Entry, KnownNetwork
from segbench.errors import CatalogError

_FILE = "segbench/catalog/references.bib"
_FIELDS = frozenset(
    {"author", "title", "booktitle", "journal", "howpublished", "volume", "number", "pages", "year"}
    | {"doi", "eprint", "archivePrefix", "url"}
)
_NEEDED = ("author", "title", "year")
_HEAD = re.compile(r"@(article|inproceedings|misc)\{([a-z0-9]+),")
_FIELD = re.compile(r"  ([A-Za-z]+) = \{(.+)\},")


@dataclass(frozen=True, slots=True)
class Reference:
    r"""One paper.

    Attributes:
        key: what ``\cite`` takes.
        fields: as BibTeX has them, TeX in their values.
        bibtex: the entry as a bibliography holds it.
    """

    key: str
    fields: Mapping[str, str]
    bibtex: str

    @property
    def title(self) -> str:
        """Title of the paper in plain text."""
        return re.sub(r"[{}]", "", self.fields["title"])

    @property
    def url(self) -> str:
        """Where to read it: arXiv, else the DOI, else the publisher's page; empty where none of them was found."""
        if "eprint" in self.fields:
            return f"https://arxiv.org/abs/{self.fields['eprint']}"
        return f"https://doi.org/{self.fields['doi']}" if "doi" in self.fields else self.fields.get("url", "")


@functools.cache
def references() -> Mapping[str, Reference]:
    """Every paper by its key.

    Raises:
        CatalogError: the file is malformed; names the line.
    """
    text = resources.files("segbench.catalog").joinpath("references.bib").read_text(encoding="utf-8")
    return MappingProxyType(parse(text))


def parse(text: str) -> dict[str, Reference]:
    r"""Read BibTeX of a strict form: a head, a field a line, a closing brace; comments between entries.

    Raises:
        CatalogError: a line is of another form, a key or field is there twice, a field is unknown or missing.

    Example:
        >>> text = "@misc{a,\n  author = {A},\n  title = {{T}t},\n  year = {2020},\n}\n"
        >>> parse(text)["a"].title
        'Tt'
        >>> parse("@misc{a,\n")
        Traceback (most recent call last):
            ...
        segbench.errors.CatalogError: segbench/catalog/references.bib, line 1: the entry 'a' has no end
    """
    found: dict[str, Reference] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if not line.strip() or line.startswith("%"):
            continue
        head = _HEAD.fullmatch(line)
        if head is None:
            raise _malformed(number, f"{line[:60]!r} begins no entry")
        key, own, fields = head[2], [line], dict[str, str]()
        for inner, field in lines:
            own.append(field)
            if field == "}":
                break
            match = _FIELD.fullmatch(field)
            if match is None or match[2].count("{") != match[2].count("}"):
                raise _malformed(inner, f"{field[:60]!r} is no field; '  name = {{value}},' is accepted")
            if match[1] not in _FIELDS or match[1] in fields:
                raise _malformed(inner, f"the field {match[1]!r} is unknown or there twice")
            fields[match[1]] = match[2]
        else:
            raise _malformed(number, f"the entry {key!r} has no end")
        if key in found:
            raise _malformed(number, f"the key {key!r} is there twice")
        if missing := [name for name in _NEEDED if name not in fields]:
            raise _malformed(number, f"the entry {key!r} has no {', '.join(missing)}")
        found[key] = Reference(key, MappingProxyType(fields), "\n".join(own))
    return found


def _malformed(line: int, what: str) -> CatalogError:
    return CatalogError(f"{_FILE}, line {line}: {what}")


def of(network: Entry | KnownNetwork) -> Reference:
    """The paper of a network.

    Raises:
        CatalogError: its key is not in the file.

    Example:
        >>> from segbench.catalog import find
        >>> of(find("enet")).url
        'https://arxiv.org/abs/1606.02147'
    """
    found = references().get(network.cite)
    if found is None:
        raise CatalogError(f"{network.name}: {_FILE} has no entry {network.cite!r}")
    return found


def named(network: str) -> Entry | KnownNetwork | None:
    """The network of this name, built here or not; None for one of the user's own."""
    return CATALOG.get(network) or KNOWN.get(network)


def title(network: str) -> str:
    """The name as papers print it; a network of the user's own is called by the name after its colon.

    Example:
        >>> title("bisenetv2-l"), title("mine:Net"), title("my/net.py:Fast(width='a:b')")
        ('BiSeNetV2-L', 'Net', "Fast(width='a:b')")
    """
    known = named(network)
    name, bracket, options = network.partition("(")
    return known.title if known else (name.rpartition(":")[2] or name) + bracket + options


def cited(network: str) -> Reference | None:
    """The paper of the network of this name; None for one of the user's own, or whose paper is not in the file.

    Example:
        >>> cited("segformer-b5").key, cited("mine:Net")
        ('segformer', None)
    """
    known = named(network)
    return references().get(known.cite) if known else None


def bibliography(text: str) -> str:
    r"""BibTeX of the papers that a LaTeX text cites, each once, in the order of their keys.

    Example:
        >>> print(bibliography(r"ENet~\cite{enet}").splitlines()[0])
        @misc{enet,
    """
    keys = sorted(set(re.findall(r"\\cite\{(\w+)\}", text)) & set(references()))
    return "\n\n".join(references()[key].bibtex for key in keys) + ("\n" if keys else "")


def code_url(entry: Entry) -> str:
    """Address of the reference code at the commit that was followed; empty where there is none.

    Example:
        >>> from segbench.catalog import find
        >>> code_url(find("dabnet"))
        'https://github.com/Reagan1311/DABNet/tree/b8d62fe7f14ae4909a9e9aad1dd6e0ade98431cd'
    """
    repository, _, commit = entry.source.partition("@")
    return f"https://github.com/{repository}/tree/{commit}" if commit else ""
