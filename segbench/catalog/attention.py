"""Real-time networks with attention or efficient decoders: CABiNet, PP-LiteSeg, RTFormer."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

_LARGE = (1024, 2048)
_MIDDLE = (768, 1536)
_SMALL = (512, 1024)

_CABINET = "CABiNet, ICRA 2021"
_CABINET_SINCE_2026 = "dronefreak/CABiNet@331e58f31e5ce3c1d429e2d7ecb28b65d90e5622"
_PADDLESEG = "PaddlePaddle/PaddleSeg@d7975e7cb3b9102eae4eabcef5afb81b878473aa"
_PADDLE_BUCKET = "https://paddleseg.bj.bcebos.com/dygraph"
_PADDLE_KEYS = "Paddle's (a .pdparams pickle of arrays, to be saved as tensors first)"

# What PaddleSeg's Normalize does where a configuration does not say otherwise.
_PADDLE_DEFAULT = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _cabinet_rewrite(size: str, params: int, *checkpoints: Checkpoint) -> Entry:
    return Entry(
        name=f"cabinet-{size}",
        factory=f"segbench.models.cabinet_rewrite:cabinet_{size}",
        family="CABiNet",
        paper=_CABINET,
        fidelity="port",
        resolutions=(_LARGE, _SMALL),
        params=params,
        source=_CABINET_SINCE_2026,
        golden=(Golden(f"cabinet_head_{size}"),),
        checkpoints=checkpoints,
        note="Not the paper's network but a rewrite of 2026 in its first author's repository.",
    )


def _on_hub(name: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    return Checkpoint(f"https://huggingface.co/dronefreak/{name}", "reference", dataset, classes, miou)


def _paddle(path: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    return Checkpoint(f"{_PADDLE_BUCKET}/{path}/model.pdparams", _PADDLE_KEYS, dataset, classes, miou)


def _pp_liteseg(name: str, params: int, stdc: str, miou: tuple[str, str, str], camvid_miou: str) -> Entry:
    cityscapes = [
        _paddle(f"cityscapes/pp_liteseg_{stdc}_cityscapes_1024x512_scale{scale}_160k", "Cityscapes", 19, percent)
        for scale, percent in zip(("0.5", "0.75", "1.0"), miou, strict=True)
    ]
    camvid = _paddle(f"camvid/pp_liteseg_{stdc}_camvid_960x720_10k", "CamVid", 11, camvid_miou)
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        factory=f"segbench.models.ppliteseg:{factory}",
        family="PP-LiteSeg",
        paper="PP-LiteSeg, arXiv 2022",
        fidelity="official",
        resolutions=(_SMALL, _MIDDLE),
        params=params,
        preprocessing=_PADDLE_DEFAULT,
        source=_PADDLESEG,
        golden=(Golden(factory),),
        checkpoints=(*cityscapes, camvid),
        note="Its STDC averages without the padding, as Paddle does by default; that of STDC-Seg counts it.",
    )


def _rtformer(name: str, params: int, cityscapes_miou: str, ade20k_miou: str, note: str = "") -> Entry:
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        factory=f"segbench.models.rtformer:{factory}",
        family="RTFormer",
        paper="RTFormer, NeurIPS 2022",
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=params,
        source=_PADDLESEG,
        golden=(Golden(factory),),
        checkpoints=(
            _paddle(f"cityscapes/{factory}_cityscapes_1024x512_120k", "Cityscapes", 19, cityscapes_miou),
            _paddle(f"ade20k/{factory}_ade20k_512x512_160k", "ADE20K", 150, ade20k_miou),
        ),
        note=note,
    )


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="cabinet",
        factory="segbench.models.cabinet:cabinet",
        family="CABiNet",
        paper=_CABINET,
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=2_584_864,
        source="dronefreak/CABiNet@abfff8a5a0ec25213f3d6e25c0d30120632551aa",
        golden=(Golden("cabinet_2021"),),
        note=(
            "The authors' code of 2021, the closest to the paper: the softmax of its feature fusion is constant, and "
            "queries and keys are one projection that runs twice. The authors released no weights of it."
        ),
    ),
    _cabinet_rewrite("small", 3_443_041, _on_hub("cabinet-mobilenetv3-small-uavid", "UAVid", 8, "66.84 (test)")),
    _cabinet_rewrite(
        "large",
        6_372_721,
        _on_hub("cabinet-mobilenetv3-large-uavid", "UAVid", 8, "68.60 (test)"),
        _on_hub("cabinet-mobilenetv3-large-vdd", "VDD", 7, "77.76 (test)"),
        _on_hub("aeroscapes-cabinet-mobilenetv3-large", "AeroScapes", 12, "67.83 (val)"),
    ),
    _pp_liteseg("pp-liteseg-t", 8_028_320, "stdc1", ("73.10", "76.03", "77.04"), "73.30"),
    _pp_liteseg("pp-liteseg-b", 12_234_752, "stdc2", ("75.25", "78.75", "79.04"), "75.10"),
    _rtformer("rtformer-slim", 5_365_043, "76.31", "36.67"),
    _rtformer(
        "rtformer-base",
        17_765_971,
        "79.24",
        "42.02",
        note="FRMNet's comparison prints 16.8 M parameters; the authors' code has 17.77 M.",
    ),
)
