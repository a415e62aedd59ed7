"""Light networks of other designs: ESPNetv2, Fast-SCNN, SGCPNet, DSANet, DFANet, SQNet, SegNet, RegSeg."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

_ESPNETV2 = "ESPNetv2, CVPR 2019"
_ESPNETV2_SOURCE = "sacmehta/ESPNetv2@b78e323039908f31347d8ca17f49d5502ef1a594"
_PORTS_SOURCE = "xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7af3463d381cb184a158ff60e16f7fb9a"

# The data set's mean and deviation on images in [0, 255], as OpenCV reads them, and a division by 255 after that.
_ESPNETV2_INPUT = Preprocessing(
    mean=(72.3923111, 82.90893555, 73.15840149),
    std=(45.3192215 * 255, 46.15289307 * 255, 44.91483307 * 255),
    scale=1.0,
    channels="bgr",
)
# The port subtracts its data set's mean, in OpenCV's channel order, and then turns the channels to RGB.
_CITYSCAPES_MEAN = Preprocessing(mean=(73.15835921, 82.90891754, 72.39239876), std=(1.0, 1.0, 1.0), scale=1.0)
# ImageNet's RGB mean and deviation on images that OpenCV reads, which are BGR.
_IMAGENET_ON_BGR = Preprocessing(channels="bgr")

_TWENTY_CLASSES = (
    "20 classes as the authors train it (the background is one); PReLUs of the strided EESP units, which the authors' "
    "code holds and never calls, are left out."
)
_REGSEG_WEIGHTS = "https://github.com/RolandGao/RegSeg/releases/download/v1.0-alpha/cityscapes_exp48_decoder26_"


def _espnetv2(scale: str, params: int, *golden: str) -> Entry:
    return Entry(
        name=f"espnetv2-{scale}",
        factory=f"segbench.models.espnetv2:espnetv2_{scale.replace('.', '_')}",
        family="ESPNetv2",
        paper=_ESPNETV2,
        fidelity="official",
        resolutions=((512, 1024), (1024, 2048)),
        params=params,
        classes=20,
        size_multiple=16,
        preprocessing=_ESPNETV2_INPUT,
        source=_ESPNETV2_SOURCE,
        golden=tuple(Golden(file) for file in golden),
        note=_TWENTY_CLASSES,
    )


ENTRIES: tuple[Entry, ...] = (
    _espnetv2("0.5", 99_306, "espnetv2_s0_5"),
    _espnetv2("1.0", 340_558, "espnetv2_s1_0"),
    _espnetv2("1.5", 724_814, "espnetv2_s1_5"),
    _espnetv2("2.0", 1_252_558, "espnetv2_s2_0", "espnetv2_s2_0_c19"),
    Entry(
        name="fastscnn",
        factory="segbench.models.fastscnn:fastscnn",
        family="Fast-SCNN",
        paper="Fast-SCNN, BMVC 2019",
        fidelity="port",
        resolutions=((1024, 2048), (512, 1024)),
        params=1_138_051,
        size_multiple=32,
        source="Tramac/Fast-SCNN-pytorch@0638517d359ae1664a27dfb2cd1780a40a06c465",
        golden=(Golden("fastscnn"),),
        checkpoints=(
            Checkpoint(
                "weights/fast_scnn_citys.pth of the port's repository",
                "the port's; no auxiliary head",
                "Cityscapes",
                19,
                "54.84 (val, of the port)",
            ),
        ),
        note=(
            "As the port has it: no padding in the first convolution, no dilation in the fusion. A few sizes beside "
            "multiples of 32 (from 5 below to 2 above) pass in the reference and are rejected here."
        ),
    ),
    Entry(
        name="sgcpnet",
        factory="segbench.models.sgcpnet:sgcpnet",
        family="SGCPNet",
        paper="SGCPNet, TNNLS 2022",
        fidelity="official",
        resolutions=((1024, 2048), (720, 960)),
        params=607_826,
        source="zhouyuan888888/SGCPNet@ead5adf44021ce13071adb299f369d09867dc08d",
        golden=(Golden("sgcpnet"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/drive/folders/1VuN_qSXjU3A1vQhT1JJH4PZbdJcHmdO2 (cityscapes.pth.tar)",
                "the authors' under `segmenter`, prefix `module.`",
                "Cityscapes",
                19,
                "70.9 (test)",
            ),
        ),
        note="The authors resize the logits with OpenCV's bicubic interpolation outside of the network; here bilinear.",
    ),
    Entry(
        name="dsanet",
        factory="segbench.models.dsanet:dsanet",
        family="DSANet",
        paper="DSANet, ESWA 2021",
        fidelity="official",
        resolutions=((512, 1024), (360, 480)),
        params=1_819_584,
        size_multiple=8,
        preprocessing=_CITYSCAPES_MEAN,
        source="mohamedac29/DSANet@6b625b938b39824972eefef762b77beb3f06ad23",
        golden=(Golden("dsanet"),),
        note=(
            "The authors' forward also runs attention modules and auxiliary heads that do not reach its main output "
            "(3,124,160 parameters and 37.55 GMACs at 512x1024 with them, the paper's cost); they are left out."
        ),
    ),
    Entry(
        name="dfanet-a",
        factory="segbench.models.dfanet:dfanet_a",
        family="DFANet",
        paper="DFANet, CVPR 2019",
        fidelity="port",
        resolutions=((1024, 1024), (720, 960), (512, 1024)),
        params=2_174_800,
        preprocessing=_IMAGENET_ON_BGR,
        source="huaifeng1993/DFANet@3444e2f80712d5ebecc96a82789591aab90fa1b0",
        golden=(Golden("dfanet_a"),),
        note=(
            "As the port has it: 2.2 M parameters (the paper prints 7.8 M), a projected shortcut in every block, and "
            "one convolution of the decoder for two of the three attention outputs."
        ),
    ),
    Entry(
        name="sqnet",
        factory="segbench.models.sqnet:sqnet",
        family="SQNet",
        paper="SQNet, NIPS workshop MLITS 2016",
        fidelity="port",
        resolutions=((1024, 2048), (512, 1024)),
        params=16_262_771,
        size_multiple=4,
        preprocessing=_CITYSCAPES_MEAN,
        source=_PORTS_SOURCE,
        golden=(Golden("sqnet"),),
    ),
    Entry(
        name="segnet",
        factory="segbench.models.segnet:segnet",
        family="SegNet",
        paper="SegNet, TPAMI 2017",
        fidelity="port",
        resolutions=((360, 640), (360, 480), (1024, 2048)),
        params=29_453_971,
        preprocessing=_CITYSCAPES_MEAN,
        source=_PORTS_SOURCE,
        golden=(Golden("segnet"),),
    ),
    Entry(
        name="regseg",
        factory="segbench.models.regseg:regseg",
        family="RegSeg",
        paper="RegSeg, arXiv 2111.09957 (2021)",
        fidelity="official",
        resolutions=((1024, 2048), (512, 1024)),
        params=3_334_951,
        source="RolandGao/RegSeg@0f61c66dd9fa1bbf751a44732d9b333fdb1945b4",
        golden=(Golden("regseg"),),
        checkpoints=(
            Checkpoint(
                _REGSEG_WEIGHTS + "trainval_1000_epochs_1024_crop_bootstrapped_run1",
                "the authors'",
                "Cityscapes",
                19,
                "78.3 (test)",
            ),
            *(
                Checkpoint(
                    _REGSEG_WEIGHTS + f"train_1000_epochs_run{run}", "the authors'", "Cityscapes", 19, f"{miou} (val)"
                )
                for run, miou in enumerate(("77.76", "78.85", "78.07"), start=1)
            ),
        ),
    ),
)
