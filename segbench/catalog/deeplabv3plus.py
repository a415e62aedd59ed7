"""DeepLabV3+: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, MMSEGMENTATION

_DEEPLAB = "Chen et al., ECCV 2018 (DeepLabV3+), as a baseline of Meng et al., arXiv 2203.12683"


def _deeplab(backbone: str, params: int, note: str) -> Entry:
    function = backbone.replace("-", "_")
    return Entry(
        f"deeplabv3plus-{backbone}",
        f"segbench.models.deeplabv3plus:{function}",
        "DeepLabV3+",
        _DEEPLAB,
        "reconstruction",
        ((1024, 2048),),
        params,
        searched="the paper that prints it: it names no code of its baselines, and no weights of them are known",
        note=note,
    )


def _table8_note(flops: str, error: str) -> str:
    return (
        f"The paper gives no decoder detail: the textbook decoder lies {error} % under the printed {flops} B "
        "(options decoder_kernel, low_level_channels come closer)."
    )


def _deeplabv3plus(variant: str, factory: str, params: int, *checkpoints: Checkpoint) -> Entry:
    return Entry(
        name=f"deeplabv3plus-{variant}",
        factory=f"segbench.models.deeplabv3plus:{factory}",
        family="DeepLabV3+",
        paper="DeepLabV3+, ECCV 2018",
        fidelity="port",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=params,
        source="VainF/DeepLabV3Plus-Pytorch@4e1087de98bc49d55b9239ae92810ef7368660db",
        golden=(Golden(f"deeplabv3plus_{factory.replace('mobilenetv2', 'mobilenet')}"),),
        checkpoints=checkpoints,
        searched=""
        if checkpoints
        else "README of VainF/DeepLabV3Plus-Pytorch: no weights of this output stride are known",
        note="The port's decoder has one ordinary 3x3 convolution where the paper has two separable ones.",
    )


ENTRIES = (
    _deeplab("efficientnet-b1-os16", 8_964_131, _table8_note("91.8", "3.7")),
    _deeplab("efficientnet-b1-os32", 8_964_131, _table8_note("49.9", "2.8")),
    _deeplab(
        "resnet50-os16",
        39_210_947,
        "Lies 25 % above the printed 324.3 B, which no decoder meets together with the other three rows of the table: "
        "it fits a trunk counted at stride 32 under an ASPP at stride 16.",
    ),
    _deeplab("resnet50-os32", 39_210_947, _table8_note("230.3", "3.1")),
    _deeplabv3plus(
        "mobilenetv2",
        "mobilenetv2_os16",
        5_225_203,
        Checkpoint(
            "https://www.dropbox.com/s/753ojyvsh3vdjol/best_deeplabv3plus_mobilenet_cityscapes_os16.pth",
            keys="reference, under model_state",
            dataset="cityscapes",
            classes=19,
            claimed_miou_percent="72.1",
        ),
    ),
    _deeplabv3plus("mobilenetv2-os8", "mobilenetv2_os8", 5_225_203),
    _deeplabv3plus(
        "r101",
        "resnet101_os16",
        58_753_459,
        Checkpoint(
            "https://drive.google.com/file/d/1t7TC8mxQaFECt4jutdq_NMnWxdm6B-Nb/view",
            keys="reference, under model_state",
            dataset="cityscapes",
            classes=19,
            claimed_miou_percent="76.2",
        ),
    ),
    _deeplabv3plus("r101-os8", "resnet101_os8", 58_753_459),
    Entry(
        name="deeplabv3plus-resnext50",
        factory="segbench.models.deeplabv3plus:resnext50_os8",
        searched="mmsegmentation's configs/deeplabv3plus: ResNet and MobileNetV2 alone",
        family="DeepLabV3+",
        paper="DeepLabV3+, ECCV 2018",
        fidelity="port",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=40_677_827,
        source=MMSEGMENTATION,
        golden=(Golden("deeplabv3plus_resnext50_d8_mmseg"),),
        note=(
            "The paper that prints the row names the backbone only: mmsegmentation's configuration of ResNet-50 with a "
            "ResNeXt-50 32x4d in its place."
        ),
    ),
    Entry(
        name="deeplabv3plus-xception71",
        factory="segbench.models.deeplabv3plus:xception71_os8",
        searched="README of NVIDIA/semantic-segmentation: its weights are of WideResNet-38",
        family="DeepLabV3+",
        paper="DeepLabV3+, ECCV 2018",
        fidelity="port",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=54_632_240,
        source="NVIDIA/semantic-segmentation@7726b144c2cc0b8e09c67eabb78f027efdf3f0fa",
        golden=(Golden("deeplabv3plus_xception71_nvidia"),),
        note="NVIDIA's DeepLabV3+: ordinary convolutions in ASPP and decoder, output stride 8, a decoder at stride 2.",
    ),
)
