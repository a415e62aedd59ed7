"""What papers print for a row of the page: each cost claimed, how the measured one compares, and the audit's verdict.

A ratio is of what was measured here: MACs are those of the rule ``macs``. A verdict is the audit's, which takes the
counting rule that fits best: wherever that is another one, the verdict names it with its own count and ratio.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from segbench.claims import Claim
from segbench.claims.provenance import MARK
from segbench.gpus import cards_of
from segbench.records.timing_conditions import TimingConditions
from segbench.report.measured import Measured
from segbench.report.page_columns import COSTS, PRINTED
from segbench.report.papers import Compared, Quantity, compare_claim
from segbench.resolution import show
from segbench.units import significant

_RULELESS = {"explained", "copied, not met", "unexplained"}
_NEAR = 0.05


class Verdict(NamedTuple):
    """What the audit found for one printed figure.

    Attributes:
        word: ``exact``, ``within 1 %`` and so on; of an FPS, what it demands of the card.
        rule: under which counting rule that holds, with its count and ratio where it is not that of the table.
        why: what else is known.
    """

    word: str = ""
    rule: str = ""
    why: str = ""

    def __str__(self) -> str:
        """All of it in one line."""
        return ": ".join(filter(None, (" ".join(filter(None, (self.word, self.rule))), self.why)))


def verdict_on(claim: Claim, quantity: Quantity, verdicts: Iterable[Mapping[str, Any]]) -> Verdict:
    """What the audit says of a printed figure; empty where it judged none."""
    if quantity == "fps":
        return Verdict(_speed_verdict(claim, verdicts))
    name = {"params": "params", "macs": "flops"}.get(quantity)
    figure = claim.params_m if quantity == "params" else claim.gflops
    for item in verdicts if name else ():
        same = (
            item.get("paper") == claim.paper
            and item.get("table") == claim.table
            and item.get("quantity") == name
            and item.get("claimed") == figure
            and (item.get("dataset") or "") == claim.dataset
            and tuple(item.get("resolution") or ()) == (claim.size or ())
        )
        if same:
            why = str(item.get("explanation") or item.get("hint") or "")
            return Verdict(str(item.get("verdict", "")), _under(item), why)
    return Verdict()


def _under(item: Mapping[str, Any]) -> str:
    rule, guess = str(item.get("rule", "")), "at a size that is a guess" if item.get("guessed_size") else ""
    if rule == "params" or item.get("verdict") in _RULELESS:
        return guess
    count, error = item.get("measured"), item.get("error")
    other = ""
    if rule != "macs" and count is not None and error is not None:
        other = f"({significant(count / 1e9, 4)} G, ratio {1 + error:.3f})"
    return " ".join(filter(None, (f"under {rule}", other, guess)))


def _speed_verdict(claim: Claim, verdicts: Iterable[Mapping[str, Any]]) -> str:
    """What the audit says of a printed FPS, on each card that the print may mean; empty where no share can be said."""
    key = (claim.paper, claim.table, claim.dataset, str(claim.fps), claim.gpu)
    found = {
        str(item["card"]): str(item["verdict"])
        for item in verdicts
        if item.get("share_direct") is not None
        and tuple(item.get(name) for name in ("paper", "table", "dataset", "printed", "gpu")) == key
    }
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return "; ".join(f"{card}: {verdict}" for card, verdict in found.items())


class PrintedCost(NamedTuple):
    """One printed cost beside the measurement of a row."""

    claim: Claim
    compared: Compared

    @property
    def where(self) -> str:
        """The paper, with a mark where the figure is of something else than its row says."""
        return f"{self.claim.paper}{MARK if self.compared.mark else ''}"

    def describe(self, gpu: bool) -> str:
        """Figure, place, GPU and mark, in one line."""
        card = f", {self.claim.gpu or 'GPU not printed'}" if gpu else ""
        size = show(self.claim.size) if self.claim.size else "size not printed"
        mark = f": {self.compared.mark}" if self.compared.mark else ""
        return f"{self.compared.claimed} in {self.claim.paper} {self.claim.where}, {size}{card}{mark}"


def printed_costs(
    row: Measured, conditions: TimingConditions | None, claims: Iterable[Claim]
) -> dict[Quantity, list[PrintedCost]]:
    """The costs that papers print for a row's network at its size, the tables' before those of abstract and prose.

    Parameters have no size, so that those printed without one belong to every row; FLOPs and FPS without a size belong
    to none. Images per second of a batch are no FPS: a row of a batch has no claims.

    Args:
        row: the measurement.
        conditions: of its timing; None where it has none.
        claims: on its network.
    """
    found: dict[Quantity, list[PrintedCost]] = {"macs": [], "fps": [], "params": []}
    seen = set()
    for claim in sorted(claims, key=lambda claim: not claim.table.isdigit()) if row.record.batch == 1 else ():
        compared = compare_claim(claim, {row.model: [row]}, conditions)
        for quantity, costs in found.items():
            item = compared.quantities[quantity]
            key = (quantity, claim.paper, item.claimed, claim.gpu if quantity == "fps" else "")
            sized = quantity == "params" or claim.size is not None
            if item.claimed and compared.size is not None and sized and key not in seen:
                seen.add(key)
                costs.append(PrintedCost(claim, item))
    return found


def cells(costs: Mapping[Quantity, Sequence[PrintedCost]], verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The cells of the columns claimed, ratio and verdict: the figure printed first, with all of them behind it."""
    values: dict[str, Any] = {}
    below: dict[str, str] = {}
    hints: dict[str, str] = {}
    for quantity in PRINTED:
        printed: Sequence[PrintedCost] = costs.get(quantity, ())  # type: ignore[call-overload]
        claimed, ratio, verdict = (f"{quantity}{part}" for part in ("Claimed", "Ratio", "Verdict"))
        values |= {claimed: None, ratio: None, verdict: ""}
        if not printed:
            continue
        first, speed = printed[0], quantity == "fps"
        judged = verdict_on(first.claim, quantity, verdicts)  # type: ignore[arg-type]
        values |= {claimed: float(str(first.compared.claimed)), verdict: judged.word}
        if first.compared.ratio is not None:
            values[ratio] = float(f"{first.compared.ratio:.4g}")
            if speed and not judged.word:
                values[verdict], judged = _met(first), Verdict(rule=_elsewhere(first))
        gpu = f"{first.claim.gpu or 'GPU not printed'}, " if speed else ""
        more = f" +{len(printed) - 1}" if len(printed) > 1 else ""
        below |= {claimed: f"{gpu}{first.where}{more}", verdict: judged.rule}
        if quantity == "macs":
            below[ratio] = "under macs"
        hints |= {claimed: "\n".join(item.describe(speed) for item in printed), verdict: str(judged)}
    return {
        **values,
        "below": {key: text for key, text in below.items() if text and values[key] not in (None, "")},
        "hints": {key: text for key, text in hints.items() if text and values[key] not in (None, "")},
    }


