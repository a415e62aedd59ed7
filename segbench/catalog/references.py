"""Large reference networks: SegFormer, DeepLabV3+, PSPNet, HRNetV2, OCR."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden

_HUGGING_FACE = {"layer_norm_eps": 1e-5}
_SEGFORMER_WEIGHTS = "https://drive.google.com/drive/folders/1GAku0G0iR9DsBxCbfENWMJ27c5lYUeQA"
_PSPNET_WEIGHTS = "https://drive.google.com/open?id=15wx9vOM0euyizq-M1uINgN0_wjVRf9J3"
_HRNET_WEIGHTS = "https://github.com/hsfzxjy/models.storage/releases/download/HRNet-OCR"
_LARGE = (1024, 2048)
_SMALL = (512, 1024)


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


def _deeplabv3plus(variant: str, factory: str, params: int, *checkpoints: Checkpoint) -> Entry:
    return Entry(
        name=f"deeplabv3plus-{variant}",
        factory=f"segbench.models.deeplabv3plus:{factory}",
        family="DeepLabV3+",
        paper="DeepLabV3+, ECCV 2018",
        fidelity="port",
        resolutions=(_LARGE, _SMALL),
        params=params,
        source="VainF/DeepLabV3Plus-Pytorch@4e1087de98bc49d55b9239ae92810ef7368660db",
        golden=(Golden(f"deeplabv3plus_{factory.replace('mobilenetv2', 'mobilenet')}"),),
        checkpoints=checkpoints,
        note="The port's decoder has one ordinary 3x3 convolution where the paper has two separable ones.",
    )


ENTRIES: tuple[Entry, ...] = (
    _segformer("b0", 3_719_027, (_LARGE, _SMALL), Golden("segformer_b0_nvlabs")),
    _segformer("b1", 13_682_131, ((1024, 1024), _LARGE, _SMALL), Golden("segformer_b1_nvlabs"), miou="78.5"),
    _segformer("b2", 27_361_235, (_LARGE, _SMALL)),
    _segformer("b3", 47_237_075, (_LARGE, _SMALL)),
    _segformer("b4", 64_007_635, (_LARGE, _SMALL)),
    _segformer("b5", 84_607_955, (_LARGE, _SMALL), miou="82.4"),
    _deeplabv3plus(
        "mobilenetv2",
        "mobilenetv2_os16",
        5_225_203,
        Checkpoint(
            "https://www.dropbox.com/s/753ojyvsh3vdjol/best_deeplabv3plus_mobilenet_cityscapes_os16.pth",
            keys="reference, under model_state",
            dataset="cityscapes",
            classes=19,
            claimed_miou_percent="72.1",
        ),
    ),
    _deeplabv3plus("mobilenetv2-os8", "mobilenetv2_os8", 5_225_203),
    _deeplabv3plus(
        "r101",
        "resnet101_os16",
        58_753_459,
        Checkpoint(
            "https://drive.google.com/file/d/1t7TC8mxQaFECt4jutdq_NMnWxdm6B-Nb/view",
            keys="reference, under model_state",
            dataset="cityscapes",
            classes=19,
            claimed_miou_percent="76.2",
        ),
    ),
    _deeplabv3plus("r101-os8", "resnet101_os8", 58_753_459),
    *(
        Entry(
            name=f"pspnet-{variant}",
            factory=f"segbench.models.pspnet:pspnet_{variant}",
            family="PSPNet",
            paper="PSPNet, CVPR 2017",
            fidelity="official",
            resolutions=((1025, 2049), (513, 1025), (713, 713)),
            params=params,
            size_multiple=8,
            size_offset=1,
            source="hszhao/semseg@4f274c3f276778228bc14a4565822d46359f0cc8",
            golden=(Golden(f"pspnet_{variant}"),),
            checkpoints=(
                Checkpoint(
                    _PSPNET_WEIGHTS, keys="reference", dataset="cityscapes", classes=19, claimed_miou_percent=miou
                ),
            ),
            note="The reference takes sizes of 8k + 1 only; the claimed mIoU is of 713x713 windows.",
        )
        for variant, params, miou in (("r50", 46_715_347, "77.30"), ("r101", 65_707_475, "78.63"))
    ),
    *(
        Entry(
            name=f"hrnetv2-{variant}",
            factory=f"segbench.models.hrnet:hrnetv2_{variant}",
            family="HRNetV2",
            paper="HRNetV2, TPAMI 2021",
            fidelity="official",
            resolutions=(_LARGE, _SMALL),
            params=params,
            source="HRNet/HRNet-Semantic-Segmentation@0bbb2880446ddff2d78f8dd7e8c4c610151d5a51",
            golden=(Golden(f"hrnetv2_{variant}"),),
            checkpoints=checkpoints,
            note=note,
        )
        for variant, params, checkpoints, note in (
            (
                "w48",
                65_859_379,
                (
                    Checkpoint(
                        f"{_HRNET_WEIGHTS}/hrnet_cs_8090_torch11.pth",
                        keys="reference",
                        dataset="cityscapes",
                        classes=19,
                        claimed_miou_percent="80.9",
                    ),
                ),
                "Resizes without aligned corners, as the authors' Cityscapes configuration does; their default aligns.",
            ),
            (
                "w40",
                45_894_435,
                (),
                "The authors publish no segmentation configuration of this width: the W48 one with a base width of 40.",
            ),
        )
    ),
    Entry(
        name="ocr-hrnetv2-w48",
        factory="segbench.models.ocr:ocr_hrnetv2_w48",
        family="OCR",
        paper="OCR, ECCV 2020",
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=70_372_678,
        source="HRNet/HRNet-Semantic-Segmentation@0bbb2880446ddff2d78f8dd7e8c4c610151d5a51",
        golden=(Golden("hrnetv2_w48_ocr"),),
        checkpoints=(
            Checkpoint(
                f"{_HRNET_WEIGHTS}/hrnet_ocr_cs_8162_torch11.pth",
                keys="reference",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent="81.6",
            ),
        ),
        note="The auxiliary head is part of the inference: its scores are the soft object regions.",
    ),
)
