"""The table of GPUs: peaks by hand, names as papers print them, a source for every card."""

from __future__ import annotations

import pytest

from segbench.claims import load_claims
from segbench.errors import BadOption, UnknownName
from segbench.gpus import GPUS, cards_of, find


def test_a_peak_is_two_operations_a_core_and_clock() -> None:
    assert GPUS["Titan X (Maxwell)"].peak_flops() == 2 * 3072 * 1089e6
    assert GPUS["Titan X (Pascal)"].peak_flops() / 1e12 == pytest.approx(10.97, abs=0.005)
    assert GPUS["H100 (SXM)"].peak_flops() / 1e12 == pytest.approx(66.9, abs=0.05)


def test_half_precision_takes_the_fastest_units_that_the_card_has() -> None:
    assert GPUS["V100 (SXM2)"].peak_flops("fp16") == 125e12
    assert GPUS["Jetson TX2"].peak_flops("fp16") == 1.33e12
    assert GPUS["GTX 1080 Ti"].peak_flops("fp16") == GPUS["GTX 1080 Ti"].peak_flops()


@pytest.mark.parametrize("gpu", GPUS.values(), ids=lambda gpu: gpu.name)
def test_a_card_has_its_sources_and_runs_at_its_rated_clock_at_least(gpu: object) -> None:
    card = GPUS[gpu.name]  # type: ignore[attr-defined]
    assert card.sources
    assert card.highest_mhz >= card.boost_mhz
    assert card.fp16_tensor_tflops is None or card.fp16_tensor_tflops > card.peak_flops() / 1e12
    assert cards_of(card.name) == (card,)


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("TitanX", ["Titan X (Maxwell)", "Titan X (Pascal)"]),
        ("Titan X", ["Titan X (Maxwell)", "Titan X (Pascal)"]),
        ("TitanX M", ["Titan X (Maxwell)"]),
        ("1080Ti", ["GTX 1080 Ti"]),
        ("NVIDIA GeForce GTX 1080 Ti", ["GTX 1080 Ti"]),
        ("V100", ["V100 (SXM2)", "V100 (PCIe)"]),
        ("*", []),
        ("", []),
    ],
)
def test_a_printed_name_may_mean_several_cards(printed: str, names: list[str]) -> None:
    assert [gpu.name for gpu in cards_of(printed)] == names


def test_every_gpu_that_the_papers_print_beside_fps_is_known() -> None:
    printed = {claim.gpu for claim in load_claims() if claim.fps and claim.gpu.strip("* ")}
    assert len(printed) > 5
    assert [name for name in printed if not cards_of(name)] == []


def test_one_card_is_asked_for_by_name() -> None:
    assert find("titan x (maxwell)") is GPUS["Titan X (Maxwell)"]
    with pytest.raises(BadOption, match=r"Titan X \(Maxwell\) or Titan X \(Pascal\)"):
        find("Titan X")
    with pytest.raises(UnknownName, match="Titan Xp"):
        find("Titan Q")
