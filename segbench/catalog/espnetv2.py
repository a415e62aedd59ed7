"""ESPNetv2: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing
from segbench.resolution import SizeRule

_ESPNETV2 = "ESPNetv2, CVPR 2019"
_ESPNETV2_SOURCE = "sacmehta/ESPNetv2@b78e323039908f31347d8ca17f49d5502ef1a594"
# The data set's mean and deviation on images in [0, 255], as OpenCV reads them, and a division by 255 after that.
_ESPNETV2_INPUT = Preprocessing(
    mean=(72.3923111, 82.90893555, 73.15840149),
    std=(45.3192215 * 255, 46.15289307 * 255, 44.91483307 * 255),
    scale=1.0,
    channels="bgr",
)
_TWENTY_CLASSES = (
    "20 classes as the authors train it (the background is one); PReLUs of the strided EESP units, which the authors' "
    "code holds and never calls, are left out."
)


# Where they lay before the repository was put in order; later commits have the ImageNet weights alone.
_WEIGHTS = (
    "https://github.com/sacmehta/ESPNetv2/raw/8ec3e8779a2dee327310206a2a20df7e1a7a02b5/segmentation/pretrained_models"
)


def _weights(scale: str) -> Checkpoint:
    return Checkpoint(
        f"{_WEIGHTS}/espnetv2_segmentation_s_{scale}.pth",
        keys="the authors'",
        dataset="Cityscapes",
        classes=20,
        void_output=19,
        preprocessing=_ESPNETV2_INPUT,
        input_size=(512, 1024),
    )


def _espnetv2(scale: str, params: int, *golden: str) -> Entry:
    return Entry(
        name=f"espnetv2-{scale}",
        title=f"ESPNetv2 (s={scale})",
        factory=f"segbench.models.espnetv2:espnetv2_{scale.replace('.', '_')}",
        family="ESPNetv2",
        paper=_ESPNETV2,
        fidelity="official",
        resolutions=((512, 1024), (1024, 2048)),
        params=params,
        classes=20,
        size_rule=SizeRule(16),
        preprocessing=_ESPNETV2_INPUT,
        source=_ESPNETV2_SOURCE,
        golden=tuple(Golden(file) for file in golden),
        checkpoints=() if scale == "2.0" else (_weights(scale),),
        searched="README and history of sacmehta/ESPNetv2: scales 0.5, 1.0 and 1.5 alone" if scale == "2.0" else "",
        note=_TWENTY_CLASSES,
    )


ENTRIES = (
    _espnetv2("0.5", 99_306, "espnetv2_s0_5"),
    _espnetv2("1.0", 340_558, "espnetv2_s1_0"),
    _espnetv2("1.5", 724_814, "espnetv2_s1_5"),
    _espnetv2("2.0", 1_252_558, "espnetv2_s2_0", "espnetv2_s2_0_c19"),
)
