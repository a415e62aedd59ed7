"""The widely used port of BiSeNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_THREE_QUARTERS, COINCHEUNG, COINCHEUNG_INPUT, coincheung
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="bisenet-r18-port",
        title="BiSeNet (ResNet-18, port)",
        factory="segbench.models.bisenet_port:bisenet_r18_port",
        family="BiSeNet",
        paper="BiSeNet, ECCV 2018",
        fidelity="port",
        resolutions=(CITYSCAPES_THREE_QUARTERS, CITYSCAPES),
        params=13_275_539,
        size_rule=SizeRule(32),  # maps at strides 32 and 16 are doubled, not resized to the next finer one
        preprocessing=COINCHEUNG_INPUT,
        source=COINCHEUNG,
        golden=(Golden("bisenetv1_r18"),),
        checkpoints=(
            coincheung("model_final_v1_city_new.pth", "cityscapes", 19, "75.44"),
            coincheung("model_final_v1_coco_new.pth", "cocostuff", 171, "31.49"),
            coincheung("model_final_v1_ade20k.pth", "ade20k", 150, "36.15"),
        ),
        note=(
            "The port's feature fusion has one 1x1 convolution where the paper has two, and its spatial path one more "
            "convolution; checkpoints of older revisions (ffm.conv1, ffm.conv2) do not fit."
        ),
    ),
)
