"""Which output of a network is which class: networks trained with one output more than the data set has classes.

ERFNet, LEDNet, ESPNet and ESPNetv2 train "ignored" as a 20th class, ENet's port as the first class. Their own scripts
let that output win and count it as a false negative; a submission may as well drop its score before the argmax. The two
give different mIoU, so the choice is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from segbench.errors import BadOption, CheckpointError

FIRST, LAST = 0, -1

# Eromera/erfnet_pytorch@d4a46faf train/main.py (Relabel 255 to 19), xiaoyufenfei/LEDNet@5d900d9c the same,
# sacmehta/ESPNetv2 segmentation/gen_cityscapes.py (19 to id 0), sacmehta/ESPNet@afe71c38 test/VisualizeResults.py the
# same, davidtvs/PyTorch-ENet@e17d404e data/*.py.
_VOID_OUTPUT: Mapping[tuple[str, str], int] = MappingProxyType(
    {
        ("ERFNet", "cityscapes"): LAST,
        ("LEDNet", "cityscapes"): LAST,
        ("ESPNetv2", "cityscapes"): LAST,
        ("ESPNet", "cityscapes"): LAST,
        ("ESPNet", "camvid"): LAST,
        ("ENet", "cityscapes"): FIRST,
        ("ENet", "camvid"): LAST,
    }
)


def void_output(
    what: str, family: str, dataset: str, outputs: int, classes: int, given: int | None = None
) -> int | None:
    """Index of the output for ignored pixels, or None where every output is a class.

    Args:
        what: the checkpoint or network, for messages.
        family: the architecture, as in the catalog.
        dataset: name of the data set.
        outputs: output channels of the network.
        classes: classes of the data set.
        given: the user's index; None for what is known of the family.

    Raises:
        CheckpointError: a class count that does not fit the data set, or one output too many of unknown place.
        BadOption: an index out of range, or one where there is no output to spare.
    """
    if outputs == classes:
        if given is not None:
            raise BadOption(
                f"{what} has {outputs} outputs for the {classes} classes of {dataset}: none is for ignored pixels"
            )
        return None
    if outputs != classes + 1:
        raise CheckpointError(f"{what} has {outputs} classes, and {dataset} {classes}: the class counts must be equal")
    if given is None:
        kind = next((kind for name, kind in _VOID_OUTPUT if name == family and dataset.startswith(kind)), None)
        if kind is None:
            raise CheckpointError(
                f"{what} has {outputs} outputs, and {dataset} {classes} classes: say which one is for ignored pixels "
                f"(--void-output 0 to {outputs - 1})"
            )
        given = _VOID_OUTPUT[family, kind]
    if not -outputs <= given < outputs:
        raise BadOption(f"--void-output must be 0 to {outputs - 1}: {given} given")
    return given % outputs
