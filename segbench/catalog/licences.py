"""Licences of the repositories that release weights, as their licence files state them when they were read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NONE = "none stated"

LICENCES: Mapping[str, str] = MappingProxyType(
    {
        "Admit24/neural": "BSD-3-Clause",
        "CoinCheung/BiSeNet": "MIT",
        "DeepSceneSeg/EfficientPS": "GPL-3.0",
        "Eromera/erfnet_pytorch": "CC BY-NC 4.0",
        "HRNet/HRNet-Semantic-Segmentation": "MIT",
        "Mayy1994/CSRNet": NONE,
        "MichaelFan01/STDC-Seg": "MIT",
        "NVlabs/SegFormer": "NVIDIA's, non-commercial",
        "OpenGVLab/DDPS": NONE,
        "PaddlePaddle/PaddleSeg": "Apache-2.0",
        "Reagan1311/DABNet": "MIT",
        "RolandGao/RegSeg": "MIT",
        "Tramac/Fast-SCNN-pytorch": "Apache-2.0",
        "VITA-Group/FasterSeg": "MIT",
        "VainF/DeepLabV3Plus-Pytorch": "MIT",
        "XuJiacong/PIDNet": "MIT",
        "bowenc0221/panoptic-deeplab": "Apache-2.0",
        "davidtvs/PyTorch-ENet": "MIT",
        "dronefreak/CABiNet": "Apache-2.0",
        "google-research/deeplab2": "Apache-2.0",
        "hszhao/semseg": "MIT",
        "jojacola/BiAlignNet": NONE,
        "juntang-zhuang/ShelfNet": NONE,
        "liminn/ICNet-pytorch": "MIT",
        "lxtGH/PFSegNets": NONE,
        "lxtGH/SFSegNets": NONE,
        "open-mmlab/mmsegmentation": "Apache-2.0",
        "openseg-group/openseg.pytorch": "MIT",
        "orsic/swiftnet": "GPL-3.0",
        "sacmehta/ESPNet": "MIT",
        "sacmehta/ESPNetv2": "MIT",
        "shachoi/HANet": "CC BY-NC 4.0",
        "songqi-github/AttaNet": NONE,
        "wkentaro/pytorch-fcn": "MIT",
        "wutianyiRosun/CGNet": "MIT",
        "ycszen/TorchSeg": "MIT",
        "ydhongHIT/DDRNet": "MIT",
        "zhanghang1989/PyTorch-Encoding": "MIT",
        "zhouyuan888888/SGCPNet": NONE,
    }
)
"""Licence by ``owner/repository``; what the file says of the code, where nothing is said of the weights alone."""


def licence_of(source: str) -> str:
    """The licence of ``owner/repository@commit``; empty where it was not read."""
    return LICENCES.get(source.partition("@")[0], "")
