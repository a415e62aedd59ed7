"""The networks of the EFRNet paper that segbench builds: its own, their ablations and the baselines they build on."""

from __future__ import annotations

from segbench.catalog.entry import UNIT_RANGE, Checkpoint, Entry, Golden, Preprocessing

_EFRNET = "EFRNet (Zhang et al., ICME 2021)"
_ENET = "ENet (Paszke et al., arXiv 1606.02147)"
_EFRNET_FACTORY = "segbench.models.efrnet:"
# Table 2 costs at 360x640, table 1 scores at 1024x2048.
_SIZES = ((360, 640), (1024, 2048))

# The port subtracts its data set's mean from images in [0, 255] and does not scale them.
_CITYSCAPES_MEAN = Preprocessing(mean=(73.15835921, 82.90891754, 72.39239876), std=(1.0, 1.0, 1.0), scale=1.0)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="efrnet",
        factory=_EFRNET_FACTORY + "efrnet",
        family="EFRNet",
        paper=_EFRNET,
        fidelity="reconstruction",
        resolutions=((360, 640), (720, 960), (1024, 2048)),
        params=478_022,
        note=(
            "Printed 0.48 M and 3.01 G (360x640) are met under ptflops-0.6.3 (478,022 and 3.0069 G); FFM1's skip, the "
            "blocks behind each FFM and all dilation rates are not in the text, and other configurations fit as well."
        ),
    ),
    Entry(
        name="efrnet-ffm1",
        factory=_EFRNET_FACTORY + "efrnet_ffm1",
        family="EFRNet",
        paper=_EFRNET,
        fidelity="reconstruction",
        resolutions=_SIZES,
        params=373_734,
        note="Ablation of table 1, for which the paper prints no cost: ENet with FFM1 for its last up-sampling.",
    ),
    Entry(
        name="efrnet-ffm1-ffm2",
        factory=_EFRNET_FACTORY + "efrnet_ffm1_ffm2",
        family="EFRNet",
        paper=_EFRNET,
        fidelity="reconstruction",
        resolutions=_SIZES,
        params=456_870,
        note="Ablation of table 1, for which the paper prints no cost: EFRNet without CARM.",
    ),
    Entry(
        name="enet",
        factory="segbench.models.enet:enet",
        family="ENet",
        paper=_ENET,
        fidelity="port",
        resolutions=((360, 640), (360, 480), (1024, 2048)),
        params=360_422,
        live_params=357_990,
        preprocessing=_CITYSCAPES_MEAN,
        source="xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7af3463d381cb184a158ff60e16f7fb9a",
        note=(
            "EFRNet's baseline: printed 0.36 M and 1.91 G (360x640) are met under ptflops-0.6.3; a 128-channel "
            "projection to the classes is constructed and never called, and un-pooling is not deterministic on CUDA."
        ),
    ),
    Entry(
        name="enet-torch7",
        factory="segbench.models.enet:enet_torch7",
        family="ENet",
        paper=_ENET,
        fidelity="port",
        resolutions=((360, 640), (512, 1024), (1024, 2048)),
        params=351_660,
        preprocessing=UNIT_RANGE,
        source="davidtvs/PyTorch-ENet@e17d404e2f649a3476eabe39f8a05e5eb77c55fd",
        golden=(Golden("enet"),),
        checkpoints=(
            Checkpoint("save/ENet_Cityscapes/ENet in the repository", "regular1_1.*", "Cityscapes", 20, "59.5"),
            Checkpoint("save/ENet_CamVid/ENet in the repository", "regular1_1.*", "CamVid", 12, "52.1"),
        ),
        note=(
            "After the authors' Torch7 code: 2x2 pooling and transposed convolutions, an activation at every place; "
            "the released Cityscapes weights count 'unlabeled' as class 0, before road."
        ),
    ),
    Entry(
        name="erfnet",
        factory="segbench.models.erfnet:erfnet",
        family="ERFNet",
        paper="ERFNet (Romera et al., IEEE T-ITS 2017)",
        fidelity="official",
        resolutions=((512, 1024), (360, 640), (720, 960)),
        params=2_064_191,
        preprocessing=UNIT_RANGE,
        source="Eromera/erfnet_pytorch@d4a46faf9e465286c89ebd9c44bc929b2d213fb3",
        golden=(Golden("erfnet"), Golden("erfnet_c19")),
        checkpoints=(
            Checkpoint("trained_models/erfnet_pretrained.pth in the repository", "module.*", "Cityscapes", 20, "72.1"),
        ),
        note=(
            "The released weights have a 20th class for ignored pixels; sizes that are not multiples of 8, which the "
            "reference rejects, are taken as well."
        ),
    ),
)
