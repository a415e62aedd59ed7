"""segmentation-models-pytorch: its networks by class name, its encoders, and timm's as ``tu-NAME``.

``smp:Unet(encoder_name='resnet18')``: every argument of the class is passed on. Source: qubvel-org/
segmentation_models.pytorch, ``segmentation_models_pytorch/__init__.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from segbench.libraries import imported, known, refuse_unknown, refuse_weights

PACKAGE = "segmentation-models-pytorch"


def names() -> Iterable[str]:
    """Names of its network classes."""
    smp = imported("segmentation_models_pytorch", PACKAGE)
    base = smp.base.SegmentationModel
    return [name for name, value in vars(smp).items() if inspect.isclass(value) and issubclass(value, base)]


def build(name: str, classes: int | None, arguments: Mapping[str, Any]) -> Any:
    """The network with ``classes=`` output channels and an encoder with random weights."""
    known("smp", name, names())
    refuse_weights("smp", arguments, ("encoder_weights",))
    smp = imported("segmentation_models_pytorch", PACKAGE)
    # The class's own default is weights of ImageNet.
    given: dict[str, Any] = {"encoder_weights": None, **arguments}
    if classes is not None:
        given.setdefault("classes", classes)
    network = getattr(smp, name)
    # What a class does not know it hands to its encoder, and only timm's take anything.
    if not str(given.get("encoder_name", "")).startswith("tu-"):
        accepted = inspect.signature(network).parameters.values()
        refuse_unknown(f"smp:{name}", given, [item.name for item in accepted if item.kind is not item.VAR_KEYWORD])
    return network(**given)
