"""DDPS (Lai et al., "Denoising Diffusion Semantic Segmentation with Mask Prior Modeling", arXiv 2306.01721, 2023).

A SegFormer-like decoder fuses the maps of a Mix Transformer; on that condition a U-Net denoises a mask, step by step.
The authors start from a random mask and sample between steps. Here one denoising step is taken, the first, on a fixed
mask, so that the output is a function of the image.

Public code: OpenGVLab/DDPS@ce438ed90d10 (``segformer_head_unet_fc_head_multi_step.py``, ``unet_time_embed.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.mit import MMSEG_RENAMES, MixTransformer, split_attention
from segbench.models.base import Network, StateDict, resize
from segbench.models.layers import ConvBNReLU

CHANNELS = 256
TIME_CHANNELS = 4 * CHANNELS
MASK_CHANNELS = 16
SCALES = 3
HEADS, HEAD_CHANNELS = 4, 32


def epsilon(x: Tensor) -> float:
    """What the reference adds to variances: more in half precision."""
    return 1e-3 if x.dtype in (torch.float16, torch.bfloat16) else 1e-5


class WeightStandardizedConv2d(nn.Conv2d):
    """A convolution whose filters are brought to zero mean and unit variance on every call (arXiv 1903.10520)."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C', H, W)``."""
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * (variance + epsilon(x)).rsqrt()
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of a map, with a gain and no bias."""

    def __init__(self, channels: int) -> None:
        """Build the gain."""
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return (x - mean) * (variance + epsilon(x)).rsqrt() * self.g


class Block(nn.Module):
    """A standardised 3x3 convolution, group normalisation, and SiLU after the time embedding's scale and shift."""

    def __init__(self, in_channels: int, channels: int) -> None:
        """Build the layers."""
        super().__init__()
        self.proj = WeightStandardizedConv2d(in_channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(8, channels)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor, scale_shift: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H, W)``; scale and shift are ``(N, channels, 1, 1)``."""
        x = self.norm(self.proj(x))
        if scale_shift is not None:
            scale, shift = scale_shift
            x = x * (scale + 1) + shift
        return self.act(x)


class ResnetBlock(nn.Module):
    """Two blocks and a shortcut; the first one is modulated by the time embedding."""

    def __init__(self, in_channels: int, channels: int = CHANNELS) -> None:
        """Map `in_channels` to `channels`."""
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(TIME_CHANNELS, 2 * channels))
        self.block1 = Block(in_channels, channels)
        self.block2 = Block(channels, channels)
        self.res_conv = nn.Conv2d(in_channels, channels, 1) if in_channels != channels else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` and a time embedding ``(N, 1024)`` to ``(N, channels, H, W)``."""
        scale, shift = self.mlp(time)[:, :, None, None].chunk(2, dim=1)
        out = self.block2(self.block1(x, (scale, shift)))
        out += x if self.res_conv is None else self.res_conv(x)
        return out


class LinearAttention(nn.Module):
    """Normalisation, and attention at a cost linear in the number of positions, with a shortcut."""

    def __init__(self) -> None:
        """Build the projections."""
        super().__init__()
        self.norm = ChannelNorm(CHANNELS)
        self.to_qkv = nn.Conv2d(CHANNELS, 3 * HEADS * HEAD_CHANNELS, 1, bias=False)
        self.to_out = nn.Sequential(nn.Conv2d(HEADS * HEAD_CHANNELS, CHANNELS, 1), ChannelNorm(CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 256, H, W)`` to the same shape."""
        height, width = x.shape[2], x.shape[3]
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).unflatten(1, (3, HEADS, -1)).unbind(1)
        q = q.softmax(dim=-2) * HEAD_CHANNELS**-0.5
        context = torch.einsum("bhdn,bhen->bhde", k.softmax(dim=-1), v / (height * width))
        out = torch.einsum("bhde,bhdn->bhen", context, q).flatten(1, 2).unflatten(2, (height, width))
        return self.to_out(out) + x


class Attention(nn.Module):
    """Normalisation, and attention of each position to all others, with a shortcut."""

    def __init__(self) -> None:
        """Build the projections."""
        super().__init__()
        self.norm = ChannelNorm(CHANNELS)
        self.to_qkv = nn.Conv2d(CHANNELS, 3 * HEADS * HEAD_CHANNELS, 1, bias=False)
        self.to_out = nn.Conv2d(HEADS * HEAD_CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 256, H, W)`` to the same shape."""
        size = x.shape[2], x.shape[3]
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).unflatten(1, (3, HEADS, -1)).unbind(1)
        attention = torch.einsum("bhdi,bhdj->bhij", q * HEAD_CHANNELS**-0.5, k).softmax(dim=-1)
        out = torch.einsum("bhij,bhdj->bhdi", attention, v).flatten(1, 2).unflatten(2, size)
        return self.to_out(out) + x