def _met(printed: PrintedCost) -> str:
    return "met" if (printed.compared.ratio or 0) >= 1 - _NEAR else "not met"


def _elsewhere(printed: PrintedCost) -> str:
    """Whether an FPS was measured on another card than the claim names; empty where it may be the same."""
    under = printed.compared.under
    same = isinstance(under, TimingConditions) and {*cards_of(under.device_name)} & {*cards_of(printed.claim.gpu)}
    return "" if same else "on another GPU" if printed.claim.gpu else "on a GPU that is not printed"


def findings(rows: Sequence[Mapping[str, Any]], judgements: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """For each cost that papers print, one sentence on how measured and claimed agree; none where nothing compares.

    Args:
        rows: of the page, those of ablations too.
        judgements: the audit's.
    """
    said = {}
    for cost in PRINTED:
        conditions = next((row["conditions"] for row in rows if row[f"{cost}Ratio"] is not None), "")
        pairs = {
            (row["network"], "" if cost == "params" else row["size"], row[f"{cost}Claimed"]): row[f"{cost}Ratio"]
            for row in rows
            if row[f"{cost}Ratio"] is not None and (cost != "fps" or row["conditions"] == conditions)
        }
        if pairs:
            on = f" ({conditions})" if cost == "fps" else " (rule macs)" if cost == "macs" else ""
            said[cost] = f"{COSTS[cost]}{on}: {_spread(pairs)}{_audited(cost, judgements)}"
    return said


def _spread(pairs: Mapping[tuple[str, str, float], float]) -> str:
    order = sorted(pairs, key=lambda pair: pairs[pair])
    near = sum(1 for ratio in pairs.values() if abs(ratio - 1) <= _NEAR)
    text = f"{near} of {len(pairs)} printed figures are within {_NEAR:.0%} of what was measured".replace("%", " %")
    if len(pairs) == 1:
        return f"{text} ({_named(order[0], pairs)})."
    median = f"; measured / claimed has the median {statistics.median(pairs.values()):.2f}"
    return f"{text}{median}, from {_named(order[0], pairs)} to {_named(order[-1], pairs)}."


def _named(pair: tuple[str, str, float], pairs: Mapping[tuple[str, str, float], float]) -> str:
    return f"{pairs[pair]:.2f} ({' '.join(filter(None, pair[:2]))})"


def _audited(cost: str, judgements: Iterable[Mapping[str, Any]]) -> str:
    """How many printed figures each verdict of the audit has, under whichever counting rule fits best."""
    quantity = {"macs": "flops", "params": "params"}.get(cost)
    counts = Counter(str(item["verdict"]) for item in judgements if item.get("quantity") == quantity)
    if quantity is None or not counts:
        return ""
    under = " under the counting rule that fits each best" if cost == "macs" else ""
    told = "; ".join(f"{verdict}: {number}" for verdict, number in counts.most_common())
    return f" The audit{under}: {told}."
