"""A profile begins with one line; several networks stand side by side, with ratios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from segbench.records.record import Record
from segbench.records.results import Latency, Speed
from segbench.report.card import profile_card
from segbench.report.side_by_side import headline, side_by_side
from tests.conftest import Answer

Cli = Callable[..., Answer]

OPERATIONS = {"macs": 18_310_205_312, "conv-macs": 18_172_522_368, "2xmacs": 36_620_410_624}
MFPNET = Record(model="mfpnet", classes=19, resolution=(512, 1024), params=1_001_696, operations=OPERATIONS)
V100 = Speed(
    mode="forward", device="cuda", device_name="V100", precision="fp32", fps=53.0, latency_ms=Latency(median=20.0)
)


def printed(shown: object, width: int = 120) -> list[str]:
    console = Console(width=width)
    with console.capture() as text:
        console.print(shown)
    return [line.rstrip() for line in text.get().splitlines()]


def test_the_first_line_has_costs_speed_and_the_share_of_the_claim() -> None:
    # Table 2 of the paper prints 18.6 G and 106 FPS on a V100: 18.31 / 18.6 and 53 / 106.
    assert headline(MFPNET) == (
        "mfpnet at 512x1024: 1.002 M parameters, 18.31 GMACs; 98% of the claimed 18.6 G (mfpnet Table 2)"
    )
    assert headline(replace(MFPNET, speed=V100)).endswith("; 50% of the claimed 106 FPS on V100")
    assert "53.0 FPS on V100" in headline(replace(MFPNET, speed=V100))
    assert printed(profile_card(MFPNET))[0] == headline(MFPNET)


def test_a_cpu_timing_is_no_share_of_a_gpu_s() -> None:
    cpu = replace(MFPNET, speed=replace(V100, device="cpu", device_name="a processor"))
    assert "53.0 FPS on CPU" in headline(cpu)
    assert "claimed 106 FPS" not in headline(cpu)


def test_what_no_paper_prints_at_a_size_has_no_share() -> None:
    assert "claimed" not in headline(replace(MFPNET, resolution=(128, 256)))
    assert "claimed" not in headline(replace(MFPNET, model="mine:Net"))


def test_the_counting_rules_are_one_line_unless_they_are_asked_for() -> None:
    folded = printed(profile_card(MFPNET))
    assert any("other rules" in line and "18.17 G to 36.62 G" in line and "2 more" in line for line in folded)
    assert not any("conv-macs" in line for line in folded)
    assert any("conv-macs" in line and "18,172,522,368" in line for line in printed(profile_card(MFPNET, rules=True)))
    one = printed(profile_card(MFPNET, ["2xmacs"]))
    assert any("36,620,410,624" in line for line in one) and not any("other rules" in line for line in one)


def test_ratios_are_to_the_first() -> None:
    other = Record(
        model="mine:Net",
        classes=19,
        resolution=(512, 1024),
        params=500_848,
        speed=replace(V100, fps=106.0, warnings=["hot"]),
    )
    lines = printed(side_by_side([replace(MFPNET, speed=V100), other]))
    cells = {line.split("  ")[0]: line.split() for line in lines}
    assert cells["parameters"][-2:] == ["k", "0.500x"]
    assert cells["FPS"][-3:] == ["53.0", "106", "2.00x"]
    assert cells["MACs"][-2:] == ["-", "-"]
    assert "- mine:Net: hot" in lines


def test_profile_shows_two_networks_side_by_side(segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", "enet", "efrnet", "--res", "64x128", "--no-speed")
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0].startswith("enet at 64x128: 360.4 k parameters")
    assert lines[1].startswith("efrnet at 64x128: 478.0 k parameters")
    # 478,022 / 360,422.
    assert any(line.startswith("parameters") and line.rstrip().endswith("1.33x") for line in lines)


def test_the_readme_shows_the_first_line_of_its_first_command() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert f"> {headline(MFPNET)}\n" in readme
