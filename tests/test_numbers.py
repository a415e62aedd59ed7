"""Numbers of a call: finite and in range, refused in the option's own words."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import segbench
from segbench import limits
from segbench.errors import BadOption, SegbenchError
from tests.conftest import Answer

Cli = Callable[..., Answer]

COUNT = ("profile", "enet", "--res", "64x64", "--no-speed")
EVAL = ("eval", "enet", "--checkpoint", "x.pth", "--dataset", "camvid", "--root", ".")
MAPS = ("eval", "--predictions", "maps", "--dataset", "camvid", "--root", ".")
CALLS: list[tuple[tuple[str, ...], str]] = [
    *(((*COUNT, "--budget", value), "budget must be") for value in ("inf", "nan", "1e400", "0", "-1", "1e300")),
    *(((*COUNT, "--timeout", value), "--timeout must be") for value in ("inf", "nan", "0", "-1", "1e300")),
    *(((*COUNT, "--classes", value), "classes must be") for value in ("0", "-1", "2147483648", "100000000")),
    *(((*COUNT, "--batch", value), "batch must be") for value in ("0", "1000000")),
    *(((*COUNT, "--rounds", value), "rounds must be") for value in ("0", "99999999999999")),
    (("profile", "enet", "--no-speed", "--res", "999999x999999"), "too large"),
    (("profile", "enet", "--no-speed", "--res", "0x64"), "too small"),
    (("profile", "enet", "--res", "64x64", "--device", "CPU"), "unknown device 'CPU'"),
    (("compare", "enet", "--processes", "0"), "processes must be 1 or more"),
    (("compare", "enet", "--processes", "1000000"), "processes must be at most 1,000"),
    (("compare", "enet", "--timeout", "nan"), "--timeout must be a finite number"),
    (("check", "--baseline", "x", "--timeout", "-1"), "--timeout must be above 0 seconds"),
    (("check", "--baseline", "x", "--budget", "inf"), "--budget must be a finite number"),
    (("baseline", "save", "enet", "--timeout", "nan"), "--timeout must be a finite number"),
    (("baseline", "save", "enet", "--processes", "100000"), "--processes must be at most 1,000"),
    ((*EVAL, "--mean", "1,1,1"), "--mean needs --std"),
    ((*EVAL, "--std", "1,1,1"), "--std needs --mean"),
    ((*EVAL, "--short-side", "99999999"), "short side must be"),
    ((*EVAL, "--window", "99999x99999"), "too large"),
    ((*EVAL, "--window", "64x64", "--stride", "128x128"), "stride must be"),
    ((*EVAL, "--stride", "64x64"), "a stride needs a window"),
    ((*EVAL, "--void-rule", "x"), "unknown void rule 'x'"),
    ((*EVAL, "--workers", "-1"), "workers must be 0 or more"),
    ((*EVAL, "--overlays", "3"), "leave out --overlays"),
    ((*MAPS, "--flip"), "leave out --flip"),
    ((*MAPS, "--checkpoint", "x.pth"), "leave out --checkpoint"),
    ((*MAPS, "--device", "cpu"), "leave out --device"),
    ((*MAPS, "--void-rule", "x"), "unknown void rule 'x'"),
    *((("find", "--max-gmacs", value), "--max-gmacs must be") for value in ("nan", "inf", "1e400", "1e30")),
    (("find", "--min-miou=-1"), "--min-miou must be 0 or more"),
    (("find", "--classes", "0"), "--classes must be 1 or more"),
    (("roof", "enet", "--gpu", "V100 (PCIe)", "--res", ""), "is not HEIGHTxWIDTH"),
    (("synthetic", "camvid", "new", "--size", ""), "is not HEIGHTxWIDTH"),
    (("synthetic", "camvid", "new", "--images", "99999999999999999999"), "images must be at most"),
    (("synthetic", "camvid", "new", "--images", "0"), "at least 1 image"),
    (("synthetic", "camvid", "new", "--images", "1000000", "--size", "65535x65535"), "GiB are free"),
    (("synthetic", "camvid", "new", "--size", "999999x999999"), "too large"),
]


@pytest.mark.parametrize(("call", "part"), CALLS, ids=[" ".join(call) for call, _ in CALLS])
def test_a_number_out_of_range_is_refused(in_folder: Path, call: tuple[str, ...], part: str, segbench_cli: Cli) -> None:
    answer = segbench_cli(*call)
    assert answer.status == 2, (answer.out, answer.err)
    assert answer.out == ""
    assert len(answer.err.strip().splitlines()) <= 2
    assert part in answer.err
    assert list(in_folder.iterdir()) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0, 11])
def test_a_limit_is_finite_and_has_two_ends(value: float) -> None:
    limits.check("it", 5, 0, 10, above=True)
    limits.check("it", None, 0, 10)
    with pytest.raises(BadOption, match=r"^it must be "):
        limits.check("it", value, 0, 10, above=True)


NET = nn.Conv2d(3, 4, 1)
LIBRARY: Any = segbench


@pytest.mark.parametrize(
    ("call", "kind", "part"),
    [
        (lambda: LIBRARY.count(None, (64, 64)), TypeError, "NoneType given"),
        (lambda: LIBRARY.count("enet", (64, 64)), TypeError, "torch.nn.Module"),
        (lambda: LIBRARY.count(5, (64, 64)), TypeError, "int given"),
        (lambda: LIBRARY.count(NET, (64,)), TypeError, r"\(height, width\)"),
        (lambda: LIBRARY.count(NET, "64x64"), TypeError, r"\(height, width\)"),
        (lambda: LIBRARY.count(NET, None), TypeError, r"\(height, width\)"),
        (lambda: LIBRARY.count(NET, (64.5, 64)), TypeError, "whole number"),
        (lambda: LIBRARY.count(NET, (math.nan, 64)), TypeError, "whole number"),
        (lambda: LIBRARY.count(NET, (1, 64)), ValueError, "at least 64x64"),
        (lambda: LIBRARY.count(NET, (64, 64), batch=0), ValueError, "batch must be 1 or more"),
        (lambda: LIBRARY.count(NET, (64, 64), batch="2"), TypeError, "whole number"),
        (lambda: LIBRARY.count(NET, (64, 64), inputs="1x3xHxW"), TypeError, "list of texts"),
        (lambda: LIBRARY.count(NET, (64, 64), inputs=5), TypeError, "list of texts"),
        (lambda: LIBRARY.count(NET, (64, 64), inputs=[None]), TypeError, "list of texts"),
        (lambda: LIBRARY.count(NET, (64, 64), inputs=["x"]), ValueError, "not a shape"),
        (lambda: LIBRARY.count(NET, (64, 64), inputs=["1x3xHxW"] * 2), ValueError, "does not take 2 input tensors"),
        (lambda: LIBRARY.count(NET, (64, 64), output=[]), TypeError, "a key, a field or an index"),
        (lambda: LIBRARY.count(NET, (64, 64), output="x"), ValueError, "it returned one Tensor"),
        (lambda: LIBRARY.count(NET, (64, 64), prices=5), ValueError, "a mapping"),
        (lambda: LIBRARY.count(NET, (64, 64), prices={"conv2d": lambda: 1}), ValueError, "TypeError"),
        (lambda: LIBRARY.count(NET, (64, 64), prices={"conv2d": lambda _: 1 / 0}), ValueError, "ZeroDivisionError"),
        (lambda: LIBRARY.count(NET, (64, 64), prices={"conv2d": lambda _: "x"}), ValueError, "whole number"),
        (lambda: LIBRARY.count(NET, (64, 64), prices={"conv2d": lambda _: math.nan}), ValueError, "whole number"),
        (lambda: LIBRARY.count(NET, (64, 64), prices={"conv2d": lambda _: -1}), ValueError, "whole number"),
        (lambda: LIBRARY.count(nn.Linear(5, 5), (64, 64)), ValueError, "fails on an image"),
        (lambda: LIBRARY.build(None), TypeError, "NoneType given"),
        (lambda: LIBRARY.build(5), TypeError, "int given"),
        (lambda: LIBRARY.build("nothing"), ValueError, "unknown network"),
        (lambda: LIBRARY.build("enet", "19"), TypeError, "whole number"),
        (lambda: LIBRARY.build("enet", 1.5), TypeError, "whole number"),
        (lambda: LIBRARY.build("enet", 0), ValueError, "classes must be 1 or more"),
        (lambda: LIBRARY.build("enet", 10**9), ValueError, "at most 65,535"),
        (lambda: LIBRARY.build("enet", width=3), ValueError, "does not take these options"),
        (lambda: LIBRARY.list_models(5), TypeError, "a pattern is a text"),
        (lambda: LIBRARY.load_checkpoint("enet", {}), TypeError, "torch.nn.Module"),
        (lambda: LIBRARY.load_checkpoint(NET, None), TypeError, "a path or a state dict"),
        (lambda: LIBRARY.load_checkpoint(NET, {}, drop="x"), TypeError, "list of regular expressions"),
    ],
)
def test_arguments_of_the_library_are_refused_as_python_does(
    call: Callable[[], object], kind: type[Exception], part: str
) -> None:
    with pytest.raises(SegbenchError, match=part) as found:
        call()
    assert isinstance(found.value, kind)


def test_an_index_says_which_output_counts() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.first(x), self.second(x)

    counts = [segbench.count(Two(), (64, 64), output=index)["operations"]["live-macs"] for index in (0, 1)]
    assert counts == [64 * 64 * 12, 64 * 64 * 15]


def test_complex_weights_are_not_loaded_as_their_real_part() -> None:
    weights = {name: value.to(torch.complex64) for name, value in NET.state_dict().items()}
    with pytest.raises(SegbenchError, match="weight is complex"):
        segbench.load_checkpoint(nn.Conv2d(3, 4, 1), weights)


@pytest.mark.parametrize("given", [10**400, -(10**400), np.array([1, 2]), torch.ones(3), torch.tensor(5.0)])
def test_what_is_no_whole_number_in_range_is_refused_by_name(given: Any) -> None:
    with pytest.raises(SegbenchError, match="classes must be"):
        segbench.build("enet", num_classes=given)
    with pytest.raises(SegbenchError, match="batch must be"):
        segbench.count(nn.Conv2d(3, 19, 1), (64, 128), batch=given)
    with pytest.raises(SegbenchError):
        segbench.count(nn.Conv2d(3, 19, 1), (given, 128))


def test_a_number_of_hundreds_of_digits_is_refused_in_one_line(segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", "enet", "--no-speed", "--classes", "1" + 400 * "0")
    assert answer.status == 2
    assert len(answer.err.strip()) < 300
