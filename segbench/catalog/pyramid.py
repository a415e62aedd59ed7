"""Networks with a pyramid decoder on a classification backbone: ICNet, SwiftNet, SFNet-Lite, ShelfNet and others."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

_SIZES = ((1024, 2048), (512, 1024))
_ATTANET = "AttaNet (Song et al., AAAI 2021)"
_ATTANET_SOURCE = "songqi-github/AttaNet@7ccb67b66064f47dadfa446f1e8b4250805c8fe4"
_SWIFTNET_SOURCE = "orsic/swiftnet@2b88990e1ab674e8ef7cb533a1d8d49ef34ac93d"
_SWIFTNET_WEIGHTS = "Google Drive folder 1DqX-N-nMtGG9QfMY_cKtULCKTfEuV4WT, linked in the repository's README"
# The authors' network does this itself, in place, on an RGB image in [0, 255].
_SWIFTNET_NORMALISATION = Preprocessing(mean=(73.15, 82.90, 72.3), std=(47.67, 48.49, 47.73), scale=1.0)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="icnet",
        factory="segbench.models.icnet:icnet",
        family="ICNet",
        paper="ICNet (Zhao et al., ECCV 2018)",
        fidelity="port",
        resolutions=((1024, 2048), (360, 640), (720, 960), (512, 1024)),
        params=26_244_512,
        source="liminn/ICNet-pytorch@da394fc44f4fbaff1b47ab83ce7121a96f375b03",
        golden=(Golden("icnet_r50"),),
        checkpoints=(
            Checkpoint(
                "icnet_resnet50_197_0.710_best_model.pth, named in the repository's README without a link",
                "pretrained.*, head.cff_12.*",
                "Cityscapes",
                19,
                "71.0",
            ),
        ),
        note=(
            "Not the authors' Caffe network: its ResNet-50 has twice the kernels; the stages that the port runs on the "
            "medium image for nothing are not run."
        ),
    ),
    Entry(
        name="swiftnet-r18",
        factory="segbench.models.swiftnet:swiftnet_r18",
        family="SwiftNet",
        paper="SwiftNet (Orsic et al., CVPR 2019)",
        fidelity="official",
        resolutions=_SIZES,
        params=11_797_071,
        preprocessing=_SWIFTNET_NORMALISATION,
        source=_SWIFTNET_SOURCE,
        golden=(Golden("swiftnet_rn18_single_scale"),),
        checkpoints=(Checkpoint(_SWIFTNET_WEIGHTS, "backbone.*, logits.*", "Cityscapes", 19),),
        note="The authors' network normalises its input itself; here that is the preprocessing.",
    ),
    Entry(
        name="swiftnet-r18-pyramid",
        factory="segbench.models.swiftnet:swiftnet_r18_pyramid",
        family="SwiftNet",
        paper="SwiftNet, pyramidal fusion (Orsic and Segvic, Pattern Recognition 2021)",
        fidelity="official",
        resolutions=_SIZES,
        params=12_056_275,
        size_multiple=4,
        preprocessing=_SWIFTNET_NORMALISATION,
        source=_SWIFTNET_SOURCE,
        golden=(Golden("swiftnet_rn18_pyramid"),),
        checkpoints=(Checkpoint(_SWIFTNET_WEIGHTS, "backbone.bn1.0.*, logits.*", "Cityscapes", 19),),
        note=(
            "The authors' network normalises its input itself; here that is the preprocessing. Some sizes that 4 does "
            "not divide happen to fit its additions; all are refused."
        ),
    ),
    Entry(
        name="sfnet-lite-r18",
        factory="segbench.models.sfnet:sfnet_lite_r18",
        family="SFNet",
        paper="SFNet-Lite (Li et al., IJCV 2023)",
        fidelity="official",
        resolutions=_SIZES,
        params=12_079_863,
        source="lxtGH/SFSegNets@ba475bafbfde7ce0caf94b3d839574ab0b9b953a",
        golden=(Golden("sfnet_lite_r18"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1ifpyw3qEAzpzzKL_mZANrXJ_WfcaIWre, linked in the repository's README",
                "layer0.0.*, head.flow_align_module.*",
                "Cityscapes",
                19,
            ),
        ),
        note="A lateral convolution and a head for training that the reference never calls in eval mode are left out.",
    ),
    Entry(
        name="shelfnet18",
        factory="segbench.models.shelfnet:shelfnet18",
        family="ShelfNet",
        paper="ShelfNet (Zhuang et al., ICCV Workshops 2019)",
        fidelity="official",
        resolutions=_SIZES,
        params=14_320_256,
        size_multiple=32,
        source="juntang-zhuang/ShelfNet@39fbcb2fe7ec5bfd6a1bb9ce1f2789fd75d0e08c",
        golden=(Golden("shelfnet18_realtime"),),
        checkpoints=(
            Checkpoint(
                "Dropbox 84ol8lk99qcis9p/ShelfNet18_realtime.pth, linked in the repository's README",
                "backbone.*, decoder.*, ladder.*",
                "Cityscapes",
                19,
                "74.8",
            ),
        ),
        note=(
            "Leaky ReLU where the code says ReLU; an unused block of its decoder and the heads for training, which the "
            "reference runs in eval mode, too, are left out."
        ),
    ),
    Entry(
        name="attanet-light",
        factory="segbench.models.attanet:attanet_light",
        family="AttaNet",
        paper=_ATTANET,
        fidelity="official",
        resolutions=((512, 1024), (1024, 2048)),
        params=891_488,
        source=_ATTANET_SOURCE,
        golden=(Golden("attanet_light"),),
        checkpoints=(
            Checkpoint(
                "Baidu pan 1OR45RYDU6sQ-jiIliisboA, code zmb3, linked in the repository's README",
                "head.backbone.branch.*, conv_out.*",
                "Cityscapes",
                19,
                "70.6",
            ),
        ),
        note="The attention is normalised over the strips; heads for training, which the reference runs, are left out.",
    ),
    Entry(
        name="attanet-r18",
        factory="segbench.models.attanet:attanet_r18",
        family="AttaNet",
        paper=_ATTANET,
        fidelity="official",
        resolutions=((512, 1024), (1024, 2048)),
        params=12_639_424,
        source=_ATTANET_SOURCE,
        golden=(Golden("attanet_r18"),),
        checkpoints=(
            Checkpoint(
                "Baidu pan 1L1nyyz1F48aI4ODYX9euUg, code 66tx, linked in the repository's README",
                "head.resnet.*, conv_out.*",
                "Cityscapes",
                19,
                "78.8",
            ),
        ),
        note="The attention is normalised over the strips; heads for training, which the reference runs, are left out.",
    ),
    Entry(
        name="fanet18",
        factory="segbench.models.fanet:fanet18",
        family="FANet",
        paper="FANet (Hu et al., IEEE RA-L 2021)",
        fidelity="official",
        resolutions=_SIZES,
        params=13_080_128,
        source="feinanshan/FANet@d4e5e3cab052e23eabadaa1e882a6d6c9ceecd3b",
        golden=(Golden("fanet18"),),
        note=(
            "The training code's network, whose first stage is strided (strides 8 to 64) and which the authors timed "
            "without normalisations."
        ),
    ),
    Entry(
        name="bialignnet-dfnet2",
        factory="segbench.models.bialignnet:bialignnet_dfnet2",
        family="BiAlignNet",
        paper="BiAlignNet (Wu et al., ICIP 2021)",
        fidelity="official",
        resolutions=_SIZES,
        params=18_901_412,
        source="jojacola/BiAlignNet@3cde010bfe722e5171ffee84417e7a045c134a33",
        golden=(Golden("bialignnet_dfv2"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1lToCzFmq3TGP_bkq8hLuI9ZWZahSX9ft, linked in the repository's README",
                "backbone.stage1.*, spatial2Context.*",
                "Cityscapes",
                19,
                "78.7",
            ),
        ),
        note="Warps without aligned corners, as the reference does under torch 1.3 and later.",
    ),
)
