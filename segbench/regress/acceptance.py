"""Accepted findings: changes that are meant or known, kept in the baseline with their reasons; they fail no check."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

from segbench.errors import BadOption, RecordError
from segbench.records.record import Record
from segbench.records.results import Acceptance
from segbench.regress.difference import Finding, quantities
from segbench.regress.judge import MetricComparison, NetworkComparison, Outcome
from segbench.regress.options import METRICS, Options
from segbench.regress.rows import label
from segbench.regress.verdicts import SLOWER
from segbench.units import significant


def today() -> str:
    """The date in UTC, such as ``2026-11-28``."""
    return datetime.now(timezone.utc).date().isoformat()


def check_acceptances(record: Record, where: str) -> None:
    """Refuse an acceptance that can match no finding.

    Raises:
        RecordError: names it and what it may have meant.
    """
    known = _names(record)
    for item in record.accepted or ():
        if item.finding not in known:
            near = difflib.get_close_matches(item.finding, known, n=2)
            offer = f"did you mean {', '.join(near)}?" if near else f"accepted: {', '.join(known)}"
            raise RecordError(f"{where}: {label(record)} accepts {item.finding!r}, which no finding is called: {offer}")


def accept_known(outcome: Outcome, options: Options, day: str) -> None:
    """Take the findings that the baseline accepts out of what fails.

    Args:
        outcome: of the check; changed.
        options: how it was judged: a timing that is worse than the accepted one by the minimum effect counts.
        day: on which acceptances must not have ended.
    """
    outcome.stored = True
    for network in outcome.networks:
        for item in network.before.accepted or ():
            if item.until is not None and item.until < day:
                network.notes.append(f"{item.finding} counts again: it was accepted until {item.until} ({item.reason})")
            else:
                _apply(network, item, options)
        if network.accepted and not network.findings:
            network.modules = []


def _apply(network: NetworkComparison, item: Acceptance, options: Options) -> None:
    why = f"{item.reason}; until {item.until}" if item.until else item.reason
    present = False
    for finding in [finding for finding in network.findings if finding.quantity == item.finding]:
        present = True
        if _covers(finding, network, item, options):
            network.findings.remove(finding)
            network.accepted.append(f"{finding} ({why})")
    for index, comparison in enumerate(network.comparisons):
        if comparison.metric == item.finding and comparison.verdict.verdict == SLOWER:
            present = True
            if _no_worse(comparison, item, options.min_effect_of(network.before.model, comparison.metric)):
                network.comparisons[index] = replace(comparison, accepted=why)
                return
    if present and not network.accepted:
        network.notes.append(f"{item.finding} was accepted as {item.after}, and is another change now")


def _covers(finding: Finding, network: NetworkComparison, item: Acceptance, options: Options) -> bool:
    accuracy = network.after.accuracy
    if item.value is not None and accuracy is not None and accuracy.miou is not None:
        return accuracy.miou >= item.value - options.tolerance_of(network.before) / 100
    return _value(finding.after) == _value(item.after)


def _value(text: str) -> str:
    """What changed, without what a person reads beside it."""
    return text.partition(" (")[0]


def _no_worse(comparison: MetricComparison, item: Acceptance, limit: float) -> bool:
    if item.value is None:
        return False
    more_is_better = comparison.metric == "FPS"
    return (
        comparison.after >= item.value / (1 + limit) if more_is_better else comparison.after <= item.value * (1 + limit)
    )


@dataclass(frozen=True)
class Failing:
    """What fails a check, as `segbench accept` names it.

    Attributes:
        name: network, size and quantity, such as ``mfpnet 512x1024: parameters``.
        network: of the finding.
        quantity: its name.
        before: the baseline's, as a person reads it.
        after: the current one.
        value: of a metric or an mIoU, as a number.
    """

    name: str
    network: NetworkComparison
    quantity: str
    before: str
    after: str
    value: float | None = None


def failing(outcome: Outcome) -> Iterator[Failing]:
    """Everything that fails a check and can be accepted: all but networks that could not be measured."""
    for network in outcome.networks:
        accuracy = network.after.accuracy
        for finding in network.findings:
            value = accuracy.miou if finding.quantity == "mIoU" and accuracy else None
            name = f"{network.title}: {finding.quantity}"
            yield Failing(name, network, finding.quantity, finding.before, finding.after, value)
        for item in network.verdicts(SLOWER):
            before, after = (f"{significant(value)} {METRICS[item.metric]}" for value in (item.before, item.after))
            yield Failing(f"{network.title}: {item.metric}", network, item.metric, before, after, item.after)


def matches(name: str, given: str) -> bool:
    """Whether a user means a finding: by its name, a pattern, the line that a check prints, or its network and size."""
    network = name.rpartition(": ")[0]
    return given in (name, network) or given.startswith(f"{name}:") or fnmatch.fnmatchcase(name, given)


def models_meant(records: Sequence[Record], given: str) -> list[str]:
    """The networks whose finding a user may mean.

    Raises:
        BadOption: the baseline has none of them.
    """
    found = [record for record in records if any(_may_mean(record, given, name) for name in _names(record))]
    if not found:
        rows = ", ".join(dict.fromkeys(f"'{label(record)}: QUANTITY'" for record in records[:4]))
        quantity = ", ".join(_names(records[0])[:4])
        raise BadOption(f"{given!r} names no finding of the baseline: {rows} are accepted, as in {quantity}")
    return sorted({record.model for record in found})


def is_timed(records: Sequence[Record], given: str) -> bool:
    """Whether a finding that a user may mean needs a timing to be found again."""
    return any(_may_mean(record, given, name) for record in records for name in (*METRICS, "kernel launches"))


def _names(record: Record) -> list[str]:
    return [*quantities(record), *METRICS]


def _may_mean(record: Record, given: str, name: str) -> bool:
    return matches(f"{label(record)}: {name}", given)


def accept(outcome: Outcome, given: str, reason: str, until: str | None) -> list[Failing]:
    """The findings that a user accepts; their networks' baseline Records say so from now on.

    Args:
        outcome: of a check in which nothing is accepted yet.
        given: which findings; see `matches`.
        reason: why.
        until: last day of it.

    Raises:
        BadOption: nothing that the check found is meant.
    """
    found = list(failing(outcome))
    chosen = [item for item in found if matches(item.name, given)]
    if not chosen:
        names = "; ".join(item.name for item in found[:6]) + ("; ..." if len(found) > 6 else "")
        raise BadOption(
            f"{given!r} is no finding of this check: {f'it found {names}' if found else 'it found nothing'}"
        )
    for item in chosen:
        record = item.network.before
        kept = [other for other in record.accepted or () if other.finding != item.quantity]
        new = Acceptance(
            finding=item.quantity,
            before=item.before,
            after=item.after,
            value=item.value,
            reason=reason,
            until=until,
            accepted=today(),
        )
        record.accepted = [*kept, new]
    return chosen


def parse_day(text: str) -> str:
    """A last day as a user writes it.

    Raises:
        BadOption: no date, or one that is past.
    """
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadOption(f"--until takes a date as in 2027-01-31: {text!r} given") from None
    if day < today():
        raise BadOption(f"--until {day} is past: today is {today()} in UTC")
    return day
