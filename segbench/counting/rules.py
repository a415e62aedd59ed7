"""The counting rules: for each kind of operation, or type of module, the function that counts it.

The tables come first, as in fvcore's ``flop_count.py``; below them stands what else belongs to each rule. To count
another operation is one line in a table and one small function in `macs`, `fvcore_rule`, `thop_rule`, `ptflops_rule`
or `torchstat_rule`. Nothing in here looks at a network: `segbench.counting.count` applies a rule to a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from segbench.counting import fvcore_rule as fvcore
from segbench.counting import macs
from segbench.counting import ptflops_rule as ptflops
from segbench.counting import thop_rule as thop
from segbench.counting import torchstat_rule as torchstat
from segbench.counting.kinds import MOVES_DATA, has_no_products
from segbench.counting.trace import ModuleCall, Operation, Trace

OperationCounter = Callable[[Operation], int]
ModuleCounter = Callable[[ModuleCall], int]

CONVOLUTIONS: Mapping[str, OperationCounter] = {
    "conv1d": macs.convolution,
    "conv2d": macs.convolution,
    "conv3d": macs.convolution,
    "conv_transpose1d": macs.transposed_convolution,
    "conv_transpose2d": macs.transposed_convolution,
    "conv_transpose3d": macs.transposed_convolution,
    "torchvision::deform_conv2d": macs.convolution,
    "linear": macs.linear,
}

PRODUCTS: Mapping[str, OperationCounter] = {
    "matmul": macs.product,
    "mm": macs.product,
    "bmm": macs.product,
    "mv": macs.product,
    "dot": macs.product,
    "vdot": macs.product,
    "addmm": macs.added_product,
    "_addmm_activation": macs.added_product,
    "baddbmm": macs.added_product,
    "addmv": macs.added_product,
    "addbmm": macs.summed_product,
    "scaled_dot_product_attention": macs.attention,
    "_scaled_dot_product_attention_math": macs.attention,
    "_scaled_dot_product_flash_attention": macs.attention,
    "_scaled_dot_product_flash_attention_for_cpu": macs.attention,
    "_scaled_dot_product_efficient_attention": macs.attention,
    "_scaled_dot_product_cudnn_attention": macs.attention,
    "flex_attention": macs.attention,
    "affine_grid_generator": macs.affine_grid,
    "bilinear": macs.bilinear,
    "cdist": macs.distances,
    "_cdist_forward": macs.distances,
    "pdist": macs.distances,
    "_pdist_forward": macs.distances,
    "_sparse_mm": macs.product,
}

QUANTISED: Mapping[str, OperationCounter] = {
    **{
        f"quantized::{kind}": macs.convolution
        for stem in ("conv1d", "conv2d", "conv3d")
        for kind in (stem, f"{stem}_relu", f"{stem}_add", f"{stem}_add_relu", f"{stem}_dynamic")
    },
    **{
        f"quantized::{kind}": macs.transposed_convolution
        for stem in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
        for kind in (stem, f"{stem}_dynamic")
    },
    **{
        f"quantized::linear{kind}": macs.quantised_linear
        for kind in ("", "_relu", "_dynamic", "_relu_dynamic", "_dynamic_fp16", "_relu_dynamic_fp16")
    },
}

MACS: Mapping[str, OperationCounter] = {
    kind: macs.real_products(counter) for kind, counter in {**CONVOLUTIONS, **QUANTISED, **PRODUCTS}.items()
}
FFT_FLOPS: Mapping[str, OperationCounter] = dict.fromkeys(("_fft_r2c", "_fft_c2r", "_fft_c2c"), macs.fourier_transform)
CONV_MACS: Mapping[str, OperationCounter] = {**MACS, **dict.fromkeys(PRODUCTS, macs.nothing)}
TWICE_MACS: Mapping[str, OperationCounter] = {kind: macs.twice(counter) for kind, counter in MACS.items()}

FVCORE: Mapping[str, OperationCounter] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), macs.convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), macs.transposed_convolution),
    "linear": macs.linear,
    "matmul": fvcore.unbroadcast_product,
    "mm": fvcore.unbroadcast_product,
    "addmm": fvcore.matrix_product,
    "bmm": macs.product,
    "einsum": fvcore.einsum,
    "batch_norm": fvcore.batch_norm,
    "layer_norm": fvcore.normalisation,
    "group_norm": fvcore.normalisation,
    "instance_norm": fvcore.normalisation,
    "upsample_nearest2d": fvcore.output_elements,
    "upsample_bilinear2d": fvcore.four_per_output,
    "adaptive_avg_pool2d": fvcore.pooled_elements,
    "grid_sampler": fvcore.four_per_output,
}

THOP: Mapping[type[nn.Module], ModuleCounter] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), thop.convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), thop.convolution),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm), thop.normalisation),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.LayerNorm), thop.normalisation),
    nn.PReLU: thop.input_elements,
    nn.Softmax: thop.softmax,
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), thop.output_elements),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), thop.adaptive_average),
    nn.Linear: thop.linear,
    **dict.fromkeys((nn.RNN, nn.GRU, nn.LSTM), thop.recurrent),
    **dict.fromkeys((nn.RNNCell, nn.GRUCell, nn.LSTMCell), thop.recurrent_cell),
    **dict.fromkeys((nn.Upsample, nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d), thop.upsampling),
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Dropout, nn.ZeroPad2d, nn.PixelShuffle), thop.nothing),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), thop.nothing),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), thop.nothing),
}

PTFLOPS_0_6_3: Mapping[type[nn.Module], ModuleCounter] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), ptflops.convolution),
    nn.ConvTranspose2d: ptflops.transposed_convolution,
    **dict.fromkeys((nn.ReLU, nn.PReLU, nn.ELU, nn.LeakyReLU, nn.ReLU6), ptflops.output_elements),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), ptflops.input_elements),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), ptflops.input_elements),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), ptflops.input_elements),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), ptflops.input_elements),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), ptflops.normalisation),
    nn.Linear: ptflops.linear,
    nn.Upsample: ptflops.first_image,
}

PTFLOPS_0_6_9: Mapping[type[nn.Module], ModuleCounter] = {
    **PTFLOPS_0_6_3,
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), ptflops.convolution),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm), ptflops.normalisation),
    nn.GELU: ptflops.output_elements,
    nn.Linear: ptflops.linear_and_bias,
    nn.MultiheadAttention: ptflops.attention,
}

TORCHSTAT: Mapping[type[nn.Module], ModuleCounter] = {
    nn.Conv2d: ptflops.convolution,
    nn.BatchNorm2d: ptflops.normalisation,
    **dict.fromkeys((nn.ReLU, nn.PReLU, nn.ELU, nn.LeakyReLU, nn.ReLU6), ptflops.input_elements),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d), ptflops.input_elements),
    nn.Linear: ptflops.linear,
    nn.Upsample: torchstat.positions,
}


@dataclass(frozen=True, slots=True)
class OperationRule:
    """Counts operations.

    Attributes:
        name: what users type, a key of `segbench.counting.meanings.MEANINGS`.
        counters: a function for each kind.
        is_free: what rightly has no counter.
        returned_only: leave out what reaches no returned tensor.
        whole: count a composite operation as a whole and not by its parts.
        is_invisible: what is not counted in spite of its kind.
    """

    name: str
    counters: Mapping[str, OperationCounter]
    is_free: Callable[[Operation], bool]
    returned_only: bool = False
    whole: bool = False
    is_invisible: Callable[[Operation], bool] = lambda operation: False


@dataclass(frozen=True, slots=True)
class ModuleRule:
    """Counts calls of modules by their type.

    Attributes:
        name: what users type, a key of `segbench.counting.meanings.MEANINGS`.
        counters: a function for each type.
        times: how often the tool counts a call, for modules that the network holds under several paths.
        per_image: divide by the batch size.
        subclasses: count what derives from a type as that type.
        last_call: whether the last call of each module alone counts in a trace.
    """

    name: str
    counters: Mapping[type[nn.Module], ModuleCounter]
    times: Callable[[ModuleCall], int]
    per_image: bool = False
    subclasses: bool = False
    last_call: Callable[[Trace], bool] = lambda traced: False

    def counter(self, kind: type[nn.Module]) -> ModuleCounter | None:
        """What counts a module of this type; None for what the rule does not see."""
        types = kind.__mro__ if self.subclasses else (kind,)
        return next((self.counters[parent] for parent in types if parent in self.counters), None)


def _free_in_fvcore(operation: Operation) -> bool:
    return operation.kind in MOVES_DATA or operation.kind in fvcore.FREE


RULES: Mapping[str, OperationRule | ModuleRule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            OperationRule("macs", MACS, has_no_products),
            OperationRule("conv-macs", CONV_MACS, has_no_products),
            OperationRule("2xmacs", TWICE_MACS, has_no_products),
            OperationRule(
                "fvcore", FVCORE, _free_in_fvcore, returned_only=True, whole=True, is_invisible=fvcore.is_invisible
            ),
            ModuleRule("thop", THOP, thop.times_counted),
            ModuleRule("ptflops-0.6.3", PTFLOPS_0_6_3, ptflops.once, per_image=True),
            ModuleRule("ptflops-0.6.9", PTFLOPS_0_6_9, ptflops.per_path, per_image=True),
            ModuleRule("torchstat", TORCHSTAT, ptflops.once, subclasses=True, last_call=torchstat.runs),
        )
    }
)
