"""`segbench bisect` names the commit of a change, by counting or by timing, and leaves nothing behind."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from segbench.history import measuring
from segbench.job import Job
from segbench.measure import record as measure_record
from segbench.measure.simulated import SimulatedDevice
from segbench.records.record import Record
from segbench.regress import against
from segbench.regress.revision import Revision, RevisionError, worktree
from tests import toy_project
from tests.conftest import Answer

Cli = Callable[..., Answer]

CALL = ("--res", "64x64")
TIMED = (*CALL, "--device", "cuda", "--processes", 7)
BROKEN = "raise ValueError('no weights')\n"
FAILS = "a forward that fails\n"
"""The import works, so that a Record comes back, with the failure in it."""


@dataclass
class Lab:
    """Workers in this process: what a commit's file says is counted, and timed on a simulated device.

    Attributes:
        counted: hashes of the commits that were counted, in order.
        timed: processes that were timed.
        noise: between processes, as a standard deviation of the logarithm.
        stop_after: commits after which the user presses Ctrl-C.
    """

    counted: list[str] = field(default_factory=list)
    timed: int = 0
    noise: float = 0.005
    stop_after: int | None = None

    def run(self, what: str, job: Job, revision: Revision, timeout_s: float) -> Record:
        text = (revision.folder / "toynets/net.py").read_text()
        if text == BROKEN:
            raise RevisionError("FactoryError: cannot import toynets.net: ValueError: no weights")
        if text == FAILS:
            return job.failed("Net fails on an image: no weights")
        if what == "time":
            self.timed += 1
            return toy_project.timed(job.blank(), text, range(self.timed, self.timed + 1), self.noise)
        if len(self.counted) == self.stop_after:
            raise KeyboardInterrupt
        self.counted.append(revision.commit)
        return toy_project.counted(toy_project.untimed(text), job.signature_at)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = Lab()
    seeds = itertools.count()
    monkeypatch.setattr(measure_record, "open_device", lambda spec="auto": SimulatedDevice(seed=next(seeds)))
    for module in (against, measuring):
        monkeypatch.setattr(module, "run_worker", lab.run)
    return lab


def _first_bad(answer: Answer) -> str:
    assert answer.status == 0, answer.out + answer.err
    return answer.out.splitlines()[-1]


def _line(commits: list[str], number: int) -> str:
    return f"first bad commit: {commits[number - 1]} Commit number {number}"


def _nothing_is_left(folder: Path, *, state: bool = False) -> None:
    assert len(toy_project.git(folder, "worktree", "list").splitlines()) == 1
    assert toy_project.git(folder, "status", "--porcelain") == ""
    assert (folder / ".git/segbench-bisect").exists() == state


def _refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, answer.out + answer.err
    assert answer.out == ""
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    for part in parts:
        assert part in answer.err


@pytest.mark.parametrize(
    ("number", "ends", "call"),
    [
        (toy_project.WIDER, (1, 26), ("--no-speed",)),
        (toy_project.ONE_MORE_NORM, (13, 47), ("--no-speed",)),
        (toy_project.SMALLER_STRIDE, (28, 60), ("--no-speed",)),
        # MACs change twice, and the first time is the wider kernel's.
        (toy_project.WIDER, (1, 60), ("--no-speed", "--quantity", "macs")),
        (20, (13, 26), ()),
        (39, (28, 47), ()),
        (20, (1, 26), ("--quantity", "FPS")),
    ],
)
def test_each_planted_commit_is_named(
    in_folder: Path, segbench_cli: Cli, lab: Lab, number: int, ends: tuple[int, int], call: tuple[str, ...]
) -> None:
    commits = toy_project.make(in_folder)
    settings = CALL if "--no-speed" in call else TIMED
    good, bad = (commits[end - 1] for end in ends)
    answer = segbench_cli("bisect", good, bad, toy_project.NETWORK, *settings, *call)
    assert _first_bad(answer) == _line(commits, number)
    # The two ends, and no more commits than halving takes.
    assert len(lab.counted) <= 2 + (ends[1] - ends[0]).bit_length()
    assert bool(lab.timed) == ("--no-speed" not in call)
    _nothing_is_left(in_folder)


def test_a_large_slowdown_is_named_on_a_noisy_machine(in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    slow = toy_project.source(1).replace("20.0", "60.0")
    commits = toy_project.make(in_folder, 11, dict.fromkeys(range(7, 12), slow))
    lab.noise = 0.1
    answer = segbench_cli("bisect", "HEAD~10", "HEAD", toy_project.NETWORK, *TIMED)
    assert _first_bad(answer) == _line(commits, 7)
    assert "skipped" not in answer.out, "what is nearer to the good commit than a third of the way is good"


def test_what_differs_is_said_with_the_module(in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    toy_project.make(in_folder, 14)
    answer = segbench_cli("bisect", "HEAD~13", "HEAD", toy_project.NETWORK, *CALL, "--no-speed")
    assert "unit.0 (Conv2d): kernel_size [3, 3] -> [5, 5]" in answer.out
    assert "Commit number 7: good" in answer.err


@pytest.mark.parametrize("broken", [BROKEN, FAILS])
def test_a_commit_that_cannot_be_measured_is_named_and_skipped(
    broken: str, in_folder: Path, segbench_cli: Cli, lab: Lab
) -> None:
    commits = toy_project.make(in_folder, 20, dict.fromkeys((8, 9, 10, 16), broken))
    answer = segbench_cli("bisect", "HEAD~19", "HEAD", toy_project.NETWORK, *CALL, "--no-speed")
    assert _first_bad(answer) == _line(commits, toy_project.WIDER)
    skipped = [line for line in answer.out.splitlines() if line.startswith("skipped: ")]
    assert skipped
    assert all("Commit number" in line and "no weights" in line for line in skipped)
    _nothing_is_left(in_folder)


def test_where_skipped_commits_hide_it_the_commits_that_it_may_be_are_listed(
    in_folder: Path, segbench_cli: Cli, lab: Lab
) -> None:
    commits = toy_project.make(in_folder, 14, dict.fromkeys((11, 12), BROKEN))
    answer = segbench_cli("bisect", "HEAD~13", "HEAD", toy_project.NETWORK, *CALL, "--no-speed")
    assert answer.status == 1
    assert "cannot be told from those that were skipped; it is one of 3" in answer.out
    assert all(commits[number - 1] in answer.out for number in (11, 12, 13))
    assert commits[9] not in answer.out
    _nothing_is_left(in_folder, state=True)


def test_an_interrupted_bisection_goes_on(in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    commits = toy_project.make(in_folder, 26)
    call = ("bisect", "HEAD~25", "HEAD", toy_project.NETWORK, *CALL, "--no-speed")
    lab.stop_after = 5
    answer = segbench_cli(*call)
    assert answer.status == 130
    assert "the same command goes on from there" in answer.err
    _nothing_is_left(in_folder, state=True)
    before, lab.counted, lab.stop_after = lab.counted, [], None
    answer = segbench_cli(*call)
    assert _first_bad(answer) == _line(commits, toy_project.WIDER)
    assert "3 commits are judged already" in answer.err
    assert {*before[1:]} & {*lab.counted} == set(), "only the good commit is counted again"
    _nothing_is_left(in_folder)


def test_a_state_that_a_killed_run_cut_short_is_read_as_far_as_it_goes(
    in_folder: Path, segbench_cli: Cli, lab: Lab
) -> None:
    commits = toy_project.make(in_folder, 26)
    call = ("bisect", "HEAD~25", "HEAD", toy_project.NETWORK, *CALL, "--no-speed")
    lab.stop_after = 5
    segbench_cli(*call)
    (state,) = Path(".git/segbench-bisect").iterdir()
    state.write_text(state.read_text()[:-20])
    lab.stop_after = None
    assert _first_bad(segbench_cli(*call)) == _line(commits, toy_project.WIDER)


def test_worktrees_of_a_bisection_that_was_killed_are_removed(in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    toy_project.make(in_folder, 14)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = in_folder.parent / f"segbench-worktree-{ended.pid}-left" / "worktree"
    toy_project.git(in_folder, "worktree", "add", "-q", "--detach", str(left), "HEAD")
    assert segbench_cli("bisect", "HEAD~13", "HEAD", toy_project.NETWORK, *CALL, "--no-speed").status == 0
    assert not left.exists()
    _nothing_is_left(in_folder)


def test_a_bisection_of_the_users_own_is_left_alone(in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    toy_project.make(in_folder, 14)
    toy_project.git(in_folder, "bisect", "start", "HEAD", "HEAD~13")
    before = toy_project.git(in_folder, "bisect", "log")
    at = toy_project.git(in_folder, "rev-parse", "HEAD")
    assert segbench_cli("bisect", "main~13", "main", toy_project.NETWORK, *CALL, "--no-speed").status == 0
    assert toy_project.git(in_folder, "bisect", "log") == before
    assert toy_project.git(in_folder, "rev-parse", "HEAD") == at


def test_wrong_calls_are_one_line(in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    def bisect(*arguments: object) -> Answer:
        return segbench_cli("bisect", *arguments, *CALL, "--no-speed")

    _refused(bisect("HEAD~1", "HEAD", toy_project.NETWORK), "git repository")
    toy_project.make(in_folder, 14)
    _refused(bisect("nowhere", "HEAD", toy_project.NETWORK), "no revision 'nowhere'")
    _refused(bisect("HEAD~1", "--", "--force", toy_project.NETWORK), "--force")
    _refused(bisect("HEAD", "HEAD~3", toy_project.NETWORK), "HEAD is no ancestor of HEAD~3")
    _refused(bisect("HEAD", "main", toy_project.NETWORK), "one commit")
    _refused(bisect("HEAD~13", "HEAD~9", toy_project.NETWORK), "nothing to find between HEAD~13 and HEAD~9")
    _refused(bisect("HEAD~13", "HEAD", toy_project.NETWORK, "--quantity", "mIoU"), "--quantity mIoU does not differ")
    _refused(bisect("HEAD~13", "HEAD", toy_project.NETWORK, "--quantity", "FPS"), "leave out --no-speed")
    _refused(bisect("HEAD~13", "HEAD", "enet"), "the commit has no segbench")
    _refused(bisect("HEAD~13", "HEAD", "e*"), "one network")
    _refused(bisect("HEAD~13", "HEAD", "/nets.py:build"), "not in the repository")
    _refused(bisect("HEAD~13", "HEAD", "numpy:array"), "the commit has no numpy", "imported from")
    _nothing_is_left(in_folder)


def test_timings_without_a_difference_are_one_line(in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    toy_project.make(in_folder, 18)
    answer = segbench_cli("bisect", "HEAD~3", "HEAD", toy_project.NETWORK, *TIMED)
    _refused(answer, "nothing to find between HEAD~3 and HEAD", "FPS")
    _nothing_is_left(in_folder)


@pytest.mark.parametrize("broken", [BROKEN, FAILS])
def test_an_end_that_cannot_be_measured_is_refused(broken: str, in_folder: Path, segbench_cli: Cli, lab: Lab) -> None:
    toy_project.make(in_folder, 3, {3: broken})
    answer = segbench_cli("bisect", "HEAD~2", "HEAD", toy_project.NETWORK, *CALL, "--no-speed")
    _refused(answer, "HEAD cannot be measured", "no weights")
    _nothing_is_left(in_folder)


@pytest.mark.slow
def test_the_network_is_imported_from_the_worktree_ahead_of_everything_else(
    in_folder: Path, segbench_cli: Cli, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of their own, beside a copy on PYTHONPATH and one in the current folder."""
    commits = toy_project.make(in_folder, 12)
    text = Path("toynets/net.py").read_text()
    installed = tmp_path_factory.mktemp("installed")
    (installed / "toynets").mkdir()
    for place in (installed, in_folder):
        (place / "toynets/__init__.py").touch()
        (place / "toynets/net.py").write_text(text.replace("8, 5)", "8, 7)"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(in_folder), str(installed)]))
    answer = segbench_cli("bisect", "HEAD~2", "HEAD", toy_project.NETWORK, *CALL, "--no-speed")
    assert _first_bad(answer) == _line(commits, 12)
    assert "kernel_size [3, 3] -> [5, 5]" in answer.out
    assert Path("toynets/net.py").read_text() != text, "the working tree is as the user left it"


