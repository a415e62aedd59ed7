"""ICNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden

ENTRIES = (
    Entry(
        name="icnet",
        factory="segbench.models.icnet:icnet",
        family="ICNet",
        paper="ICNet (Zhao et al., ECCV 2018)",
        fidelity="port",
        resolutions=((1024, 2048), (360, 640), (720, 960), (512, 1024)),
        params=26_244_512,
        source="liminn/ICNet-pytorch@da394fc44f4fbaff1b47ab83ce7121a96f375b03",
        golden=(Golden("icnet_r50"),),
        checkpoints=(
            Checkpoint(
                "icnet_resnet50_197_0.710_best_model.pth, named in the repository's README without a link",
                "pretrained.*, head.cff_12.*",
                "Cityscapes",
                19,
                "71.0",
            ),
        ),
        note=(
            "Not the authors' Caffe network: its ResNet-50 has twice the kernels; the stages that the port runs on the "
            "medium image for nothing are not run."
        ),
    ),
)
