"""AttaNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden

_ATTANET = "AttaNet (Song et al., AAAI 2021)"
_ATTANET_SOURCE = "songqi-github/AttaNet@7ccb67b66064f47dadfa446f1e8b4250805c8fe4"

ENTRIES = (
    Entry(
        name="attanet-light",
        title="AttaNet-light",
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
)
