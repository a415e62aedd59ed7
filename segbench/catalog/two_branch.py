"""Two-branch networks: BiSeNet, BiSeNetV2, DDRNet, PIDNet, STDC."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

_LARGE = (1024, 2048)
_MIDDLE = (768, 1536)
_SMALL = (512, 1024)

_COINCHEUNG = "CoinCheung/BiSeNet@6b4b67a8e3eb0cc23b3d7a94843a7c3c11dedca8"
_COINCHEUNG_INPUT = Preprocessing(mean=(0.3257, 0.3690, 0.3223), std=(0.2112, 0.2148, 0.2115))


def _coincheung(file: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    where = f"https://github.com/CoinCheung/BiSeNet/releases/download/0.0.0/{file}"
    return Checkpoint(where, "reference", dataset, classes, miou)


def _on_drive(file: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    return Checkpoint(f"https://drive.google.com/file/d/{file}/view", "reference", dataset, classes, miou)


def _ddrnet(name: str, params: int, *checkpoints: Checkpoint, note: str = "") -> Entry:
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        factory=f"segbench.models.ddrnet:{factory}",
        family="DDRNet",
        paper="DDRNet, TITS 2022",
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=params,
        size_multiple=8,
        source="ydhongHIT/DDRNet@de0db317c5af4b0946231f475cf74ca4f51b8ac2",
        golden=(Golden(factory), Golden(f"{factory}_aug")),
        checkpoints=checkpoints,
        note=note,
    )


def _pidnet(name: str, params: int, *checkpoints: Checkpoint) -> Entry:
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        factory=f"segbench.models.pidnet:{factory}",
        family="PIDNet",
        paper="PIDNet, CVPR 2023",
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=params,
        size_multiple=8,
        source="XuJiacong/PIDNet@4c158cf24ce432f0a8cb43364fae38d93cee0dc3",
        golden=(Golden(factory), Golden(f"{factory}_noaux")),
        checkpoints=checkpoints,
    )


def _stdc(name: str, params: int, miou_half_size: str, miou_three_quarters: str) -> Entry:
    factory = name.replace("-", "_")
    folder = "https://drive.google.com/drive/folders/1wROFwRt8qWHD4jSo8Zu1gp1d6oYJ3ns1"
    weights = f"{folder} ({name.replace('stdc', 'STDC').replace('seg', 'Seg')}/model_maxmIOU"
    return Entry(
        name=name,
        factory=f"segbench.models.stdc:{factory}",
        family="STDC",
        paper="STDC-Seg, CVPR 2021",
        fidelity="official",
        resolutions=(_SMALL, _MIDDLE),
        params=params,
        source="MichaelFan01/STDC-Seg@59ff37fbd693b99972c76fcefe97caa14aeb619f",
        golden=(Golden(factory),),
        checkpoints=(
            Checkpoint(f"{weights}50.pth, for 512x1024)", "reference", "cityscapes", 19, miou_half_size),
            Checkpoint(f"{weights}75.pth, for 768x1536)", "reference", "cityscapes", 19, miou_three_quarters),
        ),
        note=(
            "The authors' network also runs its training heads in eval mode and carries its backbone's classifier: "
            "both are left out, as in their TensorRT version."
        ),
    )


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="bisenet-r18",
        factory="segbench.models.bisenet:bisenet_r18",
        family="BiSeNet",
        paper="BiSeNet, ECCV 2018",
        fidelity="port",
        resolutions=(_MIDDLE, _LARGE),
        params=13_275_539,
        size_multiple=32,
        preprocessing=_COINCHEUNG_INPUT,
        source=_COINCHEUNG,
        golden=(Golden("bisenetv1_r18"),),
        checkpoints=(
            _coincheung("model_final_v1_city_new.pth", "cityscapes", 19, "75.44"),
            _coincheung("model_final_v1_coco_new.pth", "cocostuff", 171, "31.49"),
            _coincheung("model_final_v1_ade20k.pth", "ade20k", 150, "36.15"),
        ),
        note=(
            "The port's feature fusion has one 1x1 convolution where the paper has two, and its spatial path one more "
            "convolution; checkpoints of older revisions (ffm.conv1, ffm.conv2) do not fit."
        ),
    ),
    Entry(
        name="bisenetv2",
        factory="segbench.models.bisenetv2:bisenetv2",
        family="BiSeNetV2",
        paper="BiSeNetV2, IJCV 2021",
        fidelity="port",
        resolutions=(_SMALL, _LARGE),
        params=3_358_627,
        size_multiple=32,
        preprocessing=_COINCHEUNG_INPUT,
        source=_COINCHEUNG,
        golden=(Golden("bisenetv2"), Golden("bisenetv2_admit24", {"aligned": True})),
        checkpoints=(
            _coincheung("model_final_v2_city.pth", "cityscapes", 19, "74.95"),
            _coincheung("model_final_v2_coco.pth", "cocostuff", 171, "30.49"),
            _coincheung("model_final_v2_ade20k.pth", "ade20k", 150, "32.53"),
        ),
        note=(
            "The paper prints 21.15 GFLOPs at 512x1024, every public port has 24.60 GMACs; the option aligned=True "
            "gives the port Admit24/neural@7e45208d, which upsamples bilinearly."
        ),
    ),
    Entry(
        name="bisenetv2-l",
        factory="segbench.models.bisenetv2:bisenetv2_l",
        family="BiSeNetV2",
        paper="BiSeNetV2, IJCV 2021",
        fidelity="port",
        resolutions=(_SMALL, _LARGE),
        params=25_202_483,
        size_multiple=32,
        source="Admit24/neural@7e45208de4f0be7b183977df176c8d23428c7cde",
        golden=(Golden("bisenetv2_large_admit24"),),
        note=(
            "Not the published network: the paper prints 118.51 GFLOPs at 512x1024 and does not say what its depth "
            "factor repeats; the only port with alpha=2, d=3 repeats every layer of both branches: 221.48 GMACs."
        ),
    ),
    _ddrnet(
        "ddrnet-23-slim",
        5_695_987,
        _on_drive("1d_K3Af5fKHYwxSo8HkxpnhiekhwovmiP", "cityscapes", 19, "77.8"),
        _on_drive("1sh71nLdFKq1l89X3xyVO2J0d_3qBZui8", "camvid", 11, ""),
    ),
    _ddrnet("ddrnet-23", 20_148_947, _on_drive("16viDZhbmuc3y7OSsUo2vhA7V6kYO0KX6", "cityscapes", 19, "79.5")),
    _ddrnet("ddrnet-39", 32_360_275, note="The authors released ImageNet weights, but none for segmentation."),
    _pidnet(
        "pidnet-s",
        7_625_715,
        _on_drive("1JakgBam_GrzyUMp-NbEVVBPEIXLSCssH", "cityscapes", 19, "78.8"),
        _on_drive("1h3IaUpssCnTWHiPEUkv-VgFmj86FkY3J", "camvid", 11, "80.1"),
    ),
    _pidnet(
        "pidnet-m",
        28_538_515,
        _on_drive("1q0i4fVWmO7tpBKq_eOyIXe-mRf_hIS7q", "cityscapes", 19, "79.9"),
        _on_drive("1rNGTc8LD42h8G3HaedtqwS0un4_-gEbB", "camvid", 11, "82.0"),
    ),
    _pidnet("pidnet-l", 36_939_571, _on_drive("1AR8LHC3613EKwG23JdApfTGsyOAcH0_L", "cityscapes", 19, "80.9")),
    _stdc("stdc1-seg", 8_275_104, "72.22", "74.50"),
    _stdc("stdc2-seg", 12_305_568, "74.24", "77.04"),
)
