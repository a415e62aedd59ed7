"""FCN: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing
from segbench.catalog.shared import CAMVID_HALF, CITYSCAPES_HALF

_CAFFE_VOC = Preprocessing(
    mean=(104.00698793, 116.66876762, 122.67891434), std=(1.0, 1.0, 1.0), scale=1.0, channels="bgr"
)

ENTRIES = (
    Entry(
        name="fcn8s",
        title="FCN-8s",
        factory="segbench.models.fcn8s:fcn8s",
        family="FCN",
        paper="FCN, CVPR 2015",
        fidelity="port",
        resolutions=(CAMVID_HALF, CITYSCAPES_HALF),
        params=134_489_759,
        classes=21,
        preprocessing=_CAFFE_VOC,
        source="wkentaro/pytorch-fcn@4b988509bfd1a613d5e8482595a1c6654047d69b",
        golden=(Golden("fcn8s_vgg16"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/uc?id=0B9P1L--7Wd2vT0FtdThWREhjNkU",
                keys="reference",
                dataset="pascal voc 2011",
                classes=21,
                claimed_miou_percent="65.51",
            ),
        ),
        note="21 classes as released; the image is padded by 100 pixels inside the network, as in the Caffe original.",
    ),
)
