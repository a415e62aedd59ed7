"""transformers: semantic and universal segmentation networks by model type, or by a folder with a ``config.json``.

``hf:segformer(depths=[2, 2, 2, 2])``: every argument of the configuration is passed on. Source: huggingface/
transformers, ``models/auto/modeling_auto.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segbench.errors import FactoryError
from segbench.libraries import imported, known, refuse_unknown, refuse_weights

PACKAGE = "transformers"
_DOWNLOADS = ("use_pretrained_backbone", "pretrained_model_name_or_path", "weights")


def names() -> Iterable[str]:
    """Model types with a network for semantic or universal segmentation."""
    auto = _auto()
    return {
        *auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES,
        *auto.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES,
    }


def build(name: str, classes: int | None, arguments: Mapping[str, Any]) -> Any:
    """The network of a model type, or of a folder, with random weights and ``num_labels`` output channels."""
    auto = _auto()
    transformers = imported("transformers", PACKAGE)
    refuse_weights("hf", arguments, _DOWNLOADS)
    given = dict(arguments)
    if classes is not None and not {"num_labels", "id2label"} & given.keys():
        given["num_labels"] = classes
    if Path(name).is_dir():
        config = transformers.AutoConfig.from_pretrained(name, local_files_only=True, **given)
    elif "/" in name or name.startswith("."):
        raise FactoryError(
            f"hf: there is no folder {name!r}: a model type or a local folder with config.json is accepted"
        )
    else:
        known("hf", name, names())
        accepted = transformers.AutoConfig.for_model(name)
        refuse_unknown(f"hf:{name}", given, ("num_labels", "id2label", "label2id", *accepted.to_dict()))
        config = transformers.AutoConfig.for_model(name, **given)
    semantic = config.model_type in auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES
    kind = transformers.AutoModelForSemanticSegmentation if semantic else transformers.AutoModelForUniversalSegmentation
    return kind.from_config(config)


def _auto() -> Any:
    return imported("transformers.models.auto.modeling_auto", PACKAGE)
