"""DFANet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden, Preprocessing

# ImageNet's RGB mean and deviation on images that OpenCV reads, which are BGR.
_IMAGENET_ON_BGR = Preprocessing(channels="bgr")

ENTRIES = (
    Entry(
        name="dfanet-a",
        factory="segbench.models.dfanet:dfanet_a",
        searched="README and files of huaifeng1993/DFANet: no weights of the segmentation network",
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
)
