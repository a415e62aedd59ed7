"""Parameters and operations of every network as the papers' tables print it: ``results/costs.jsonl``.

``python -m segbench.costs FILE`` counts the catalog anew, ``--only NAME`` one network; no device is needed and the same
catalog gives the same bytes, so that a change of a count shows in a review. A test recounts the file to the integer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segbench.audit.counts import Counts
from segbench.audit.judge import judge
from segbench.audit.speed import judge_speed
from segbench.catalog import CATALOG, list_models, match
from segbench.claims import PAPERS, load_claims
from segbench.compare import planning
from segbench.compare.planning import STAGE_LEVELS
from segbench.errors import RecordError, SegbenchError
from segbench.job import Job, Settings
from segbench.measure.record import measure_job
from segbench.records import store
from segbench.records.record import Record


def costs(names: Iterable[str]) -> Iterator[Record]:
    """One Record for each network, paper resolution and class count, without time or environment.

    The first Record of a network has the costs of its modules down to `STAGE_LEVELS`, from which reports draw stages.
    Last come the counts that `segbench audit` takes beside those, at sizes that no table prints.
    """
    for name in names:
        records = []
        for number, (size, classes) in enumerate(sizes_and_classes(name)):
            settings = Settings(speed=False, module_levels=0 if number else STAGE_LEVELS)
            records.append(measure_job(Job(model=name, classes=classes, resolution=size, settings=settings)))
        counts = Counts(records, recount=True)
        claims = [claim for claim in load_claims() if claim.model == name]
        judge(claims, counts)
        judge_speed(claims, counts)
        for record in (*records, *counts.recounted):
            # Exact integers alone: shares and shapes follow from them.
            stages = [replace(row, share=None, output=None) for row in record.modules or ()]
            yield replace(record, modules=stages or None, created="")


def sizes_and_classes(name: str) -> list[tuple[tuple[int, int], int]]:
    """Sizes and class counts of a network: the catalog's, and those at which `segbench compare --paper` measures it."""
    entry = CATALOG[name]
    printed = [at for paper in PAPERS for at in planning.sizes_and_classes(name, paper=paper)]
    return list(dict.fromkeys([*((size, entry.classes) for size in entry.resolutions), *printed]))


def lines(records: Iterable[Record]) -> str:
    """Records as JSONL with their costs alone."""
    return "".join(json.dumps(_costs_only(record.to_json())) + "\n" for record in records)


def _costs_only(content: dict[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in content.items() if value not in (None, {}, [], "") or key == "path"}
    if "modules" in known:
        known["modules"] = [_costs_only(row) for row in known["modules"]]
    return known


def replaced(old: str, names: Iterable[str], new: str) -> str:
    """JSONL of costs with the lines of `names` replaced; all others stay as they are, byte for byte.

    A network's lines go where its old ones began, or else before the first network that follows in catalog order.

    Args:
        old: content of the file.
        names: catalog names.
        new: JSONL with the new lines of these networks.

    Raises:
        RecordError: a line of `old` is no Record.
    """
    order = {name: position for position, name in enumerate(CATALOG)}
    kept = [(_model(line, number), line) for number, line in enumerate(old.splitlines(keepends=True), 1)]
    for name in names:
        own = [(name, line) for line in new.splitlines(keepends=True) if _model(line, 0) == name]
        places = [index for index, (model, _) in enumerate(kept) if model == name] or [
            index for index, (model, _) in enumerate(kept) if order.get(model, len(order)) > order[name]
        ]
        at = places[0] if places else len(kept)
        if at == len(kept) and kept and not kept[-1][1].endswith("\n"):
            kept[-1] = kept[-1][0], kept[-1][1] + "\n"
        kept = [pair for pair in kept[:at] if pair[0] != name] + own + [pair for pair in kept[at:] if pair[0] != name]
    return "".join(line for _, line in kept)


def _model(line: str, number: int) -> str:
    try:
        model = json.loads(line)["model"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise RecordError(f"line {number} is no Record; without --only the whole file is counted anew") from error
    return str(model)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m segbench.costs",
        description="Count parameters and operations of the catalog's networks at every size of their papers.",
        epilog="Exit status: 0 done, 2 the call or its input was wrong.",
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="Records as JSONL, written at the end; with --only the lines of other networks stay as they are. "
        "Without it they are printed.",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="count this network, or those that a pattern such as 'sfnet*' matches; give it again for more",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Count networks into a file or onto standard output; returns the exit status."""
    given = _arguments().parse_args(arguments)
    try:
        names = match(given.only) if given.only else list_models()
        if given.file is None:
            for name in names:
                print(lines(costs([name])), end="", flush=True)
            return 0
        old = given.file.read_text(encoding="utf-8") if given.only and given.file.is_file() else ""
        replaced(old, names, "")  # refuse a broken file before anything is counted
        counted = []
        for number, name in enumerate(names, 1):
            print(f"{number} of {len(names)}: {name}", file=sys.stderr, flush=True)
            counted.append(lines(costs([name])))
        store.write_text(given.file, replaced(old, names, "".join(counted)))
    except RecordError as error:
        print(f"segbench: {given.file}: {error}", file=sys.stderr)
        return 2
    except SegbenchError as error:
        print(f"segbench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
