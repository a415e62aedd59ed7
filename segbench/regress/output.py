"""An outcome for machines: JUnit XML, a GitHub job summary, annotations, and JSON for github-action-benchmark."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from segbench.errors import OutputError
from segbench.records.record import Record
from segbench.regress.judge import NetworkComparison, Outcome, costs
from segbench.regress.options import METRICS
from segbench.regress.render import power, sentence, state, summary, where
from segbench.regress.rows import label
from segbench.regress.verdicts import SLOWER, UNDECIDED
from segbench.units import significant


def junit(outcome: Outcome) -> str:
    """JUnit XML: a suite for each network, a case for what is deterministic and one for each metric.

    What could not be judged is ``skipped``, or a failure where the check is strict.
    """
    root = ElementTree.Element("testsuites", name="segbench check")
    started, host = outcome.started.removesuffix("Z"), platform.node() or "unknown"
    for network in outcome.networks:
        suite = ElementTree.SubElement(root, "testsuite", name=network.title, timestamp=started, hostname=host)
        # All cases of a network are measured at once: the first has the time.
        seconds = network.seconds
        for name, problem, text in _cases(network, outcome.strict):
            classname = f"segbench.{network.before.model}"
            case = ElementTree.SubElement(suite, "testcase", classname=classname, name=name, time=f"{seconds:.3f}")
            seconds = 0.0
            if problem:
                ElementTree.SubElement(case, problem, message=_legal(text.splitlines()[0])).text = _legal(text)
        _count(suite)
    if outcome.removed:
        suite = ElementTree.SubElement(root, "testsuite", name="removed networks", timestamp=started, hostname=host)
        for name in outcome.removed:
            case = ElementTree.SubElement(suite, "testcase", classname="segbench", name=name, time="0.000")
            problem = "failure" if outcome.strict else "skipped"
            ElementTree.SubElement(case, problem, message="in the baseline, not in the run")
        _count(suite)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")
    root.set("timestamp", started)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(network: NetworkComparison, strict: bool) -> Iterator[tuple[str, str, str]]:
    if network.failure:
        yield "measurement", "error", network.failure
        return
    text = "\n".join([*map(str, network.findings), *network.modules])
    if not network.no_baseline:
        yield "counts and signature", "failure" if network.findings else "", text
    unjudged = "failure" if strict else "skipped"
    for comparison in network.comparisons:
        problem = {SLOWER: "failure", UNDECIDED: unjudged}.get(comparison.verdict.verdict, "")
        problem = "" if comparison.accepted else problem
        yield comparison.metric, problem, sentence(comparison)
    yield from ((what, unjudged, why) for what, why in network.unjudged())


def _count(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in suite):.3f}")
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))


def _legal(text: str) -> str:
    """Without the control characters that XML cannot hold, which a crash may print."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def markdown(outcome: Outcome) -> str:
    """A GitHub job summary, the worst network first."""
    parts = [f"### segbench check: {'failed' if outcome.status else 'passed'}", "", summary(outcome), ""]
    networks = sorted(outcome.networks, key=_badness, reverse=True)
    rows = [
        f"| {_cell(network.title)} | {_cell(state(network).lower())} | "
        + " | ".join(_cell(_metric_cell(network, metric)) for metric in METRICS)
        + " |"
        for network in networks
    ]
    if rows:
        parts += [
            "| network | counts and signature | FPS | GPU busy (ms) | latency (ms) | memory (MiB) |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    details = [line for network in networks for line in _details(network)]
    details += [f"- {name}: in the baseline, not in the run" for name in outcome.removed]
    details += [f"- {name}: not in the baseline, so not judged" for name in outcome.added]
    details += [f"- {warning}" for warning in outcome.warnings]
    details += [f"- {said}" for said in [power(outcome)] if said]
    if details:
        parts += ["", *details]
    return "\n".join(parts) + "\n"


def _badness(network: NetworkComparison) -> tuple[bool, int, float, bool, bool]:
    """Failed, then changed, then slower by most, then what is open, then what is accepted."""
    slower = max((item.verdict.ratio for item in network.verdicts(SLOWER)), default=0.0)
    return bool(network.failure), len(network.findings), slower, network.open, bool(network.accepted)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _metric_cell(network: NetworkComparison, metric: str) -> str:
    for comparison in network.comparisons:
        if comparison.metric == metric:
            change = f"{comparison.ratio() - 1:+.1%}"
            return f"{comparison.verdict.verdict}: {significant(comparison.after)} ({change})"
    return "not judged" if network.not_judged else ""


def _details(network: NetworkComparison) -> Iterator[str]:
    # What was changed, before everything that follows from it.
    texts = [network.failure, *network.modules, *map(str, network.findings), *(why for _, why in network.unjudged())]
    texts += [sentence(item) for item in (*network.verdicts(SLOWER), *network.verdicts(UNDECIDED))]
    texts += [f"accepted: {text}" for text in network.accepted]
    texts += [sentence(item) for item in network.comparisons if item.accepted]
    if network.comparisons:
        texts.append(f"measured {where(network.after)}")
    yield from (f"- {network.title}: {_cell(text)}" for text in texts if text)


def workflow_commands(outcome: Outcome) -> Iterator[str]:
    """GitHub workflow commands: an error for each regression, a warning for what could not be judged."""
    for network in outcome.networks:
        if network.failure:
            yield _command("error", network.title, network.failure)
        if network.findings:
            yield _command("error", network.title, "\n".join([*map(str, network.findings), *network.modules]))
        for comparison in network.verdicts(SLOWER):
            yield _command("error", network.title, sentence(comparison))
        level = "error" if outcome.strict else "warning"
        for comparison in network.verdicts(UNDECIDED):
            yield _command(level, network.title, sentence(comparison))
        for _, why in network.unjudged():
            yield _command(level, network.title, why)
    for name in outcome.removed:
        yield _command("error" if outcome.strict else "warning", name, "in the baseline, not in the run")


def _command(level: str, title: str, message: str) -> str:
    title = _escaped(f"segbench: {title}").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={title}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def benchmark_json(records: list[Record]) -> str:
    """Figures for github-action-benchmark with ``tool: customSmallerIsBetter``: latency, memory, parameters, MACs."""
    return json.dumps([item for record in records for item in _figures(record)], indent=1) + "\n"


def _figures(record: Record) -> Iterator[dict[str, Any]]:
    name = label(record)
    if record.failure:
        return
    samples = costs(record)
    for metric, unit in (("latency", "ms"), ("memory", "MiB")):
        values = sorted(samples.get(metric, []))
        if values:
            middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
            spread = f"{values[0]:.4g} to {values[-1]:.4g}"
            item = {"name": f"{name} {metric}", "unit": unit, "value": middle, "range": spread}
            yield {**item, "extra": f"{len(values)} processes {where(record)}"}
    if record.params is not None:
        yield {"name": f"{name} parameters", "unit": "parameters", "value": record.params}
    if "macs" in record.operations:
        yield {"name": f"{name} MACs", "unit": "MACs", "value": record.operations["macs"]}


def in_actions(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether this runs as a step of GitHub Actions."""
    return variables.get("GITHUB_ACTIONS") == "true"


def add_summary(outcome: Outcome, variables: Mapping[str, str] = os.environ) -> None:
    """Append the job summary to the file that GitHub Actions names; nothing where it names none.

    Raises:
        OutputError: that file cannot be written.
    """
    target = variables.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    try:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(markdown(outcome))
    except OSError as error:
        raise OutputError(f"cannot write the job summary {target}: {error.strerror}") from error
