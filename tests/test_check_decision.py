"""docs/ci.md's table of verdicts, row by row, and what else decides: thresholds, power, acceptances, mIoU."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Acceptance
from segbench.regress.acceptance import today
from segbench.regress.options import Options
from segbench.regress.rows import key
from segbench.regress.sizing import plan_processes
from tests.check_records import TITLE, made, put
from tests.conftest import Answer

Cli = Callable[..., Answer]

ROOT = Path(__file__).parent.parent


def _accepted(finding: str, after: str, value: float | None = None, until: str | None = None) -> dict[str, Any]:
    item = Acceptance(
        finding=finding, before="x", after=after, value=value, until=until, reason="meant", accepted="2026-11-01"
    )
    return {"accepted": [item]}


# Each row of the table: the baseline's Records and those of a run of which it speaks.
ROWS: dict[str, tuple[list[Record], list[Record]]] = {
    "the network cannot be measured any more": ([made()], [made(speed=False, failure="no weights")]),
    "it could not be measured in the baseline, or at that revision": (
        [made(speed=False, failure="no weights")],
        [made(seed=1)],
    ),
    "a parameter, a count, a constant or a logit differs, or is gone": ([made()], [made(seed=1, params=1001)]),
    "an mIoU differs by more than its tolerance, or is gone": ([made(miou=0.75)], [made(seed=1, miou=0.74)]),
    "such a difference is accepted in the baseline": (
        [made(**_accepted("parameters", "1,001"))],
        [made(seed=1, params=1001)],
    ),
    "an mIoU of other images, rule or settings": ([made(miou=0.75)], [made(seed=1, miou=0.5, rule="mmseg")]),
    "a timing of another machine or under other settings": ([made()], [made(1.2, seed=1, device_name="NVIDIA B")]),
    "slower beyond chance, by at least the minimum effect": ([made()], [made(1.1, seed=1)]),
    "such a slowdown is accepted in the baseline, and it is no worse": (
        [made(**_accepted("FPS", "45.5 images/s", 45.5), processes=10)],
        [made(1.1, seed=1)],
    ),
    "faster beyond chance, by at least the minimum effect": ([made()], [made(0.9, seed=1)]),
    "the 90 % interval lies within the minimum effect on both sides": ([made()], [made(seed=1)]),
    "anything else of a timing": ([made(noise=0.1)], [made(1.05, noise=0.1, seed=1)]),
    "in the baseline, not in the run": ([made(), made(model="gone:build")], [made(seed=1)]),
    "in the run, not in the baseline": ([made()], [made(seed=1), made(model="new:build")]),
}


def _table() -> dict[str, tuple[str, str, str]]:
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    section = guide.split("### How a check decides")[1].split("\n#")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return {row[0]: (row[1], row[2], row[3]) for row in cells[2:]}


def test_every_row_of_the_table_is_checked() -> None:
    assert list(_table()) == list(ROWS)


@pytest.mark.parametrize("condition", ROWS)
def test_a_row_of_the_table_says_what_the_check_does(segbench_cli: Cli, in_folder: Path, condition: str) -> None:
    verdict, status, strict = _table()[condition]
    before, after = ROWS[condition]
    put("base.json", *before)
    put("now.json", *after)
    call = ("check", "-b", "base.json", "--current", "now.json")
    answer = segbench_cli(*call)
    assert re.search(rf"\b{verdict.strip('`')}\b", answer.out), answer.out + answer.err
    if condition.startswith("such a slowdown"):
        # Latency became as much slower, and is not accepted.
        assert "SLOWER FPS" in answer.out and "accepted (meant)" in answer.out
        (record,) = before
        both = [*(record.accepted or []), *_accepted("latency", "22 ms", 22.0)["accepted"]]
        put("base.json", replace(record, accepted=both))
        answer = segbench_cli(*call)
    assert answer.status == int(status), answer.out
    assert segbench_cli(*call, "--strict").status == int(strict)


def test_a_check_says_what_slowdown_it_could_have_found(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(noise=0.02))
    found = []
    for processes in (10, 30):
        put("now.json", made(noise=0.02, seed=1, processes=processes))
        out = segbench_cli("check", "-b", "base.json", "--current", "now.json").out
        said = re.search(r"a slowdown that this run finds in 95 % of cases: FPS (\d\.\d)%, latency", out)
        assert said is not None, out
        found.append(float(said[1]))
    assert 3.5 < found[1] < found[0] < 8
    put("now.json", made(seed=1, processes=2))
    assert "FPS none (too few processes)" in segbench_cli("check", "-b", "base.json", "--current", "now.json").out


def test_the_slowdown_to_find_chooses_the_processes_of_each_network() -> None:
    quiet, loud = made(noise=0.005), made(noise=0.02, processes=30, model="loud:build")
    known = {key(record): [record] for record in (quiet, loud)}
    plan = plan_processes(known, Options(find=0.05), stored=True)
    assert not plan.warnings
    assert 2 <= plan.processes[key(quiet)] < plan.processes[key(loud)] < 30
    assert plan_processes(known, Options(processes=7), stored=True).processes == dict.fromkeys(known, 7)
    hopeless = plan_processes(known, Options(find=0.01), stored=True)
    assert hopeless.processes[key(loud)] == 30, "no more than the baseline has"
    assert any("loud:build" in warning and "not one of 1.0%" in warning for warning in hopeless.warnings)
    free = plan_processes({name: [*rows, *rows] for name, rows in known.items()}, Options(find=0.02), stored=False)
    assert free.processes[key(loud)] > 30, "without a stored baseline both sides grow"
    single = plan_processes({key(quiet): [made(processes=1)]}, Options(find=0.05), stored=True)
    assert "one process" in single.warnings[0]


def test_the_minimum_effect_lies_below_the_slowdown_to_find() -> None:
    assert Options().min_effect_of("net", "FPS") == 0.03
    assert Options(find=0.03).min_effect_of("net", "FPS") == pytest.approx(0.02)
    assert Options(find=0.2).min_effect_of("net", "FPS") == 0.03
    assert Options(find=0.03, min_effect=0.01).find_of("net", "FPS") == 0.03


# Thresholds.


def test_thresholds_of_networks_and_metrics_come_from_the_run_file(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(), made(model="tiny:build"))
    put("now.json", made(1.04, seed=1), made(1.04, seed=2, model="tiny:build"))
    call = ("check", "-b", "base.json", "--current", "now.json")
    (in_folder / "segbench.toml").write_text(
        '[check]\nfps = "10%"\nlatency = 0.1\n[check.networks."tiny:*"]\nmin-effect = "2%"\nlatency = "10%"\n'
    )
    out = segbench_cli(*call).out
    net, tiny = out.split("tiny:build 64x128")[:2]
    assert "SLOWER" not in net
    assert "SLOWER FPS" in tiny and "SLOWER latency" not in tiny
    (in_folder / "segbench.toml").unlink()
    assert segbench_cli(*call).out.count("SLOWER") == 4
    (in_folder / "other.toml").write_text('[check]\nmin-effect = "10%"\n')
    assert "SLOWER" not in segbench_cli(*call, "--config", "other.toml").out
    assert segbench_cli(*call, "--config", "other.toml", "--min-effect", "3%").status == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("check = 3", "[check]"),
        ("[check]\nfsp = '3%'", "did you mean fps"),
        ("[check]\nfps = 3", "3%"),
        ("[check]\nmiou = -1", "percentage points"),
        ("[check]\nnetworks = 1", "check.networks"),
        ("[check.networks.a]\nfor = '3%'", "unknown key"),
    ],
)
def test_a_bad_threshold_is_named(segbench_cli: Cli, in_folder: Path, text: str, part: str) -> None:
    put("base.json", made())
    (in_folder / "segbench.toml").write_text(text)
    answer = segbench_cli("check", "-b", "base.json", "--current", "base.json")
    _refused(answer, "segbench.toml", part)


def _refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, answer.out + answer.err
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    for part in parts:
        assert part in answer.err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--for", "3"), "--for"),
        (("--for", "3%", "--processes", "5"), "--processes"),
        (("--for", "3%", "--min-effect", "3%"), "--min-effect"),
        (("--page-url", "https://x"), "--comment"),
        (("--miou", "x.json"), "--miou"),
        (("--config", "none.toml"), "none.toml"),
    ],
)
def test_options_that_do_not_go_together(
    segbench_cli: Cli, in_folder: Path, arguments: tuple[str, ...], part: str
) -> None:
    put("base.json", made())
    _refused(segbench_cli("check", "-b", "base.json", "--current", "base.json", *arguments), part)


# Acceptances.

ACCEPT = ("accept", "-b", "base.json", "--current", "now.json", "--reason", "a wider head, #41")
CHECK = ("check", "-b", "base.json", "--current", "now.json")


def test_an_accepted_change_passes_until_it_changes_further(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(speed=False))
    put("now.json", made(speed=False, params=1200))
    answer = segbench_cli(*CHECK)
    assert answer.status == 1
    assert f"segbench accept '{TITLE}: QUANTITY'" in answer.out
    answer = segbench_cli(*ACCEPT, f"{TITLE}: parameters")
    assert answer.status == 0, answer.err
    assert "1,000 -> 1,200" in answer.out
    (record,) = store.read(Path("base.json"))
    assert record.params == 1000 and record.accepted is not None
    assert [item.reason for item in record.accepted] == ["a wider head, #41"]
    text = Path("base.json").read_text()
    assert [line.count('"finding"') for line in text.splitlines() if "a wider head" in line] == [1], "a line each"
    answer = segbench_cli(*CHECK, "--junit", "j.xml", "--strict")
    assert answer.status == 0, answer.out
    assert "accepted: parameters: 1,000 -> 1,200 (+20.00%) (a wider head, #41)" in answer.out
    assert ElementTree.parse("j.xml").getroot().get("failures") == "0"
    put("now.json", made(speed=False, params=1300))
    answer = segbench_cli(*CHECK)
    assert answer.status == 1
    assert "parameters was accepted as 1,200 (+20.00%), and is another change now" in answer.out


def test_an_acceptance_that_ended_counts_no_more_and_says_so(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(speed=False, **_accepted("parameters", "1,200", until="2020-01-31")))
    put("now.json", made(speed=False, params=1200))
    answer = segbench_cli(*CHECK)
    assert answer.status == 1
    assert "parameters counts again: it was accepted until 2020-01-31 (meant)" in answer.out
    assert segbench_cli(*ACCEPT, f"{TITLE}: parameters", "--until", today()).status == 0, "accepted anew"
    answer = segbench_cli(*CHECK)
    assert answer.status == 0
    assert f"until {today()}" in answer.out


def test_an_accepted_slowdown_passes_and_a_larger_one_does_not(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made())
    put("now.json", made(1.1, seed=1))
    assert segbench_cli(*ACCEPT, f"{TITLE}: *").status == 0
    (record,) = store.read(Path("base.json"))
    assert {item.finding for item in record.accepted or ()} == {"FPS", "latency"}
    put("now.json", made(1.11, seed=2))
    answer = segbench_cli(*CHECK)
    assert answer.status == 0, answer.out
    assert "SLOWER FPS" in answer.out and "1 accepted" in answer.out
    put("now.json", made(1.2, seed=3))
    assert segbench_cli(*CHECK).status == 1


@pytest.mark.parametrize(
    ("finding", "part"),
    [
        (f"{TITLE}: macs", "is no finding of this check: it found net:build 64x128: parameters"),
        ("other:build 64x128: parameters", "names no finding of the baseline"),
        (f"{TITLE}: paramters", "names no finding of the baseline"),
    ],
)
def test_an_acceptance_that_matches_nothing_is_refused(
    segbench_cli: Cli, in_folder: Path, finding: str, part: str
) -> None:
    put("base.json", made(speed=False))
    put("now.json", made(speed=False, params=1200))
    text = Path("base.json").read_text()
    _refused(segbench_cli(*ACCEPT, finding), part)
    assert Path("base.json").read_text() == text


def test_an_acceptance_in_a_file_of_what_is_no_quantity_is_refused(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(speed=False, **_accepted("paramters", "1,200")))
    put("now.json", made(speed=False))
    _refused(segbench_cli(*CHECK), "base.json", "'paramters'", "did you mean parameters")


@pytest.mark.parametrize(
    ("arguments", "part"), [(("--until", "soon"), "2027-01-31"), (("--until", "2020-01-01"), "past")]
)
def test_a_bad_day_is_refused(segbench_cli: Cli, in_folder: Path, arguments: tuple[str, ...], part: str) -> None:
    put("base.json", made(speed=False))
    put("now.json", made(speed=False, params=1200))
    _refused(segbench_cli(*ACCEPT, f"{TITLE}: parameters", *arguments), part)
    _refused(segbench_cli("accept", "x", "-b", "base.json", "--reason", " "), "--reason")


# mIoU.


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [(0.75, 0.75 + 1e-9, 0), (0.75, 0.75004, 0), (0.75, 0.74995, 0), (0.75, 0.7499, 1), (0.75, 0.7501, 1)],
)
def test_a_miou_has_a_tolerance_in_points(
    segbench_cli: Cli, in_folder: Path, before: float, after: float, status: int
) -> None:
    put("base.json", made(miou=before))
    put("now.json", made(seed=1, miou=after))
    assert segbench_cli(*CHECK).status == status


def test_the_tolerance_is_stored_in_the_baseline_and_the_run_file_goes_before_it(
    segbench_cli: Cli, in_folder: Path
) -> None:
    put("eval.json", made(miou=0.75))
    answer = segbench_cli("baseline", "save", "--from", "eval.json", "-b", "base.json")
    assert answer.status == 0, answer.err
    (record,) = store.read(Path("base.json"))
    assert record.accuracy is not None and record.accuracy.tolerance_points == 0.005
    put("now.json", made(seed=1, miou=0.7498))
    assert segbench_cli(*CHECK).status == 1
    put("base.json", replace(record, accuracy=replace(record.accuracy, tolerance_points=0.1)))
    assert segbench_cli(*CHECK).status == 0
    (in_folder / "segbench.toml").write_text('[check.networks."net:*"]\nmiou = 0.01\n')
    answer = segbench_cli(*CHECK)
    assert answer.status == 1
    assert "mIoU: 75.0000% -> 74.9800% (-0.020 points)" in answer.out


def test_a_lower_miou_is_accepted_down_to_that(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(miou=0.75))
    put("now.json", made(seed=1, miou=0.74))
    assert segbench_cli(*ACCEPT, f"{TITLE}: mIoU").status == 0
    assert segbench_cli(*CHECK).status == 0
    put("now.json", made(seed=1, miou=0.73))
    assert segbench_cli(*CHECK).status == 1
