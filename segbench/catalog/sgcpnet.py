"""SGCPNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden

ENTRIES = (
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
)
