"""Dilation8: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden, Preprocessing
from segbench.catalog.shared import CAMVID_HALF, CITYSCAPES_HALF

_CAFFE_CAMVID = Preprocessing(
    mean=(110.70313206, 108.77808759, 105.41212523), std=(1.0, 1.0, 1.0), scale=1.0, channels="bgr"
)

ENTRIES = (
    Entry(
        name="dilation8",
        factory="segbench.models.dilation8:dilation8",
        searched="README and files of carlodizon03/Dilation8-Pytorch: no weights under its keys",
        family="Dilation8",
        paper="Dilated convolutions, ICLR 2016",
        fidelity="port",
        resolutions=(CAMVID_HALF, CITYSCAPES_HALF),
        params=134_313_443,
        classes=11,
        preprocessing=_CAFFE_CAMVID,
        source="carlodizon03/Dilation8-Pytorch@33a4caaafcce91d33f71bb9fa3c6daac5b60f502",
        golden=(Golden("dilation8_camvid_c11"),),
        note=(
            "The CamVid network with its 11 classes, which scores the image but for 186 pixels at each side. Smaller "
            "images than 380 pixels are reflected by as much first, which is part of their cost; the authors' "
            "predictions reflect every image (reflected=True)."
        ),
    ),
)