class Level(nn.Module):
    """Two residual blocks, linear attention and a change of scale: one step down or up the U-Net.

    The U-Net calls the parts, because the skip connections go in or out between them.
    """

    def __init__(self, in_channels: int, resample: nn.Module) -> None:
        """Build the level; `in_channels` is the width that both blocks see."""
        super().__init__()
        self.first = ResnetBlock(in_channels)
        self.second = ResnetBlock(in_channels)
        self.attn = LinearAttention()
        self.resample = resample


def _levels(modules: nn.ModuleList) -> Iterator[Level]:
    for module in modules:
        assert isinstance(module, Level)
        yield module


def time_embedding(time: Tensor, dtype: torch.dtype) -> Tensor:
    """Sinusoids of the time steps ``(N,)`` at geometric frequencies, ``(N, 256)``."""
    half = CHANNELS // 2
    rates = torch.exp(torch.arange(half, device=time.device, dtype=dtype) * (-math.log(10000) / (half - 1)))
    angles = time[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


class UNet(nn.Module):
    """U-Net of three scales, 256 channels wide throughout, told the time step."""

    def __init__(self) -> None:
        """Build the network."""
        super().__init__()
        self.init_conv = nn.Conv2d(CHANNELS + MASK_CHANNELS, CHANNELS, 7, padding=3)
        self.time_mlp = nn.Sequential(
            nn.Linear(CHANNELS, TIME_CHANNELS), nn.GELU(), nn.Linear(TIME_CHANNELS, TIME_CHANNELS)
        )

        def same() -> nn.Module:
            return nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)

        def down() -> nn.Module:
            return nn.Conv2d(CHANNELS, CHANNELS, 4, 2, 1)

        def up() -> nn.Module:
            return nn.Sequential(nn.Upsample(scale_factor=2), same())

        self.downs = nn.ModuleList(Level(CHANNELS, resample()) for resample in (*[down] * (SCALES - 1), same))
        self.mid_block1 = ResnetBlock(CHANNELS)
        self.mid_attn = Attention()
        self.mid_block2 = ResnetBlock(CHANNELS)
        self.ups = nn.ModuleList(Level(2 * CHANNELS, resample()) for resample in (*[up] * (SCALES - 1), same))
        self.final_res_block = ResnetBlock(2 * CHANNELS)
        self.final_conv = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """``(N, 272, H, W)`` and time steps ``(N,)`` to ``(N, 256, H, W)``; H and W are multiples of 4."""
        first = x = self.init_conv(x)
        t = self.time_mlp(time_embedding(time, x.dtype))
        skips: list[Tensor] = []
        for level in _levels(self.downs):
            x = level.first(x, t)
            skips.append(x)
            x = level.attn(level.second(x, t))
            skips.append(x)
            x = level.resample(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, t)), t)
        for level in _levels(self.ups):
            x = level.first(torch.cat((x, skips.pop()), dim=1), t)
            x = level.second(torch.cat((x, skips.pop()), dim=1), t)
            x = level.resample(level.attn(x))
        return self.final_conv(self.final_res_block(torch.cat((x, first), dim=1), t))


