"""ESPNet and its encoder ESPNet-C: their catalog entries."""

from __future__ import annotations

from typing import Any

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing
from segbench.catalog.shared import (
    CAMVID_HALF,
    CITYSCAPES,
    CITYSCAPES_HALF,
    CITYSCAPES_MEAN,
    EFFICIENT_SEGMENTATION_NETWORKS,
)
from segbench.resolution import SizeRule

_PAPER = "ESPNet (Mehta et al., ECCV 2018)"
_REPOSITORY = "sacmehta/ESPNet"
_COMMIT = "afe71c38edaee3514ca44e0adcafdf36109bf437"
_README = f"README of {_REPOSITORY}"


def _input(mean: tuple[float, float, float], deviation: tuple[float, float, float]) -> Preprocessing:
    """The training images' mean and deviation from 0 to 255, as OpenCV reads them, and a division by 255 after that."""
    blue, green, red = deviation
    return Preprocessing(mean, (255 * blue, 255 * green, 255 * red), scale=1.0, channels="bgr")


_CITYSCAPES_INPUT = _input((72.3923111, 82.90893555, 73.15840149), (45.3192215, 46.15289307, 44.91483307))
_CAMVID_INPUT = _input((110.33102643, 108.40886315, 105.03319369), (72.12571015, 72.69074534, 69.90434816))


def _weights(file: str, sha256: str, **claim: str) -> Checkpoint:
    return Checkpoint(
        where=f"https://raw.githubusercontent.com/{_REPOSITORY}/{_COMMIT}/pretrained/{file}",
        keys="the authors'",
        dataset="Cityscapes",
        classes=20,
        licence="MIT",
        sha256=sha256,
        void_output=19,
        preprocessing=_CITYSCAPES_INPUT,
        input_size=CITYSCAPES_HALF,
        **claim,
    )


_CAMVID = Checkpoint(
    where=f"https://raw.githubusercontent.com/{_REPOSITORY}/{_COMMIT}/pretrained/decoder/espnet_p_2_q_8_camvid.pth",
    keys="the authors'",
    dataset="CamVid",
    classes=12,
    claimed_miou_percent="55.64",
    claimed_in=_README,
    split="test",
    licence="MIT",
    sha256="7d354a257170322086dcd4c1e89a482454cf2c9d30b085e70883878dd59301af",
    void_output=11,
    preprocessing=_CAMVID_INPUT,
)


def _entry(name: str, params: int, *checkpoints: Checkpoint, **content: Any) -> Entry:
    return Entry(
        name=name,
        factory=f"segbench.models.espnet:{name.replace('-', '_')}",
        family="ESPNet",
        paper=_PAPER,
        fidelity="official",
        params=params,
        classes=20,
        size_rule=SizeRule(8),
        preprocessing=_CITYSCAPES_INPUT,
        source=f"{_REPOSITORY}@{_COMMIT}",
        checkpoints=checkpoints,
        **content,
    )


_JOINED = (
    "20 outputs, the last for ignored pixels; the decoder joins 16 channels of stride 2, and 19 where weights do, as "
    "the released CamVid weights"
)
_SIZES = (CITYSCAPES_HALF, CITYSCAPES)
_ENCODER = "the encoder alone, with a classifier at stride 8; 20 outputs, the last for ignored pixels."

ENTRIES = (
    _entry(
        "espnet",
        364_569,
        _weights(
            "decoder/espnet_p_2_q_8.pth",
            "343b0e77e8545d36113c4f3efbf1ee349256f25c97c9f9d5ddefe45f2f49763e",
            claimed_miou_percent="60.336",
            claimed_in=_README,
            split="test",
        ),
        _CAMVID,
        resolutions=(*_SIZES, CAMVID_HALF),
        golden=(Golden("espnet_p2_q8"), Golden("espnet_p2_q8_joined19_c12", {"joined": 19})),
        note=f"{_JOINED}; what was called espnet before is espnet-port.",
    ),
    _entry(
        "espnet-q5",
        267_417,
        _weights("decoder/espnet_p_2_q_5.pth", "0378be45080ca5edfc416e9ba06b04e74ec5e2ec4baf56597f25a894a8593942"),
        resolutions=_SIZES,
        golden=(Golden("espnet_p2_q5"),),
        title="ESPNet (q=5)",
        note=f"5 ESP modules at stride 8 where the paper's ESPNet has 8; {_JOINED}.",
    ),
    _entry(
        "espnet-q3",
        202_649,
        _weights("decoder/espnet_p_2_q_3.pth", "8f3eb198fb15e5da7fa8d258d5f0fc4a4213e1124f415f6fc54d2772d585a7fc"),
        resolutions=_SIZES,
        golden=(Golden("espnet_p2_q3"),),
        title="ESPNet (q=3)",
        note=f"3 ESP modules at stride 8 where the paper's ESPNet has 8; {_JOINED}.",
    ),
    _entry(
        "espnet-c-q8",
        349_449,
        _weights("encoder/espnet_p_2_q_8.pth", "836f28a2a31bd4fc8997001ab6b620d1f9b7b274a03b32d9f3a95c17a011b438"),
        resolutions=_SIZES,
        golden=(Golden("espnet_c_p2_q8"),),
        title="ESPNet-C (q=8)",
        note=f"ESPNet-C, {_ENCODER}",
    ),
    _entry(
        "espnet-c-q5",
        252_297,
        _weights("encoder/espnet_p_2_q_5.pth", "ec028eb60b08a56583eb9d310f5f4f7c4bc70972009030c25f1414dc48c916d6"),
        resolutions=_SIZES,
        golden=(Golden("espnet_c_p2_q5"),),
        title="ESPNet-C (q=5)",
        note=f"ESPNet-C with 5 ESP modules at stride 8, {_ENCODER}",
    ),
    _entry(
        "espnet-c-q3",
        187_529,
        _weights("encoder/espnet_p_2_q_3.pth", "5101e9bc90dd2a57d8460e70cdfaa743f76317bf806d2d1c4adb635c8d392e77"),
        resolutions=_SIZES,
        golden=(Golden("espnet_c_p2_q3"),),
        title="ESPNet-C (q=3)",
        note=f"ESPNet-C with 3 ESP modules at stride 8, {_ENCODER}",
    ),
    Entry(
        name="espnet-port",
        title="ESPNet (port)",
        factory="segbench.models.espnet:espnet_port",
        family="ESPNet",
        paper=_PAPER,
        fidelity="port",
        resolutions=_SIZES,
        params=201_542,
        size_rule=SizeRule(8),
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("espnet"),),
        searched="README and folders of xiaoyufenfei/Efficient-Segmentation-Networks, which has no weights of ESPNet",
        note="3 ESP modules at stride 8 by default where the paper has 8 (option alpha3), and 19 channels joined.",
    ),
)
