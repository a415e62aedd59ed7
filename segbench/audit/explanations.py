"""What explains a printed cost that no counting rule explains: the count of something other than the network here.

An explanation names what was counted and holds the count; it turns a verdict of ``unexplained`` into ``explained`` only
where that count comes within 5 % of the printed figure, the bound of the other verdicts. A remark says what is known of
a figure, or what was tried, and leaves it ``unexplained``. Tests build and count what the explanations name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Quantity = Literal["params", "flops"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about a printed cost that differs from the count of the network.

    Attributes:
        model: name in the catalog.
        quantity: ``params`` or ``flops``.
        printed: the figures it speaks of, as printed: millions of parameters, or G of operations.
        sentence: one sentence for people.
        count: what the sentence explains the figure by, in parameters or operations; None for a remark.
        unit: what one printed G is, where the tool that counted is known to divide by something else than 10^9: a fact
            about that tool, never fitted to the figure.
    """

    model: str
    quantity: Quantity
    printed: tuple[str, ...]
    sentence: str
    count: int | None = None
    unit: int | None = None


GIBI = 2**30
"""What HRNet's own counter divides by: ``flops_sum/(1024**3)``, lib/utils/modelsummary.py of
HRNet/HRNet-Semantic-Segmentation@081bd42d."""

_EXPLANATIONS = (
    Explanation(
        "deeplabv3plus-r101-os8",
        "params",
        ("62.70",),
        "mmsegmentation's DeepLabV3+ with ResNet-101 and its auxiliary head of training has 62.58 M parameters, the "
        "port built here has neither its ASPP of 512 channels nor that head.",
        62_582_006,
    ),
    Explanation(
        "deeplabv3plus-r101-os8",
        "flops",
        ("2032.3",),
        "mmsegmentation's DeepLabV3+ with ResNet-101 counts 2,029.9 G at 1024x2048.",
        2_029_882_703_872,
    ),
    Explanation(
        "dsanet",
        "flops",
        ("37.4",),
        "The public code executes 37.5 G at 512x1024: its attention modules run in evaluation, too, although they feed "
        "auxiliary outputs alone.",
        37_545_312_000,
    ),
    Explanation(
        "dsanet",
        "params",
        ("3.47",),
        "With the attention modules that feed auxiliary outputs alone the public code has 3.12 M parameters.",
    ),
    Explanation(
        "dfanet-a",
        "params",
        ("7.80",),
        "DFANet's own paper prints 7.8 M; two public ports have 2.2 M (huaifeng1993/DFANet) and 3.05 M "
        "(zh320/realtime-semantic-segmentation-pytorch).",
    ),
    Explanation(
        "dfanet-a",
        "flops",
        ("3.4",),
        "DFANet's own paper prints 3.4 G, at 1024x1024; the public port counts 7.6 G there.",
    ),
    Explanation(
        "fbsnet",
        "flops",
        ("9.7",),
        "The other cells of the row are those of FBSNet's own abstract; the authors' public code counts 17.5 G at "
        "512x1024 and 7.7 G at 360x640.",
    ),
    Explanation(
        "sgcpnet",
        "flops",
        ("4.5",),
        "The authors' public code counts 3.3 G at 1024x2048 and has the printed parameters.",
    ),
    Explanation(
        "segformer-b1",
        "flops",
        ("243.7",),
        "The figure is that of a 1024x2048 input: there the network counts 240.26 G under fvcore.",
        240_257_073_152,
    ),
    Explanation(
        "nrd-r50",
        "params",
        ("36.6",),
        "The authors' public code, whose FLOPs agree, has 43.57 M parameters; which 7 M the paper leaves out was not "
        "found.",
    ),
    Explanation(
        "bialignnet-dfnet2",
        "flops",
        ("108.73",),
        "The authors' public code counts 115.9 G under every rule without point-wise operations; in units of 2^30, "
        "which their own counter does not use, thop's 116.5 G are 108.5.",
    ),
    Explanation(
        "sfanet-r18",
        "params",
        ("14.6",),
        "No code of the authors is public; the reproduction built here (kaigelee/CSFCN) has 12.7 M parameters, at the "
        "FLOPs that are printed.",
    ),
    Explanation(
        "ifa-r50",
        "params",
        ("27.8",),
        "With the auxiliary head of training the authors' public code has 27.77 M parameters.",
        27_765_062,
    ),
    Explanation(
        "ifa-r50",
        "flops",
        ("186.9",),
        "With the auxiliary head of training, at stride 16, the network counts 186.85 G under fvcore.",
        186_850_604_928,
    ),
    Explanation(
        "rtformer-base",
        "params",
        ("16.8",),
        "Without the keys and values that two of its attention modules hold outside layers the network has 16.85 M "
        "parameters: counters that sum over layers miss them.",
        16_848_467,
    ),
    Explanation(
        "hanet-r101",
        "params",
        ("65.4",),
        "With the auxiliary head of training the authors' public code has 64.80 M parameters.",
        64_803_149,
    ),
    Explanation(
        "sqnet",
        "flops",
        ("270",),
        "No code of the authors is public; the port built here counts 143.9 G at 512x1024, doubled 287.8 G.",
    ),
    Explanation(
        "icnet",
        "flops",
        ("28.3",),
        "The figure is that of a 512x1024 input: there the network counts 28.51 G.",
        28_508_160_000,
    ),
    Explanation(
        "icnet",
        "params",
        ("12.29",),
        "With 12.29 M it is another network than the ICNet of 26.5 M that the other tables print; a public one with "
        "ResNet-18 has 12.42 M (zh320/realtime-semantic-segmentation-pytorch).",
    ),
    Explanation(
        "icnet",
        "flops",
        ("15.05",),
        "It stands beside 12.29 M parameters, and so for another network than the ICNet of 26.5 M.",
    ),
    Explanation(
        "erfnet",
        "flops",
        ("21.0",),
        "The authors' public code counts 26.6 G at the printed size.",
    ),
    Explanation(
        "cabinet",
        "flops",
        ("12.0",),
        "The authors' public code of 2021 counts 13.2 G at the printed size.",
    ),
    Explanation(
        "dabnet",
        "flops",
        ("10.46",),
        "The figure is that of a 512x1024 input: there the network counts 10.46 G under ptflops.",
        10_461_757_440,
    ),
    Explanation(
        "bisenet-r18",
        "flops",
        ("103.72",),
        "The figure is that of a 1024x2048 input: there the authors' public code counts 103.72 G.",
        103_723_270_144,
    ),
    Explanation(
        "bisenet-r18",
        "params",
        ("49.00",),
        "Copied from BiSeNet's Table 4, where ResNet-18 cannot have it: the authors' public code has 12.9 M "
        "parameters, whose float32 weights take 49.2 MiB, so that the printed figure may be a size and not a count.",
    ),
    Explanation(
        "bisenet-r18",
        "flops",
        ("10.80",),
        "Copied from BiSeNet's Table 4: the authors' public code counts 11.58 G at 360x640, 10.79 in units of 2^30, "
        "and the 2.9 G of Xception39 beside it agree the same way.",
        11_581_049_856,
        GIBI,
    ),
    Explanation(
        "bisenet-xception39",
        "params",
        ("5.8",),
        "The authors' public code has 1.54 M parameters, whose float32 weights take 5.88 MiB: the printed figure may "
        "be a size and not a count.",
    ),
    Explanation(
        "bisenetv2",
        "flops",
        ("21.1",),
        "Copied from BiSeNet V2, which prints 21.15; both public ports (CoinCheung/BiSeNet, mmsegmentation) count "
        "24.6 G at the printed size.",
    ),
    Explanation(
        "bisenetv2-l",
        "flops",
        ("118.51",),
        "The only public port with the paper's width and depth factors (Admit24/neural) counts 221.5 G.",
    ),
    Explanation(
        "dilation8",
        "params",
        ("140.8",),
        "The authors' network for Pascal VOC, with 21 classes and the larger context module, has 141.1 M parameters; "
        "that for CamVid has 134.3 M.",
        141_149_720,
    ),
    Explanation(
        "espnetv2-1.0",
        "params",
        ("0.368",),
        "The scale is not printed: 1.0 has 0.338 M parameters with 11 classes, 1.5 has 0.72 M.",
    ),
    Explanation(
        "deeplabv3plus-xception71",
        "params",
        ("43.5",),
        "Copied from the HRNet paper, with 1444.6 G, which do agree: with the paper's separable ASPP and decoder this "
        "trunk has 41.0 M parameters; NVIDIA's version, built here, has 54.6 M.",
    ),
    Explanation(
        "deeplabv3plus-xception71",
        "flops",
        ("1445",),
        "With the paper's separable ASPP and its separable decoder at stride 4 this trunk counts 1,445.0 G; NVIDIA's "
        "version, built here, has full convolutions and a decoder at stride 2.",
        1_444_971_020_288,
    ),
    Explanation(
        "deeplabv3-r101",
        "params",
        ("58.0",),
        "With the paper's ASPP (256 channels, joined by a 1x1 convolution) and a plain stem it has 58.04 M parameters; "
        "mmsegmentation's, built here, has 512 channels and joins them by a 3x3 convolution.",
        58_040_147,
    ),
    Explanation(
        "deeplabv3-r101",
        "flops",
        ("1779",),
        "Copied from the HRNet paper, whose counter divides by 2^30: with the paper's ASPP (256 channels, joined by a "
        "1x1 convolution) and a plain stem the network counts 1,909.9 G, 1,778.7 in units of 2^30.",
        1_909_910_405_120,
        GIBI,
    ),
    Explanation(
        "hrnetv2-w40",
        "params",
        ("45.2",),
        "The authors publish no configuration of width 40: theirs of width 48 with base width 40 has 45.89 M.",
    ),
    Explanation(
        "hrnetv2-w40",
        "flops",
        ("493",),
        "Copied from the HRNet paper (493.2), whose authors publish no configuration of width 40: theirs of width 48, "
        "which agrees with its row, counts 535.4 G with base width 40, 498.7 in units of 2^30.",
    ),
    Explanation(
        "deeplabv3plus-resnet50-os16",
        "flops",
        ("324.3",),
        "No reading of the paper was found that meets this row together with the other three DeepLabV3+ rows.",
    ),
)


EXPLANATIONS: Mapping[tuple[str, Quantity, str], Explanation] = MappingProxyType(
    {(item.model, item.quantity, printed): item for item in _EXPLANATIONS for printed in item.printed}
)
"""By name in the catalog, quantity and the figure as printed."""
