"""Naive-Student: Panoptic-DeepLab on Wide-ResNet-41.

Chen et al., "Naive-Student: Leveraging Semi-Supervised Learning in Video Sequences for Urban Scene Segmentation", ECCV
2020. Both branches count: only with them the printed parameters are met.

Source: google-research/deeplab2@64bc1c1a6505 (``configs/cityscapes/panoptic_deeplab/wide_resnet41_os16.textproto``),
the authors' TensorFlow code, has it with separable convolutions in the decoders and heads. With ordinary ones, an
option of that code that none of its configurations sets, the count is the printed 147.3 M: that form is the default.
"""

from __future__ import annotations

from typing import ClassVar

from segbench.models.backbones.wide_resnet41 import WideResNet41
from segbench.models.panoptic_branches import TwoBranchPanopticDeepLab


class NaiveStudent(TwoBranchPanopticDeepLab):
    """Both branches on Wide-ResNet-41, with the reference's keys."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^wide_resnet41\.", "encoder."),
        (r"^PanopticDeepLab\.(semantic|instance)_decoder\.", r"\1."),
        (r"^PanopticDeepLab\.semantic_head\.", "semantic_head."),
        (r"^PanopticDeepLab\.instance_center_head\.", "center_head."),
        (r"^PanopticDeepLab\.instance_regression_head\.", "offset_head."),
        (r"\.batch_norm\.", ".bn."),
        (r"\.depthwise\.depthwise_conv\.", ".0.conv."),
        (r"\.depthwise\.", ".0."),
        (r"\.pointwise\.", ".1."),
        (r"\.aspp\.conv_bn_act\.", ".aspp.branches.0."),
        (r"\.aspp\.aspp_conv(\d)\.conv_bn_act\.", r".aspp.branches.\1."),
        (r"\.aspp\.aspp_pool\.conv_bn_act\.", ".aspp.image_pooling."),
        (r"\.aspp\.proj_conv_bn_act\.", ".aspp.project."),
        (r"\.low_level_conv1\.", ".project.0."),
        (r"\.low_level_conv2\.", ".project.1."),
        (r"\.fusion_conv1\.conv1_bn_act\.", ".fuse.0."),
        (r"\.fusion_conv2\.conv1_bn_act\.", ".fuse.1."),
        (r"\.conv_block\.conv1_bn_act\.", ".0."),
        (r"\.final_conv\.", ".1."),
        (r"\.conv(\d)_bn(?:_act)?\.", r".conv\1."),
    )


def naive_student(num_classes: int = 19, separable: bool = False) -> NaiveStudent:
    """Naive-Student: 147,269,974 parameters at 19 classes, 140,479,750 with `separable` convolutions, as released."""
    return NaiveStudent(WideResNet41(), num_classes, separable)