class DenoisingDecoder(nn.Module):
    """Fusion of the encoder's maps, and the U-Net that denoises a mask on that condition."""

    def __init__(self, in_channels: Sequence[int], num_classes: int) -> None:
        """Build the decoder; `in_channels` are the widths of the four maps, finest first."""
        super().__init__()
        self.num_classes = num_classes
        self.convs = nn.ModuleList(ConvBNReLU(width, CHANNELS) for width in in_channels)
        self.fusion_conv = ConvBNReLU(len(in_channels) * CHANNELS, CHANNELS)
        self.unet = UNet()
        self.conv_seg = nn.Conv2d(CHANNELS, num_classes, 1)
        self.embed = nn.Embedding(num_classes, MASK_CHANNELS)

    def condition(self, maps: Sequence[Tensor]) -> Tensor:
        """Four maps, finest first, to ``(N, 256, H, W)`` at the size of the first."""
        size = maps[0].shape[-2:]
        joined = torch.cat([resize(conv(x), size) for conv, x in zip(self.convs, maps, strict=True)], dim=1)
        return self.fusion_conv(joined)

    def denoise(self, condition: Tensor, mask: Tensor, time: Tensor) -> Tensor:
        """One step: condition ``(N, 256, H, W)``, class indices ``(N, H, W)`` and time steps ``(N,)`` to scores."""
        embedded = self.embed(mask).permute(0, 3, 1, 2)
        return self.conv_seg(self.unet(torch.cat((condition, embedded), dim=1), time))

    def fixed_mask(self, condition: Tensor) -> Tensor:
        """Class indices ``(N, H, W)`` that stand for noise: every seventh class in turn."""
        batch, _, height, width = condition.shape
        pixels = torch.arange(height * width, device=condition.device)
        return ((7 * pixels + 3) % self.num_classes).unflatten(0, (height, width)).expand(batch, -1, -1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Four maps to the class scores ``(N, num_classes, H, W)`` of the first denoising step."""
        condition = self.condition(maps)
        time = torch.zeros(condition.shape[0], dtype=torch.long, device=condition.device)
        return self.denoise(condition, self.fixed_mask(condition), time)


class DDPS(Network):
    """Mix Transformer encoder and one step of the denoising decoder."""

    # The U-Net halves the map of stride 4 twice and joins what comes back.
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *MMSEG_RENAMES,
        (r"^decode_head\.conv_seg_new\.", "decode_head.conv_seg."),
        (r"\.unet\.time_mlp\.1\.", ".unet.time_mlp.0."),
        (r"\.unet\.time_mlp\.3\.", ".unet.time_mlp.2."),
        (r"(\.unet\.(?:downs|ups)\.\d)\.0\.", r"\1.first."),
        (r"(\.unet\.(?:downs|ups)\.\d)\.1\.", r"\1.second."),
        (r"(\.unet\.(?:downs|ups)\.\d)\.2\.", r"\1.attn."),
        (r"(\.unet\.(?:downs|ups)\.\d)\.3\.", r"\1.resample."),
        (r"\.fn\.fn\.", "."),
        (r"\.fn\.norm\.", ".norm."),
    )
    # The noise schedule is of use between steps only.
    dropped: ClassVar[tuple[str, ...]] = (r"^decode_head\.log_",)

    def __init__(self, depths: Sequence[int], num_classes: int) -> None:
        """Build the network; `depths` are the blocks per stage of the encoder."""
        super().__init__()
        self.backbone = MixTransformer((64, 128, 320, 512), depths, eps=1e-6, merging_eps=1e-6)
        self.decode_head = DenoisingDecoder(self.backbone.channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)`` of the first denoising step."""
        return self.decode_head(self.backbone(x))

    def from_reference(self, state: StateDict) -> dict[str, Tensor]:
        """The state dict of the authors' decoder on mmsegmentation's encoder, under our keys."""
        return super().from_reference(split_attention(state))


def ddps_segformer_b5(num_classes: int = 20) -> DDPS:
    """DDPS with MiT-B5: 122,784,532 parameters at 20 classes, one of them for pixels without a label."""
    return DDPS((3, 6, 40, 3), num_classes)


def ddps_segformer_b2(num_classes: int = 151) -> DDPS:
    """DDPS with MiT-B2: 65,573,575 parameters at 151 classes, one of them for pixels without a label."""
    return DDPS((3, 4, 6, 3), num_classes)
