"""Judge printed costs: which counts a figure may stand for, which of them explains it, and what agrees elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from segbench.audit.counts import Counts
from segbench.audit.explanations import Quantity
from segbench.audit.judgement import DOUBLED, UNITS, VERDICTS, Judgement, Reading, Verdict, rank, read
from segbench.catalog import CATALOG
from segbench.claims import DATASET_CLASSES, Claim, Figure, load_claims
from segbench.claims.provenance import source_of
from segbench.resolution import show
from segbench.units import plural

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
        guesses = sum(item.guessed for item in self.judgements)
        at_a_guess = (
            f"; {guesses} of these verdicts {'rests' if guesses == 1 else 'rest'} on a size that is a guess"
            if guesses
            else ""
        )
        return f"{plural(total, 'printed cost')}{under}: {counts}{at_a_guess}"

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


def judge(claims: Iterable[Claim], counts: Counts, on_progress: OnProgress | None = None) -> Audit:
    """Judge every printed cost among `claims` for which there are counts.

    Args:
        claims: as from `segbench.claims.select`.
        counts: of the networks.
        on_progress: told the network, how many are done, and how many there are.
    """
    wanted = list(_costs(claims))
    jobs = [(claim, quantity, figure) for claim, quantity, figure in wanted if claim.model in CATALOG]
    drafts: list[tuple[Claim, Quantity, int, list[Reading]]] = []
    for done, (claim, quantity, figure) in enumerate(jobs):
        if on_progress:
            on_progress(claim.model, done, len(jobs))
        classes = DATASET_CLASSES.get(claim.dataset, 19)
        sizes, guessed = _sizes(claim)
        readings = _readings(claim.model, quantity, figure, classes, sizes, counts, guessed)
        if readings:
            drafts.append((claim, quantity, classes, readings))
    votes = _votes(drafts)
    judgements = tuple(_judge(*draft, votes.get(draft[0].paper, Counter()), counts) for draft in drafts)
    missing = tuple(dict.fromkeys(claim for claim, *_ in wanted if claim.model and claim.model not in CATALOG))
    return Audit(judgements, missing)


def _costs(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Quantity, Figure]]:
    seen = set()
    printed: tuple[tuple[Quantity, Callable[[Claim], Figure | None]], ...] = (
        ("params", lambda claim: claim.params_m),
        ("flops", lambda claim: claim.gflops),
    )
    for claim in claims:
        for quantity, figure_of in printed:
            figure = figure_of(claim)
            # A row that is printed for two splits states its cost once.
            key = (claim.paper, claim.table, claim.model, claim.dataset, claim.size, quantity, figure)
            if figure is not None and key not in seen:
                seen.add(key)
                yield claim, quantity, figure


def _sizes(claim: Claim) -> tuple[list[tuple[int, int]], bool]:
    """The sizes to count at, brought to what the network accepts, and whether they are a guess.

    The printed one; or that of the figure's source, which counts of code are not; or else the usual ones.
    """
    source = source_of(claim, "flops")
    named = claim.size or (source.size if source and source.evidence_kind != "count" else None)
    return (_accepted(claim.model, [named]), False) if named else (_usual(claim.model), True)


def _usual(model: str) -> list[tuple[int, int]]:
    return _accepted(model, [*CATALOG[model].resolutions, *USUAL_SIZES])


def _accepted(model: str, sizes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(dict.fromkeys(map(CATALOG[model].size_rule.nearest, sizes)))


def _readings(
    model: str,
    quantity: Quantity,
    figure: Figure,
    classes: int,
    sizes: Iterable[tuple[int, int]],
    counts: Counts,
    guessed: bool = False,
) -> list[Reading]:
    """The counts that a figure may stand for; none where they are not known."""
    if quantity == "params":
        found = counts.params(model, classes, CATALOG[model].resolutions[0])
        return [] if found is None else [read(figure, UNITS["params"], "params", found)]
    return [
        read(figure, UNITS["flops"], rule, count, size, guessed)
        for size in sizes
        for rule, count in counts.operations(model, classes, size).items()
    ]


def _votes(drafts: Iterable[tuple[Claim, Quantity, int, list[Reading]]]) -> dict[str, Counter[str]]:
    """For each paper, how many figures printed with their size each rule meets exactly."""
    votes: dict[str, Counter[str]] = {}
    for claim, quantity, _, readings in drafts:
        if quantity == "flops" and claim.size:
            exact = [reading.rule for reading in readings if reading.verdict == "exact"]
            votes.setdefault(claim.paper, Counter()).update(exact)
    return votes


def _judge(
    claim: Claim, quantity: Quantity, classes: int, readings: list[Reading], votes: Mapping[str, int], counts: Counts
) -> Judgement:
    best, *others = sorted(readings, key=lambda reading: rank(reading, votes))
    rivals = [other for other in others if other.verdict == best.verdict] if _explains(best) else []
    draft = Judgement(claim, quantity, classes, tuple(readings), best, tuple(rivals))
    return replace(draft, hint=_hint(draft, counts)) if best.verdict != "exact" else draft


def _hint(draft: Judgement, counts: Counts) -> str:
    """Where a figure that is not met agrees after all."""
    claim, figure, best = draft.claim, draft.figure, draft.best
    if draft.quantity == "params":
        for dataset in _datasets(claim.paper):
            other = DATASET_CLASSES[dataset]
            found = _readings(claim.model, "params", figure, other, (), counts)
            if any(reading.verdict == "exact" for reading in found):
                return f"exact with {other} classes ({dataset})"
        return ""
    if _explains(best) or best.guessed or draft.verdict != "unexplained":
        return ""
    elsewhere = [size for size in _usual(claim.model) if size != best.resolution]
    found = _readings(claim.model, "flops", figure, draft.classes, elsewhere, counts, guessed=True)
    near = [reading for reading in found if _explains(reading)]
    if not near:
        return ""
    closest = min(near, key=lambda reading: rank(reading, {}))
    assert closest.resolution is not None
    return f"{closest.verdict} at {show(closest.resolution)}, a size that no source names, under {closest.rule}"


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
