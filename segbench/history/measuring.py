"""What a bisection measures: whether a commit has the difference that lies between the good commit and the bad one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segbench.errors import BadOption, SegbenchError
from segbench.job import Job
from segbench.records.record import Record
from segbench.regress.against import time_both
from segbench.regress.difference import Finding, compare_counts, explain
from segbench.regress.judge import NetworkComparison, compare_records
from segbench.regress.options import METRICS, MIN_EFFECT, Options
from segbench.regress.render import sentence, where
from segbench.regress.revision import Revision, RevisionError, run_python, run_worker
from segbench.regress.rows import key
from segbench.regress.sampling import Say
from segbench.regress.verdicts import FASTER, SLOWER, UNDECIDED
from segbench.spec import is_own, parse

_ORIGIN = """
import importlib.util, json, sys
found = importlib.util.find_spec(sys.argv[1])
places = [found.origin, *(found.submodule_search_locations or [])] if found else []
print(json.dumps([place for place in places if place]))
"""

# A minimum effect is below 100 %.
_LARGEST = 0.9


class NotBuilt(SegbenchError):
    """A commit at which the network cannot be measured."""


@dataclass(frozen=True)
class Target:
    """What is looked for.

    Attributes:
        quantities: deterministic quantities that differ, or one metric.
        verdict: of the metric, SLOWER or FASTER; empty for what is deterministic.
        words: the difference as a person reads it.
        min_effect: of a metric, the smallest change of a commit that matters.
    """

    quantities: tuple[str, ...]
    verdict: str
    words: str
    min_effect: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "quantities": list(self.quantities),
            "target": self.verdict,
            "words": self.words,
            "min_effect": self.min_effect,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Target:
        """Read it back."""
        return cls(tuple(content["quantities"]), content["target"], content["words"], content["min_effect"])


class Measuring:
    """Measurements of one network at several commits, each compared with the good one.

    Attributes:
        nothing: after `difference` found none, why.
    """

    def __init__(self, job: Job, options: Options, say: Say) -> None:
        self._job, self._options, self._say = job, options, say
        self.nothing = "no count, no constant and no logit differs"

    def start(self, good: Revision) -> None:
        """Count the network at the good commit.

        Raises:
            NotBuilt: it cannot be measured there.
        """
        self._good = good
        self._before = self._count(good)
        sign = self._before.signature
        if sign:
            # Signatures of all commits are taken alike.
            self._job = replace(self._job, signature_at=(*sign.resolution, sign.gain))

    def difference(self, bad: Revision, quantity: str | None) -> Target | None:
        """What differs at the bad commit; None where nothing does.

        Args:
            bad: the commit.
            quantity: what to look for; all that is deterministic by default, else the first metric that differs.

        Raises:
            NotBuilt: the network cannot be measured there.
            BadOption: another quantity than the one that is wanted differs.
        """
        after = self._count(bad)
        findings = self._findings(after)
        wanted = [finding for finding in findings if quantity in (None, _name(finding))]
        if wanted:
            words = "; ".join([_in_words(wanted), *explain(self._before, after)])
            return Target(tuple(map(_name, wanted)), "", words)
        if quantity not in (None, *METRICS):
            differ = ", ".join(map(_name, findings)) or "nothing that is counted"
            raise BadOption(f"--quantity {quantity} does not differ: {differ} does")
        if not self._job.settings.speed:
            if quantity is not None:
                raise BadOption(f"--quantity {quantity} is timed: leave out --no-speed")
            return None
        judged = self._timed(bad, after, self._options.min_effect)
        comparisons = [one for one in judged.comparisons if quantity in (None, one.metric)]
        for verdict in (SLOWER, FASTER):
            for one in comparisons:
                if one.verdict.verdict == verdict:
                    words = f"{sentence(one)}, {where(judged.after)}"
                    return Target((one.metric,), verdict, words, self._min_effect(one.verdict.ratio))
        undecided = [sentence(one) for one in comparisons if one.verdict.verdict == UNDECIDED]
        self.nothing = "; ".join(undecided) or f"{self.nothing}, and {' and '.join(METRICS)} are the same"
        return None

    def _min_effect(self, ratio: float) -> float:
        """A third of the difference where that is more than the user's: of a large one, noise hides no less."""
        third = math.expm1(abs(math.log(ratio)) / 3)
        return min(max(self._options.min_effect or MIN_EFFECT, third), _LARGEST)

    def has(self, revision: Revision, target: Target) -> tuple[bool | None, str]:
        """Whether a commit has the difference, and what was seen; None where its samples do not tell.

        Raises:
            NotBuilt: the network cannot be measured there.
        """
        after = self._count(revision)
        if not target.verdict:
            found = [finding for finding in self._findings(after) if _name(finding) in target.quantities]
            return bool(found), _in_words(found)
        judged = self._timed(revision, after, target.min_effect)
        one = next((one for one in judged.comparisons if one.metric in target.quantities), None)
        if one is None:
            raise NotBuilt(f"{target.quantities[0]} was not measured")
        if one.verdict.verdict == UNDECIDED:
            return None, sentence(one)
        return one.verdict.verdict == target.verdict, sentence(one)

    def _count(self, revision: Revision) -> Record:
        package = _package(self._job.model)
        try:
            if package:
                _require_inside(package, revision)
            record = run_worker("count", self._job, revision, self._options.timeout_s)
        except RevisionError as error:
            raise NotBuilt(str(error)) from error
        if record.failure:
            raise NotBuilt(record.failure)
        return record

    def _findings(self, after: Record) -> Sequence[Finding]:
        return compare_counts(self._before, after, same_torch=True, same_machine=False)

    def _timed(self, revision: Revision, after: Record, min_effect: float | None) -> NetworkComparison:
        """Both commits timed in turn, as `check --against` does."""
        row, sides = key(self._before), (self._good, revision)
        options = replace(self._options, min_effect=min_effect)
        one, other, _ = time_both({row: self._before}, {row: after}, {row: self._job}, sides, options, self._say)
        judged = compare_records(one, other, options).networks[0]
        problem = judged.failure or judged.not_judged or judged.no_baseline
        if not judged.comparisons:
            problem = problem or next(iter(judged.notes), "")
        if problem:
            raise NotBuilt(problem)
        return judged


def _in_words(findings: Sequence[Finding]) -> str:
    """The first finding, and how many more there are: one layer changes a dozen counts."""
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{findings[0]}{more}" if findings else ""


def _name(finding: Finding) -> str:
    """A quantity as histories name it."""
    return "logits" if finding.quantity == "signature" else finding.quantity


def _package(model: str) -> str:
    """What a network is imported from; empty for a file, which is read where it is."""
    if not is_own(model):
        return "segbench"
    spec = parse(model)
    return "" if spec.is_file else spec.source.partition(".")[0]


def _require_inside(package: str, revision: Revision) -> None:
    """Refuse a network that would be imported from elsewhere than its commit, and so be the same at every commit.

    Raises:
        RevisionError: the commit has no such package.
    """
    try:
        done = run_python(revision, _ORIGIN, package)
    except OSError as error:
        raise RevisionError(f"{revision.folder.name} is no folder of the commit: {error.strerror}") from error
    if done.returncode:
        reason = [*done.stderr.strip().splitlines(), f"status {done.returncode}"][-2:][0]
        raise RevisionError(f"{package} cannot be looked for: {reason}")
    places = json.loads(done.stdout)
    root = revision.root.resolve()
    if not any(Path(place).resolve().is_relative_to(root) for place in places):
        where = f"; it would be imported from {places[0]}" if places else ""
        raise RevisionError(f"the commit has no {package}{where}")
