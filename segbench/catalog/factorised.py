"""Light networks of factorised and dilated convolutions: CGNet, DABNet, LEDNet, FBSNet and their kind."""

from __future__ import annotations

from segbench.catalog.entry import UNIT_RANGE, Checkpoint, Entry, Golden, Preprocessing

# The authors' loaders subtract the training set's mean from images in [0, 255] and do not scale them. It is computed
# in OpenCV's channel order, and subtracted before the channels are reversed to RGB.
_CITYSCAPES_MEAN = Preprocessing(mean=(73.15835921, 82.90891754, 72.39239876), std=(1.0, 1.0, 1.0), scale=1.0)
# CGNet's loader subtracts it after that reversal: the red mean from blue, and the blue one from red.
_CITYSCAPES_MEAN_REVERSED = Preprocessing(mean=(72.39239876, 82.90891754, 73.15835921), std=(1.0, 1.0, 1.0), scale=1.0)

_PORTS = "xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7af3463d381cb184a158ff60e16f7fb9a"
_PORT_SIZES = ((512, 1024), (1024, 2048))

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="cgnet",
        factory="segbench.models.cgnet:cgnet",
        family="CGNet",
        paper="CGNet (Wu et al., IEEE TIP 2021)",
        fidelity="official",
        resolutions=((360, 640), (1024, 2048), (512, 1024)),
        params=496_306,
        preprocessing=_CITYSCAPES_MEAN_REVERSED,
        source="wutianyiRosun/CGNet@cfccea377a6f0a659e807e8759c82dbffba02d7f",
        golden=(Golden("cgnet"),),
        checkpoints=(
            Checkpoint("pan.baidu.com/s/1rilPxLqBH57_sLg0Lc1--Q (train)", "model: module.level1_0.*", "Cityscapes", 19),
            Checkpoint(
                "pan.baidu.com/s/1x7LEunjweoDvb_-xNQmFAg (train+val)",
                "model: module.level1_0.*",
                "Cityscapes",
                19,
                "64.8",
            ),
            Checkpoint("pan.baidu.com/s/1gH6pI3jFmtlBgjgLUCjVvA", "model: module.level1_0.*", "CamVid", 11),
        ),
    ),
    Entry(
        name="dabnet",
        factory="segbench.models.dabnet:dabnet",
        family="DABNet",
        paper="DABNet (Li et al., BMVC 2019)",
        fidelity="official",
        resolutions=((512, 1024), (1024, 2048), (360, 480)),
        params=756_643,
        size_multiple=4,
        preprocessing=_CITYSCAPES_MEAN,
        source="Reagan1311/DABNet@b8d62fe7f14ae4909a9e9aad1dd6e0ade98431cd",
        golden=(Golden("dabnet"),),
        checkpoints=(
            Checkpoint(
                "drive.google.com/open?id=1ZKGBQogSqxyKD-QIJgzyDXw2TR0HUePA (train)",
                "model: init_conv.*",
                "Cityscapes",
                19,
                "69.57",
            ),
            Checkpoint(
                "drive.google.com/open?id=1EPyv9-FUQwr_23w3kLwwiFKD13uRyFRk",
                "model: init_conv.*",
                "CamVid",
                11,
                "66.72",
            ),
        ),
    ),
    Entry(
        name="lednet",
        factory="segbench.models.lednet:lednet",
        family="LEDNet",
        paper="LEDNet (Wang et al., ICIP 2019)",
        fidelity="official",
        resolutions=((1024, 2048), (512, 1024)),
        params=923_083,
        classes=20,
        size_multiple=32,
        preprocessing=UNIT_RANGE,
        source="xiaoyufenfei/LEDNet@5d900d9cfabb3091c952b79be34246aea0608e42",
        golden=(Golden("lednet"),),
        note=(
            "The authors' code fixes 20 output channels (the 20th class is ignored pixels) and an output of 512x1024; "
            "its classifier of the encoder alone, 2,580 parameters that no inference reaches, is left out."
        ),
    ),
    Entry(
        name="fbsnet",
        factory="segbench.models.fbsnet:fbsnet",
        family="FBSNet",
        paper="FBSNet (Gao et al., IEEE TMM 2022)",
        fidelity="official",
        resolutions=((512, 1024), (360, 480), (1024, 2048)),
        params=607_103,
        size_multiple=8,
        preprocessing=_CITYSCAPES_MEAN,
        source="IVIPLab/FBSNet@0b143a13ed3ff4b6e2b2eb0501cb8215a8e09a69",
        golden=(Golden("fbsnet"),),
        note=(
            "The authors' code adds the detail branch's attention map to the semantic branch instead of weighting the "
            "detail with it; its cost is far above the printed 9.7 G. An unused normalisation (96 parameters) is left "
            "out."
        ),
    ),
    Entry(
        name="edanet",
        factory="segbench.models.edanet:edanet",
        family="EDANet",
        paper="EDANet (Lo et al., ACM MM Asia 2019)",
        fidelity="port",
        resolutions=_PORT_SIZES,
        params=689_485,
        size_multiple=4,
        preprocessing=_CITYSCAPES_MEAN,
        source=_PORTS,
        golden=(Golden("edanet"),),
    ),
    Entry(
        name="contextnet",
        factory="segbench.models.contextnet:contextnet",
        family="ContextNet",
        paper="ContextNet (Poudel et al., BMVC 2018)",
        fidelity="port",
        resolutions=_PORT_SIZES,
        params=876_563,
        preprocessing=_CITYSCAPES_MEAN,
        source=_PORTS,
        golden=(Golden("contextnet"),),
    ),
    Entry(
        name="esnet",
        factory="segbench.models.esnet:esnet",
        family="ESNet",
        paper="ESNet (Wang et al., PRCV 2019)",
        fidelity="port",
        resolutions=_PORT_SIZES,
        params=1_659_071,
        preprocessing=_CITYSCAPES_MEAN,
        source=_PORTS,
        golden=(Golden("esnet"),),
    ),
    Entry(
        name="fpenet",
        factory="segbench.models.fpenet:fpenet",
        family="FPENet",
        paper="FPENet (Liu and Yin, BMVC 2019)",
        fidelity="port",
        resolutions=_PORT_SIZES,
        params=115_125,
        preprocessing=_CITYSCAPES_MEAN,
        source=_PORTS,
        golden=(Golden("fpenet"),),
    ),
    Entry(
        name="espnet",
        factory="segbench.models.espnet:espnet",
        family="ESPNet",
        paper="ESPNet (Mehta et al., ECCV 2018)",
        fidelity="port",
        resolutions=_PORT_SIZES,
        params=201_542,
        size_multiple=8,
        preprocessing=_CITYSCAPES_MEAN,
        source=_PORTS,
        golden=(Golden("espnet"),),
        note="The port has 3 ESP modules at stride 8 by default where the paper has 8 (option alpha3).",
    ),
)