def test_a_worktree_has_the_submodules_of_its_commit(in_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    library, inner = (tmp_path_factory.mktemp(name) for name in ("library", "inner"))
    for folder, width in ((inner, "1"), (library, "8"), (in_folder, "")):
        toy_project.git(folder, "init", "-q")
        (folder / "width.txt").write_text(width)
        toy_project.git(folder, "add", ".")
        toy_project.git(folder, "commit", "-q", "-m", "one")
    take = ("-c", "protocol.file.allow=always", "submodule", "add", "-q")
    toy_project.git(library, *take, str(inner), "inner")
    toy_project.git(library, "commit", "-q", "-m", "two")
    toy_project.git(in_folder, *take, str(library), "lib")
    update = ("-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init", "--recursive")
    toy_project.git(in_folder, *update)
    toy_project.git(in_folder, "commit", "-q", "-m", "two")
    (in_folder / "lib/width.txt").write_text("12")
    toy_project.git(in_folder / "lib", "commit", "-q", "-a", "-m", "wider")
    toy_project.git(in_folder, "commit", "-q", "-a", "-m", "three")
    for commit, width in (("HEAD~1", "8"), ("HEAD", "12")):
        with worktree(toy_project.git(in_folder, "rev-parse", commit)) as revision:
            assert (revision.root / "lib/width.txt").read_text() == width
            assert (revision.root / "lib/inner/width.txt").read_text() == "1"
    assert toy_project.git(in_folder, "status", "--porcelain") == ""
    assert len(toy_project.git(in_folder, "worktree", "list").splitlines()) == 1
