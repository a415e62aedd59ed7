"""Progress: what is done of how much, with the time left, on standard error of a terminal alone."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from segbench.cli import output


def test_work_of_another_kind_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(
        output, "progress_console", lambda: Console(file=stream, force_terminal=True, width=100, _environ={})
    )
    with output.progress("importing torch") as step:
        step("counting [a]", 3, 4)
        step("counting [a]", 4, 4)
        step("timing", 1, 10)
        step("drawing", 0, None)
    text = stream.getvalue()
    assert "drawing" in text
    assert "0/?" in text


def test_nothing_draws_beside_a_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(
        output, "progress_console", lambda: Console(file=stream, force_terminal=True, width=100, _environ={})
    )
    before = set(threading.enumerate())  # of which any may end meanwhile
    with output.progress("importing torch", ticking=False) as step:
        assert not set(threading.enumerate()) - before
        step("timing, round", 2, 5)
        assert "2/5" in stream.getvalue()
    with output.progress("counting"):
        assert set(threading.enumerate()) - before


def test_nothing_is_printed_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("importing torch") as step:
        step("counting", 1, 2)
    assert capsys.readouterr() == ("", "")
