"""Naive-Student: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import SYMMETRIC_RANGE, Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="naive-student",
        factory="segbench.models.naive_student:naive_student",
        family="Naive-Student",
        paper="Naive-Student (Chen et al., ECCV 2020)",
        fidelity="reconstruction",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=147_269_974,
        live_params=130_126_355,
        preprocessing=SYMMETRIC_RANGE,
        source="google-research/deeplab2@64bc1c1a6505b6cd1779b65f9127180840b8a4fa",
        golden=(Golden("panoptic_deeplab_wr41_os16_deeplab2", {"separable": True}),),
        checkpoints=(
            Checkpoint(
                "https://storage.googleapis.com/gresearch/tf-deeplab/checkpoint/"
                "wide_resnet41_os16_panoptic_deeplab_cityscapes_trainfine.tar.gz",
                "Keras's, dotted (a TensorFlow checkpoint, to be converted first; of the form with separable=True)",
                "Cityscapes",
                19,
                "81.5",
            ),
        ),
        note=(
            "The ordinary convolutions built by default meet the printed parameters and are an option of the authors' "
            "code that none of its configurations sets; separable=True is the released network, numerically equal; the "
            "instance branch runs, too."
        ),
    ),
)
