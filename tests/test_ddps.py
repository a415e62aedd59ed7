"""DDPS: its denoising step beside the figures of the reference, exactly where the golden file is rounded."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from segbench.models.ddps import CHANNELS, Attention, DenoisingDecoder, LinearAttention
from tests import golden_recipe


def _einsum(module: nn.Module, height: int, width: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        counts = FlopCountAnalysis(module.eval(), torch.zeros(1, CHANNELS, height, width))
        return counts.unsupported_ops_warnings(False).by_operator()["einsum"]


def test_attention_costs_what_fvcore_counts_of_the_reference() -> None:
    # fvcore reads the cost of each einsum off what numpy prints of it, with four digits: the golden file's sum is
    # 1.77858 G instead of 1.778384896 G, and the golden test allows for that. Here the rounding is met, too.
    linear = [2 * _einsum(LinearAttention(), 512 // stride, 1024 // stride) for stride in (4, 8, 16)]
    counted = sum(linear) + _einsum(Attention(), 512 // 16, 1024 // 16)
    for file in ("ddps_segformer_b2_step0", "ddps_segformer_b5_step0"):
        assert golden_recipe.load(file)["fvcore_by_operator_gmacs"]["512x1024"]["einsum"] == counted / 1e9


def test_the_fixed_mask_is_the_golden_files() -> None:
    decoder = DenoisingDecoder((64, 128, 320, 512), 20)
    mask = decoder.fixed_mask(torch.zeros(2, 256, 4, 8))
    assert mask.shape == (2, 4, 8)
    assert mask[1, 3, 5] == ((3 * 8 + 5) * 7 + 3) % 20


def test_another_step_or_mask_gives_other_scores() -> None:
    decoder = DenoisingDecoder((64, 128, 320, 512), 20).eval()
    condition = torch.randn(1, 256, 8, 8)
    mask = decoder.fixed_mask(condition)
    with torch.inference_mode():
        first = decoder.denoise(condition, mask, torch.tensor([0]))
        assert first.shape == (1, 20, 8, 8)
        assert not torch.allclose(first, decoder.denoise(condition, mask, torch.tensor([50])))
        assert not torch.allclose(first, decoder.denoise(condition, (mask + 1) % 20, torch.tensor([0])))
