"""Published against measured, under every counting rule.

Papers print "FLOPs" under different rules, and some tables mix them. For each printed parameter count and FLOPs figure
whose network is built, the audit counts the network with the classes of the claim's data set at the printed size and
finds the rule that explains the figure. Where several rules do, the one that explains most of the same paper's figures
is named, and the others stand beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from segbench.audit.explanations import Quantity
from segbench.audit.judgement import DOUBLED, UNITS, VERDICTS, Judgement, Reading, Verdict, rank, read
from segbench.catalog import CATALOG
from segbench.claims import DATASET_CLASSES, Claim, load_claims, select
from segbench.counting.count import operation_counts, parameters
from segbench.counting.rules import RULES
from segbench.counting.tracer import trace
from segbench.measure.subject import resolve
from segbench.resolution import show

__all__ = ["UNITS", "VERDICTS", "Audit", "Judgement", "Quantity", "Reading", "Verdict", "audit", "select"]

# Sizes at which papers of this field cost networks, tried where a table prints none.
USUAL_SIZES = ((360, 640), (512, 1024), (1024, 2048))
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Audit:
    """The judged claims, and those that could not be judged.

    Attributes:
        judgements: in the order of the claims.
        not_built: claims that print a cost of a network that is not in the catalog.
    """

    judgements: tuple[Judgement, ...]
    not_built: tuple[Claim, ...]

    @cached_property
    def verdicts(self) -> Counter[Verdict]:
        """How many figures have each verdict."""
        return Counter(judgement.verdict for judgement in self.judgements)

    @property
    def summary(self) -> str:
        """One line that a person can quote."""
        total = len(self.judgements)
        if not total:
            return "no printed cost of a built network"
        counts = ", ".join(f"{self.verdicts[verdict]} {verdict}" for verdict in VERDICTS if self.verdicts[verdict])
        rules = sorted(
            {item.best.rule for item in self.judgements if item.quantity == "flops" and _explains(item.best)}
        )
        under = f", under {len(rules)} counting rules" if len(rules) > 1 else ""
        return f"{total} printed costs{under}: {counts}"

    def mixed_units(self) -> list[str]:
        """Tables that print some rows in MACs and others in doubled counts, as ``"efrnet Table 2"``."""
        units: dict[str, set[bool]] = {}
        for item in self.judgements:
            if item.quantity == "flops" and _explains(item.best):
                units.setdefault(f"{item.claim.paper} {item.claim.where}", set()).add(item.best.rule == DOUBLED)
        return [table for table, kinds in units.items() if len(kinds) == 2]

    def disagreements(self) -> list[tuple[str, list[Judgement]]]:
        """Networks for which papers print FLOPs more than 5 % apart at one size, or at sizes that they do not print."""
        by_model: dict[str, list[Judgement]] = {}
        for item in self.judgements:
            if item.quantity == "flops":
                by_model.setdefault(item.claim.model, []).append(item)
        found = []
        for model, items in by_model.items():
            seen: dict[tuple[object, ...], Judgement] = {}
            for item in items:
                seen.setdefault((item.claim.paper, item.claim.size, str(item.figure)), item)
            rows = list(seen.values())
            if any(_differ(one, two) for one in rows for two in rows):
                found.append((model, rows))
        return found


def audit(claims: Iterable[Claim], on_progress: OnProgress | None = None) -> Audit:
    """Judge every printed cost among `claims`.

    Args:
        claims: as from `select`.
        on_progress: told the network, how many are done, and how many there are.
    """
    printed = list(claims)
    wanted = list(dict.fromkeys(_costs(printed)))
    jobs = [(claim, quantity) for claim, quantity in wanted if claim.model in CATALOG]
    counts = _Counts()
    drafts: list[tuple[Claim, Quantity, int, list[Reading]]] = []
    for done, (claim, quantity) in enumerate(jobs):
        if on_progress:
            on_progress(claim.model, done, len(jobs))
        classes = DATASET_CLASSES.get(claim.dataset, 19)
        drafts.append((claim, quantity, classes, _readings(claim, quantity, classes, counts)))
    votes = _votes(drafts)
    judgements = tuple(_judge(*draft, votes.get(draft[0].paper, Counter()), counts) for draft in drafts)
    missing = tuple(dict.fromkeys(claim for claim, _ in wanted if claim.model and claim.model not in CATALOG))
    return Audit(judgements, missing)


def _costs(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Quantity]]:
    seen = set()
    for claim in claims:
        for quantity, figure in (("params", claim.params_m), ("flops", claim.gflops)):
            # A row that is printed for two splits states its cost once.
            key = (claim.paper, claim.table, claim.model, claim.dataset, claim.size, quantity, figure)
            if figure is not None and key not in seen:
                seen.add(key)
                yield claim, quantity  # type: ignore[misc]


class _Counts:
    """Counts of catalog networks on the meta device, each made once."""

    def __init__(self) -> None:
        self._params: dict[tuple[str, int], int] = {}
        self._operations: dict[tuple[str, int, tuple[int, int]], dict[str, int]] = {}

    def params(self, model: str, classes: int) -> int:
        key = (model, classes)
        if key not in self._params:
            self._params[key] = parameters(resolve(model, classes).build("meta"))
        return self._params[key]

    def operations(self, model: str, classes: int, size: tuple[int, int]) -> dict[str, int]:
        key = (model, classes, size)
        if key not in self._operations:
            traced = trace(resolve(model, classes).build("meta"), (1, 3, *size))
            self._params[model, classes] = traced.params
            self._operations[key] = operation_counts(traced)
        return self._operations[key]


def _sizes(claim: Claim) -> list[tuple[int, int]]:
    """The sizes to count at: the printed one, brought to what the network accepts, or the usual ones."""
    return _accepted(claim.model, [claim.size] if claim.size else _usual(claim.model))


def _usual(model: str) -> list[tuple[int, int]]:
    return [*CATALOG[model].resolutions, *USUAL_SIZES]


def _accepted(model: str, sizes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(dict.fromkeys(map(CATALOG[model].size_rule.nearest, sizes)))


def _readings(claim: Claim, quantity: Quantity, classes: int, counts: _Counts) -> list[Reading]:
    if quantity == "params":
        assert claim.params_m is not None
        return [read(claim.params_m, UNITS["params"], "params", counts.params(claim.model, classes))]
    assert claim.gflops is not None
    readings = []
    for size in _sizes(claim):
        operations = counts.operations(claim.model, classes, size)
        readings += [read(claim.gflops, UNITS["flops"], rule, operations[rule], size) for rule in RULES]
    return readings


def _votes(drafts: Iterable[tuple[Claim, Quantity, int, list[Reading]]]) -> dict[str, Counter[str]]:
    """For each paper, how many figures printed with their size each rule meets exactly."""
    votes: dict[str, Counter[str]] = {}
    for claim, quantity, _, readings in drafts:
        if quantity == "flops" and claim.size:
            votes.setdefault(claim.paper, Counter()).update(
                reading.rule for reading in readings if reading.verdict == "exact"
            )
    return votes


def _judge(
    claim: Claim,
    quantity: Quantity,
    classes: int,
    readings: list[Reading],
    votes: Counter[str],
    counts: _Counts,
) -> Judgement:
    best, *others = sorted(readings, key=lambda reading: rank(reading, votes))
    rivals = [other for other in others if other.verdict == best.verdict] if _explains(best) else []
    hint = _hint(claim, quantity, classes, best, counts) if best.verdict != "exact" else ""
    return Judgement(claim, quantity, classes, tuple(readings), best, tuple(rivals), hint)


def _hint(claim: Claim, quantity: Quantity, classes: int, best: Reading, counts: _Counts) -> str:
    """Where a figure that is not met agrees after all."""
    if quantity == "params":
        assert claim.params_m is not None
        for dataset in _datasets(claim.paper):
            other = DATASET_CLASSES[dataset]
            reading = read(claim.params_m, UNITS["params"], "params", counts.params(claim.model, other))
            if reading.verdict == "exact":
                return f"exact with {other} classes ({dataset})"
        return ""
    if best.verdict != "unexplained" or claim.size is None:
        return ""
    assert claim.gflops is not None
    elsewhere = []
    for size in _accepted(claim.model, _usual(claim.model)):
        operations = counts.operations(claim.model, classes, size)
        elsewhere += [read(claim.gflops, UNITS["flops"], rule, operations[rule], size) for rule in RULES]
    near = [reading for reading in elsewhere if _explains(reading) and reading.resolution != best.resolution]
    if not near:
        return ""
    closest = min(near, key=lambda reading: rank(reading, {}))
    assert closest.resolution is not None
    return f"{closest.verdict} at {show(closest.resolution)} under {closest.rule}"


def _datasets(paper: str) -> list[str]:
    """The data sets in a paper's tables: its authors may print the count of one beside the scores of another."""
    return list(dict.fromkeys(claim.dataset for claim in load_claims(paper=paper) if claim.dataset))


def _explains(reading: Reading) -> bool:
    return reading.verdict != "unexplained"


def _differ(one: Judgement, two: Judgement) -> bool:
    """Whether two papers contradict each other: different papers, comparable size, figures more than 5 % apart."""
    if one.claim.paper == two.claim.paper:
        return False
    if one.claim.size and two.claim.size and one.claim.size != two.claim.size:
        return False
    larger, smaller = sorted((float(one.figure.value), float(two.figure.value)), reverse=True)
    return larger / smaller > 1.05
