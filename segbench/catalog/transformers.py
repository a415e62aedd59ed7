"""Networks with transformers: Lawin, SETR, UPerNet with Swin, DDPS."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden

_SIZES = ((1024, 2048), (512, 1024))
_LAWIN = "Lawin (Yan et al., arXiv 2022)"
_LAWIN_SOURCE = "yan-hao-tian/lawin@0fe2ffa7b41850572e23c61b2cb60ebf305313d8"
_LAWIN_NOTE = (
    "The authors published the decoder alone, so its encoder is mmsegmentation's; here the map is pooled once for all "
    "large windows, there each window by itself, for the same result."
)
_MMSEG = "open-mmlab/mmsegmentation@v1.2.2"
_MMSEG_WEIGHTS = "https://download.openmmlab.com/mmsegmentation/v0.5"
_DDPS = "DDPS (Lai et al., arXiv 2023)"
_DDPS_SOURCE = "OpenGVLab/DDPS@ce438ed90d10d544d837df0e4c33c1aff0bb31cb"
_DDPS_NOTE = (
    "One denoising step on a fixed mask; the authors take several from a random one, and each repeats the U-Net and "
    "the classifier."
)

ENTRIES: tuple[Entry, ...] = (
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
