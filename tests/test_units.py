"""Numbers and resolutions as people read and write them."""

from __future__ import annotations

import pytest

from segbench import resolution, units
from segbench.errors import BadResolution


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18310205312, "18.31 G"),
        (1001696, "1.002 M"),
        (999_999, "1.000 M"),
        (19, "19"),
        (0, "0"),
        (1_322_000_000_000, "1.322 T"),
    ],
)
def test_scaled(value: float, text: str) -> None:
    assert units.scaled(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(106.24, "106"), (9.4321, "9.43"), (0.01234, "0.0123"), (1234.5, "1234"), (0, "0")]
)
def test_significant(value: float, text: str) -> None:
    assert units.significant(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(42, "42 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")])
def test_duration(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize("text", ["512x1024", "512X1024", " 512 x 1024 ", "512×1024"])  # noqa: RUF001
def test_a_resolution_is_height_by_width(text: str) -> None:
    assert resolution.parse(text) == (512, 1024)


@pytest.mark.parametrize("text", ["512", "512x", "x512", "-512x512", "512x1024x3", "axb", "", "5.5x7", "0x0", "63x640"])
def test_other_resolutions_are_refused(text: str) -> None:
    with pytest.raises(BadResolution, match=r"HEIGHTxWIDTH|too small"):
        resolution.parse(text)


def test_a_size_that_the_reference_rejects_offers_the_nearest() -> None:
    with pytest.raises(BadResolution, match="136x256 is the nearest"):
        resolution.check(133, 256, resolution.SizeRule(8), "ddrnet-23")


def test_an_offset_beside_the_multiple_is_named_and_kept() -> None:
    resolution.check(513, 1025, resolution.SizeRule(8, 1), "pspnet-r50")
    with pytest.raises(BadResolution, match=r"multiples of 8 plus 1, .* 1025x2049 is the nearest"):
        resolution.check(1024, 2048, resolution.SizeRule(8, 1), "pspnet-r50")


def test_significant_never_writes_an_exponent() -> None:
    assert units.significant(999.96) == "1000"
    assert units.significant(0.0000123) == "0.000012"
