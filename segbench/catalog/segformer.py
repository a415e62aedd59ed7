"""SegFormer: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

_HUGGING_FACE = {"layer_norm_eps": 1e-5}
_SEGFORMER_WEIGHTS = "https://drive.google.com/drive/folders/1GAku0G0iR9DsBxCbfENWMJ27c5lYUeQA"


def _segformer(variant: str, params: int, sizes: tuple[tuple[int, int], ...], *golden: Golden, miou: str = "") -> Entry:
    return Entry(
        name=f"segformer-{variant}",
        factory=f"segbench.models.segformer:segformer_{variant}",
        family="SegFormer",
        paper="SegFormer, NeurIPS 2021",
        fidelity="official",
        resolutions=sizes,
        params=params,
        source="NVlabs/SegFormer@65fa8cfa9b52b6ee7e8897a98705abf8570f9e32",
        golden=(Golden(f"segformer_{variant}_hf", _HUGGING_FACE), *golden),
        checkpoints=(
            Checkpoint(
                _SEGFORMER_WEIGHTS, keys="reference", dataset="cityscapes", classes=19, claimed_miou_percent=miou
            ),
            Checkpoint(
                f"https://huggingface.co/nvidia/segformer-{variant}-finetuned-cityscapes-1024-1024",
                keys="hugging face",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent=miou,
            ),
        ),
        note=(
            "The authors' LayerNorm epsilon of 1e-6 is the default; Hugging Face's port has 1e-5 (layer_norm_eps). "
            "A classifier that the authors' decoder inherits and never calls (conv_seg) is left out."
        ),
    )


ENTRIES = (
    _segformer("b0", 3_719_027, (CITYSCAPES, CITYSCAPES_HALF), Golden("segformer_b0_nvlabs")),
    _segformer(
        "b1", 13_682_131, ((1024, 1024), CITYSCAPES, CITYSCAPES_HALF), Golden("segformer_b1_nvlabs"), miou="78.5"
    ),
    _segformer("b2", 27_361_235, (CITYSCAPES, CITYSCAPES_HALF)),
    _segformer("b3", 47_237_075, (CITYSCAPES, CITYSCAPES_HALF)),
    _segformer("b4", 64_007_635, (CITYSCAPES, CITYSCAPES_HALF)),
    _segformer("b5", 84_607_955, (CITYSCAPES, CITYSCAPES_HALF), miou="82.4"),
)
