"""An fp32 measurement is fp32, and a TF32 one TF32, whatever torch's global precision settings say before it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from segbench.measure.flags import _read, _write, flags_in_force, measurement_flags
from segbench.protocol import protocol_for

OPERATIONS = ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")
# What operations inherit: the precision of all of torch, and those of the backends.
ABOVE = ("", "cudnn", "mkldnn")
newer = pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch before 2.9: older flags alone")


def setting(name: str) -> Any:
    return operator.attrgetter(name)(torch.backends) if name else torch.backends


def state() -> dict[str, str]:
    return {name: setting(name).fp32_precision for name in (*ABOVE, *OPERATIONS)}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    above = {name: setting(name).fp32_precision for name in ABOVE if hasattr(setting(name), "fp32_precision")}
    saved = _read()
    yield
    for name, value in above.items():
        setting(name).fp32_precision = value
    _write(saved)


@newer
@pytest.mark.parametrize("at", [*ABOVE, "cudnn.conv"])
@pytest.mark.parametrize(("precision", "expected"), [("fp32", "ieee"), ("fp16", "ieee"), ("tf32", "tf32")])
def test_each_operation_has_the_protocol_s_precision_whatever_it_would_inherit(
    at: str, precision: str, expected: str
) -> None:
    setting(at).fp32_precision = "ieee" if precision == "tf32" else "tf32"
    before = state()
    with measurement_flags(protocol_for("forward", precision)):
        assert {name: setting(name).fp32_precision for name in OPERATIONS} == dict.fromkeys(OPERATIONS, expected)
        inside = flags_in_force()
    assert inside["matmul_tf32"] is inside["cudnn_tf32"] is (precision == "tf32")
    assert inside["float32_matmul_precision"] == ("high" if precision == "tf32" else "highest")
    assert state() == before


@newer
def test_what_an_operation_inherits_it_still_inherits_afterwards() -> None:
    for name in OPERATIONS:
        setting(name).fp32_precision = "none"
    setting("").fp32_precision = "tf32"
    with measurement_flags(protocol_for("forward")):
        pass
    setting("").fp32_precision = "ieee"
    assert {setting(name).fp32_precision for name in OPERATIONS} == {"ieee"}


@newer
def test_a_cpu_s_bfloat16_products_are_off_in_an_fp32_measurement() -> None:
    setting("mkldnn").fp32_precision = "bf16"
    with measurement_flags(protocol_for("forward")):
        assert setting("mkldnn.matmul").fp32_precision == setting("mkldnn.conv").fp32_precision == "ieee"


@pytest.mark.parametrize("allowed", [True, False])
def test_the_older_flags_are_set_and_restored(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
    before = flags_in_force()
    with measurement_flags(protocol_for("forward", "fp32" if allowed else "tf32")):
        assert flags_in_force()["matmul_tf32"] is flags_in_force()["cudnn_tf32"] is not allowed
    assert flags_in_force() == before
