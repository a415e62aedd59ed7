"""Every network against the outputs of its reference implementation (tests/golden)."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from math import prod

import pytest
import torch
from torch import Tensor

from segbench import build, load_checkpoint
from segbench.catalog import CATALOG, Entry, Golden
from segbench.counting.count import count_trace
from segbench.counting.modules import modules
from segbench.counting.tracer import trace
from tests import golden_recipe
from tests.wiring import slow_if_large


@dataclass(frozen=True)
class Case:
    entry: Entry
    golden: Golden

    def __str__(self) -> str:
        return f"{self.entry.name}-{self.golden.file}"


CASES = [Case(entry, golden) for entry in CATALOG.values() for golden in entry.golden]
FORWARDS = [pytest.param(case, marks=slow_if_large(case.entry)) for case in CASES]


def _worn(state: dict[str, Tensor], file: str) -> dict[str, dict[str, Tensor]]:
    """The state dict as a training script leaves it: shuffled, wrapped, with a loss buffer and profiler residue."""
    keys = list(state)
    random.Random(file).shuffle(keys)
    worn = {f"module.{key}": state[key] for key in keys}
    worn["module.total_ops"] = torch.zeros(1)
    worn["loss.weight"] = torch.ones(19)
    return {"state_dict": worn}


@pytest.mark.parametrize("case", FORWARDS, ids=str)
def test_logits_equal_the_reference(case: Case) -> None:
    golden = golden_recipe.load(case.golden.file)
    net = build(case.entry.name, golden["num_classes"], **case.golden.options)

    parameters = sum(parameter.numel() for parameter in net.parameters())
    counted = golden["params_total"]
    selecting = sum(
        prod(shape)
        for key, shape, _ in golden["state_dict"]
        if key in counted.get("not_reached_by_eval_output", ())
        and any(re.search(pattern, key) for pattern in case.golden.selecting)
    )
    # TensorFlow's reference runs construct nothing for training, and counted the whole network alone.
    assert parameters == counted.get("inference_graph_without_aux", counted["all_trainable"]) + selecting

    load_checkpoint(net, _worn(golden_recipe.state(golden), case.golden.file))
    for sample in golden["golden"]["cases"]:
        if sample.get("failed"):
            continue
        x = golden_recipe.image(sample["input_shape"])
        for precision, tolerance in (("float64", 1e-6), ("float32", 1e-3)):
            expected = sample.get(precision)
            if not expected:
                continue
            dtype = getattr(torch, precision)
            with torch.inference_mode():
                y = net.to(dtype).logits(x.to(dtype))
                if golden["eval_mode_output"].startswith("log_softmax"):
                    y = y.log_softmax(dim=1)
            assert list(y.shape) == expected["shape"]
            flat = y.double().flatten()
            got = flat[torch.tensor(sample["sample_indices"])]
            difference = (got - torch.tensor(expected["samples"], dtype=torch.float64)).abs().max().item()
            assert difference <= tolerance * expected["std"], f"{case} {precision} {sample['input_shape']}"


# Operators that are multiply-accumulates in fvcore's breakdown; the rest are normalisation, resizing and pooling.
MAC_OPERATORS = ("conv", "linear", "matmul", "bmm", "addmm", "einsum")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_macs_equal_the_reference(case: Case) -> None:
    golden = golden_recipe.load(case.golden.file)
    with torch.device("meta"):
        net = build(case.entry.name, golden["num_classes"], **case.golden.options)
    convolutions = golden.get("macs_torch_flopcounter")
    if convolutions:
        # PyTorch's own counter gives integers, and counts what runs, whether or not it reaches the output.
        for size in ("1024x2048", "1025x2049"):
            if size in convolutions:
                height, width = map(int, size.split("x"))
                assert count_trace(trace(net, (1, 3, height, width)), "conv-macs").total == convolutions[size]
        return
    # Some reference code takes other sizes only (8k + 1 pixels), and was counted at the nearest.
    height, width = golden.get("count_shape", {}).get("512x1024", (512, 1024))[-2:]
    traced = trace(net, (1, 3, height, width))
    by_operator = golden.get("fvcore_by_operator_gmacs", {}).get("512x1024")
    if by_operator:
        entries = [by_operator[name] for name in MAC_OPERATORS if name in by_operator]
        counted = count_trace(traced, "macs", reaching_output=True).total
        # fvcore reads the cost of an einsum off what numpy prints of it, which has four digits.
        assert abs(counted / 1e9 - sum(entries)) <= 2e-6 + 5e-4 * by_operator.get("einsum", 0.0)
    else:
        # Paddle's reference run counted its Conv2D layers alone.
        convolutions = sum(row.macs or 0 for row in modules(traced, net) if row.type == "Conv2d")
        assert abs(convolutions / 1e9 - golden["gmacs_conv_linear_modules_only"]["512x1024"]) <= 2e-6
