"""Searched, transformer and panoptic networks of the comparison tables: FasterSeg, Lawin, SETR, UPerNet and others."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

_SIZES = ((1024, 2048), (512, 1024))
_FASTERSEG = "FasterSeg (Chen et al., ICLR 2020)"
_FASTERSEG_SOURCE = "VITA-Group/FasterSeg@478b0265eb9ab626cfbe503ad16d2452878b38cc"
_FASTERSEG_NOTE = (
    "Without the heads for training, with which the paper counts it (4.4 M parameters), and an attention that the "
    "reference never reaches; some heights that 32 does not divide happen to fit the reference, all are refused."
)
_LAWIN = "Lawin (Yan et al., arXiv 2022)"
_LAWIN_SOURCE = "yan-hao-tian/lawin@0fe2ffa7b41850572e23c61b2cb60ebf305313d8"
_LAWIN_NOTE = (
    "The authors published the decoder alone, so its encoder is mmsegmentation's; here the map is pooled once for all "
    "large windows, there each window by itself, for the same result."
)
_MMSEG = "open-mmlab/mmsegmentation@v1.2.2"
_MMSEG_WEIGHTS = "https://download.openmmlab.com/mmsegmentation/v0.5"
_PANOPTIC = "Panoptic-DeepLab (Cheng et al., CVPR 2020)"
_PANOPTIC_SOURCE = "bowenc0221/panoptic-deeplab@cf8e20bbbf1cf540c7593434b965a93c4a889890"
_PANOPTIC_NOTE = (
    "The semantic branch alone, at output stride 32 as released; the paper's network has an instance branch and output "
    "stride 16."
)
_DDPS = "DDPS (Lai et al., arXiv 2023)"
_DDPS_SOURCE = "OpenGVLab/DDPS@ce438ed90d10d544d837df0e4c33c1aff0bb31cb"
_DDPS_NOTE = (
    "One denoising step on a fixed mask; the authors take several from a random one, and each repeats the U-Net and "
    "the classifier."
)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="fasterseg",
        factory="segbench.models.fasterseg:fasterseg",
        family="FasterSeg",
        paper=_FASTERSEG,
        fidelity="official",
        resolutions=_SIZES,
        params=3_421_875,
        size_multiple=32,
        source=_FASTERSEG_SOURCE,
        golden=(Golden("fasterseg_student"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1O56HnA0ug2M3K4SR3_AUzIs0wegy9BX6, linked in the repository's README",
                "stem.*, cells.0-0._op._op.*",
                "Cityscapes",
                19,
            ),
        ),
        note=_FASTERSEG_NOTE,
    ),
    Entry(
        name="fasterseg-teacher",
        factory="segbench.models.fasterseg:fasterseg_teacher",
        family="FasterSeg",
        paper=_FASTERSEG,
        fidelity="official",
        resolutions=_SIZES,
        params=22_115_203,
        size_multiple=32,
        source=_FASTERSEG_SOURCE,
        golden=(Golden("fasterseg_teacher"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 168HtgNnY9OdCz5Z6FWxoJr-gd5EtS5Sp, linked in the repository's README",
                "stem.*, cells.0-0._op._op.*",
                "Cityscapes",
                19,
            ),
        ),
        note="Without the heads for training and an attention that the reference never reaches.",
    ),
    Entry(
        name="lawin",
        factory="segbench.models.lawin:lawin",
        family="Lawin",
        paper=_LAWIN,
        fidelity="official",
        resolutions=_SIZES,
        params=87_432_707,
        size_multiple=64,
        source=_LAWIN_SOURCE,
        golden=(Golden("lawin_mit_b5"),),
        note=_LAWIN_NOTE,
    ),
    Entry(
        name="lawin-mit-b2",
        factory="segbench.models.lawin:lawin_mit_b2",
        family="Lawin",
        paper=_LAWIN,
        fidelity="official",
        resolutions=_SIZES,
        params=30_185_987,
        size_multiple=64,
        source=_LAWIN_SOURCE,
        golden=(Golden("lawin_mit_b2"),),
        note=_LAWIN_NOTE,
    ),
    Entry(
        name="setr",
        factory="segbench.models.setr:setr",
        family="SETR",
        paper="SETR (Zheng et al., CVPR 2021)",
        fidelity="port",
        resolutions=((512, 1024), (1024, 2048)),
        params=309_594_899,
        source=_MMSEG,
        golden=(Golden("setr_pup_vitl16_mmseg"),),
        checkpoints=(
            Checkpoint(
                f"{_MMSEG_WEIGHTS}/setr/setr_pup_vit-large_8x1_768x768_80k_cityscapes/"
                "setr_pup_vit-large_8x1_768x768_80k_cityscapes_20211122_155115-f6f37b8f.pth",
                "backbone.layers.*, decode_head.up_convs.*",
                "Cityscapes",
                19,
                "79.21",
            ),
        ),
        note=(
            "SETR-PUP with ViT-L/16; its positions are learned for 768x768 pixels and resized to the input, except "
            "where the input has as many patches in another shape."
        ),
    ),
    Entry(
        name="upernet-swin-s",
        factory="segbench.models.upernet:upernet_swin_s",
        family="UPerNet",
        paper="Swin Transformer (Liu et al., ICCV 2021) with UPerNet (Xiao et al., ECCV 2018)",
        fidelity="port",
        resolutions=((512, 512), (512, 1024), (1024, 2048)),
        params=80_335_968,
        classes=150,
        source=_MMSEG,
        golden=(Golden("upernet_swin_s_mmseg"),),
        checkpoints=(
            Checkpoint(
                f"{_MMSEG_WEIGHTS}/swin/upernet_swin_small_patch4_window7_512x512_160k_ade20k_pretrain_224x224_1K/"
                "upernet_swin_small_patch4_window7_512x512_160k_ade20k_pretrain_224x224_1K_20210526_192015-ee2fff1c.pth",
                "backbone.stages.*, decode_head.psp_modules.*",
                "ADE20K",
                150,
                "47.72",
            ),
        ),
        note="As released for ADE20K, with 150 classes; without the head for training, which the paper counts.",
    ),
    Entry(
        name="panoptic-deeplab-r50",
        factory="segbench.models.panoptic_deeplab:panoptic_deeplab_r50",
        family="Panoptic-DeepLab",
        paper=_PANOPTIC,
        fidelity="official",
        resolutions=_SIZES,
        params=39_575_219,
        source=_PANOPTIC_SOURCE,
        golden=(Golden("panoptic_deeplab_r50_os32"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1IhZXtLpVkzhH4S2k27zARM8kUI7G6Hfn, linked in the repository's tools/docs/MODEL_ZOO.md",
                "backbone.*, decoder.semantic_decoder.*",
                "Cityscapes",
                19,
                "78.6",
            ),
        ),
        note=_PANOPTIC_NOTE,
    ),
    Entry(
        name="panoptic-deeplab-x65",
        factory="segbench.models.panoptic_deeplab:panoptic_deeplab_x65",
        family="Panoptic-DeepLab",
        paper=_PANOPTIC,
        fidelity="official",
        resolutions=_SIZES,
        params=53_910_435,
        source=_PANOPTIC_SOURCE,
        golden=(Golden("panoptic_deeplab_x65_os32"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1TjN5gUyzA8Q2HqnP6jBu62GRTyAntQeQ, linked in the repository's tools/docs/MODEL_ZOO.md",
                "backbone.*, decoder.semantic_decoder.*",
                "Cityscapes",
                19,
                "79.6",
            ),
        ),
        note=_PANOPTIC_NOTE,
    ),
    Entry(
        name="efficientps",
        factory="segbench.models.efficientps:efficientps",
        family="EfficientPS",
        paper="EfficientPS (Mohan and Valada, IJCV 2021)",
        fidelity="official",
        resolutions=_SIZES,
        params=27_912_835,
        preprocessing=Preprocessing(mean=(106.433, 116.617, 119.559), std=(65.496, 67.6, 74.123), scale=1.0),
        source="DeepSceneSeg/EfficientPS@e1c92c301b8d2a9c582797ab3cad203909f2fa9d",
        golden=(Golden("efficientps_b5_semantic"),),
        checkpoints=(
            Checkpoint(
                "Dropbox zihqct9zum8eq66/efficientPS_cityscapes.zip, linked in the repository's README",
                "backbone.blocks.*, semantic_head.*",
                "Cityscapes",
                19,
            ),
        ),
        note="The semantic branch alone, without region proposals, boxes and masks.",
    ),
    Entry(
        name="ddps-segformer-b5",
        factory="segbench.models.ddps:ddps_segformer_b5",
        family="DDPS",
        paper=_DDPS,
        fidelity="official",
        resolutions=_SIZES,
        params=122_784_532,
        classes=20,
        size_multiple=16,
        source=_DDPS_SOURCE,
        golden=(Golden("ddps_segformer_b5_step0"),),
        note=f"{_DDPS_NOTE} The authors' configuration for MiT-B5 is not public: theirs for MiT-B2, with 20 classes.",
    ),
    Entry(
        name="ddps-segformer-b2",
        factory="segbench.models.ddps:ddps_segformer_b2",
        family="DDPS",
        paper=_DDPS,
        fidelity="official",
        resolutions=((512, 512), (512, 1024), (1024, 2048)),
        params=65_573_575,
        classes=151,
        size_multiple=16,
        source=_DDPS_SOURCE,
        golden=(Golden("ddps_segformer_b2_step0"),),
        checkpoints=(
            Checkpoint(
                "https://huggingface.co/aaronb/DDPS-all/tree/main/segformer_b2_multistep",
                "backbone.layers.*, decode_head.unet.*",
                "ADE20K",
                151,
                "49.73",
            ),
        ),
        note=_DDPS_NOTE,
    ),
)
