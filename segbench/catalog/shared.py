"""What several files of the catalog say alike: usual sizes, sources of many networks, their weights and inputs."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Preprocessing

CITYSCAPES = (1024, 2048)
CITYSCAPES_THREE_QUARTERS = (768, 1536)
CITYSCAPES_HALF = (512, 1024)
CAMVID_HALF = (360, 480)

COINCHEUNG = "CoinCheung/BiSeNet@6b4b67a8e3eb0cc23b3d7a94843a7c3c11dedca8"
COINCHEUNG_INPUT = Preprocessing(mean=(0.3257, 0.3690, 0.3223), std=(0.2112, 0.2148, 0.2115))

EFFICIENT_SEGMENTATION_NETWORKS = (
    "xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7af3463d381cb184a158ff60e16f7fb9a"
)
# Many loaders subtract the training set's mean from images in [0, 255] and do not scale them. It is computed in
# OpenCV's channel order, and subtracted before the channels are reversed to RGB.
CITYSCAPES_MEAN = Preprocessing(mean=(73.15835921, 82.90891754, 72.39239876), std=(1.0, 1.0, 1.0), scale=1.0)

HRNET_WEIGHTS = "https://github.com/hsfzxjy/models.storage/releases/download/HRNet-OCR"

MMSEGMENTATION = "open-mmlab/mmsegmentation@v1.2.2"
MMSEGMENTATION_WEIGHTS = "https://download.openmmlab.com/mmsegmentation/v0.5"

PADDLESEG = "PaddlePaddle/PaddleSeg@d7975e7cb3b9102eae4eabcef5afb81b878473aa"

SWIFTNET = "orsic/swiftnet@2b88990e1ab674e8ef7cb533a1d8d49ef34ac93d"
SWIFTNET_WEIGHTS = "Google Drive folder 1DqX-N-nMtGG9QfMY_cKtULCKTfEuV4WT, linked in the repository's README"
# The authors' network does this itself, in place, on an RGB image in [0, 255].
SWIFTNET_INPUT = Preprocessing(mean=(73.15, 82.90, 72.3), std=(47.67, 48.49, 47.73), scale=1.0)


def coincheung(file: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    """Weights of CoinCheung's port of BiSeNet."""
    where = f"https://github.com/CoinCheung/BiSeNet/releases/download/0.0.0/{file}"
    return Checkpoint(where, "reference", dataset, classes, miou)


def on_google_drive(file: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    """Weights in a file of Google Drive, with the reference's keys."""
    return Checkpoint(f"https://drive.google.com/file/d/{file}/view", "reference", dataset, classes, miou)


def paddle(path: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    """Weights of PaddleSeg."""
    where = f"https://paddleseg.bj.bcebos.com/dygraph/{path}/model.pdparams"
    keys = "Paddle's (a .pdparams pickle of arrays, to be saved as tensors first)"
    return Checkpoint(where, keys, dataset, classes, miou)
