"""Context and alignment heads on classification backbones: PFNet, HANet, IFA, NRD, OCNet, OCR, DeepLabV3 and others."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

_LARGE = (1024, 2048)
_SMALL = (512, 1024)
_MMSEGMENTATION = "open-mmlab/mmsegmentation@v1.2.2"
_CAMVID = (360, 480)

# The mean of the training images subtracted from [0, 255], as in Caffe. OCNet's loader subtracts the means of BGR in
# that order from RGB.
_OCNET = Preprocessing(mean=(102.9801, 115.9465, 122.7717), std=(1.0, 1.0, 1.0), scale=1.0)
_OPENSEG = Preprocessing(mean=(102.9801, 115.9465, 122.7717), std=(1.0, 1.0, 1.0), scale=1.0, channels="bgr")
_CAFFE_VOC = Preprocessing(
    mean=(104.00698793, 116.66876762, 122.67891434), std=(1.0, 1.0, 1.0), scale=1.0, channels="bgr"
)
_CAFFE_CAMVID = Preprocessing(
    mean=(110.70313206, 108.77808759, 105.41212523), std=(1.0, 1.0, 1.0), scale=1.0, channels="bgr"
)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="pfnet-r50",
        factory="segbench.models.pfnet:pfnet_r50",
        family="PFNet",
        paper="PointFlow, CVPR 2021",
        fidelity="official",
        resolutions=((720, 1280), _SMALL),
        params=32_994_774,
        source="lxtGH/PFSegNets@e613a5998eb5a3228df248f543694c55347611c1",
        golden=(Golden("pfnet_r50", selecting=(r"\.edge_final\.",)),),
        note=(
            "Hyper-parameters of the authors' iSAID script; the edge predictors receive no gradient from the class "
            "scores, but choose the points that are flowed and so count."
        ),
    ),
    Entry(
        name="hanet-r101",
        factory="segbench.models.hanet:hanet_r101",
        family="HANet",
        paper="HANet, CVPR 2020",
        fidelity="official",
        resolutions=((720, 1280), _LARGE, _SMALL),
        params=60_073_274,
        source="shachoi/HANet@656bedc2979ef41eded46184d4b214bf243ce052",
        golden=(Golden("hanet_r101_os8"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/drive/folders/1qetciC7G29Gg4iKHLWhCioSdMbmYeb0Y",
                keys="reference, under state_dict",
                dataset="cityscapes",
                classes=19,
            ),
        ),
        note=(
            "Parameters include 1,241 frozen values of the position encodings, which the authors keep as embeddings; "
            "vertical positions are those of the whole image, however high it is."
        ),
    ),
    Entry(
        name="ifa-r50",
        factory="segbench.models.ifa:ifa_r50",
        family="IFA",
        paper="IFA, ECCV 2022",
        fidelity="official",
        resolutions=((1024, 1024), _SMALL),
        params=25_400_115,
        source="hzhupku/IFA@70baac826983f03079d8603cd814ba753f0489e5",
        golden=(Golden("ifa_r50"),),
        note="The released Cityscapes configuration; at the finest level the position encoding sees zeros only.",
    ),
    Entry(
        name="nrd-r50",
        factory="segbench.models.nrd:nrd_r50",
        family="NRD",
        paper="NRD, NeurIPS 2021",
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=43_573_367,
        size_multiple=32,
        source="zbwxp/NRD_decoder@4b75721daeb620ff5b71dd7f629c319e17e0eaa5",
        golden=(Golden("nrd_r50"),),
        note="A classifier that the authors' head inherits and never calls (conv_seg) is left out.",
    ),
    *(
        Entry(
            name=f"ocnet-{variant}",
            factory=f"segbench.models.ocnet:ocnet_{variant.replace('-', '_')}",
            family="OCNet",
            paper="OCNet, IJCV 2021",
            fidelity="official",
            resolutions=(_LARGE, _SMALL),
            params=params,
            preprocessing=_OCNET,
            source="openseg-group/OCNet.pytorch@679a45b8996c583817bbdde81971a47d71c7654e",
            golden=(Golden(golden),),
            note=note,
        )
        for variant, params, golden, note in (
            ("r101", 52_992_979, "ocnet_base_oc_r101", "The Base-OC variant."),
            ("asp-r101", 57_812_307, "ocnet_asp_oc_r101", "The ASP-OC variant."),
        )
    ),
    Entry(
        name="ocr-r101",
        factory="segbench.models.ocr:ocr_r101",
        family="OCR",
        paper="OCR, ECCV 2020",
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=57_988_838,
        source="openseg-group/openseg.pytorch@aefc75517b09068d7131a69420bc5f66cb41f0ee",
        preprocessing=_OPENSEG,
        golden=(Golden("ocrnet_r101_openseg"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/open?id=1bUCC3PEvuTBgfUpJlswEjdSJ_iGvg-Px",
                keys="reference, under state_dict",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent="79.63",
            ),
        ),
        note=(
            "The auxiliary head is part of the inference: its scores are the soft object regions. Keys and ReLU are "
            "those of the authors' plain batch normalisation; their in-place one has other keys and a leaky ReLU."
        ),
    ),
    Entry(
        name="deeplabv3-r101",
        factory="segbench.models.deeplabv3:deeplabv3_r101",
        family="DeepLabV3",
        paper="DeepLabV3, arXiv 2017",
        fidelity="port",
        resolutions=(_LARGE, _SMALL),
        params=84_740_467,
        source=_MMSEGMENTATION,
        golden=(
            Golden("deeplabv3_r101_d8_mmseg"),
            Golden("deeplabv3_r101_d8_c256_mmseg", {"aspp_channels": 256}),
        ),
        checkpoints=(
            Checkpoint(
                "https://download.openmmlab.com/mmsegmentation/v0.5/deeplabv3/deeplabv3_r101-d8_512x1024_80k_cityscapes/"
                "deeplabv3_r101-d8_512x1024_80k_cityscapes_20200606_113503-9e428899.pth",
                keys="reference, under state_dict",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent="80.2",
            ),
        ),
        note="The port's ASPP has 512 channels where the paper has 256 (aspp_channels=256: 60.7 M parameters).",
    ),
    *(
        Entry(
            name=f"deeplabv3-{variant}",
            factory=f"segbench.models.deeplabv3:deeplabv3_{variant}",
            family="DeepLabV3",
            paper="ResNeSt, CVPRW 2022",
            fidelity="official",
            resolutions=(_LARGE, _SMALL),
            params=params,
            source="zhanghang1989/PyTorch-Encoding@ac748410dfc8d7d70a2ce7f5add08050af2fae20",
            golden=(Golden(f"deeplabv3_{variant}_encoding"),),
            checkpoints=(
                Checkpoint(
                    f"https://hangzh.s3.amazonaws.com/encoding/models/deeplab_{variant}_ade-{sha1}.zip",
                    keys="reference",
                    dataset="ade20k",
                    classes=150,
                ),
            ),
            note="The code of ResNeSt's authors, whose head is DeepLabV3's with one more 3x3 convolution.",
        )
        for variant, params, sha1 in (("resnest50", 41_564_563, "2225f09d"), ("resnest101", 62_356_339, "06ca799c"))
    ),
    Entry(
        name="deeplabv3plus-resnext50",
        factory="segbench.models.deeplabv3plus:resnext50_os8",
        family="DeepLabV3+",
        paper="DeepLabV3+, ECCV 2018",
        fidelity="port",
        resolutions=(_LARGE, _SMALL),
        params=40_677_827,
        source=_MMSEGMENTATION,
        golden=(Golden("deeplabv3plus_resnext50_d8_mmseg"),),
        note=(
            "The paper that prints the row names the backbone only: mmsegmentation's configuration of ResNet-50 with a "
            "ResNeXt-50 32x4d in its place."
        ),
    ),
    Entry(
        name="deeplabv3plus-xception71",
        factory="segbench.models.deeplabv3plus:xception71_os8",
        family="DeepLabV3+",
        paper="DeepLabV3+, ECCV 2018",
        fidelity="port",
        resolutions=(_LARGE, _SMALL),
        params=54_632_240,
        source="NVIDIA/semantic-segmentation@7726b144c2cc0b8e09c67eabb78f027efdf3f0fa",
        golden=(Golden("deeplabv3plus_xception71_nvidia"),),
        note="NVIDIA's DeepLabV3+: ordinary convolutions in ASPP and decoder, output stride 8, a decoder at stride 2.",
    ),
    Entry(
        name="fcn8s",
        factory="segbench.models.fcn8s:fcn8s",
        family="FCN",
        paper="FCN, CVPR 2015",
        fidelity="port",
        resolutions=(_CAMVID, _SMALL),
        params=134_489_759,
        classes=21,
        preprocessing=_CAFFE_VOC,
        source="wkentaro/pytorch-fcn@4b988509bfd1a613d5e8482595a1c6654047d69b",
        golden=(Golden("fcn8s_vgg16"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/uc?id=0B9P1L--7Wd2vT0FtdThWREhjNkU",
                keys="reference",
                dataset="pascal voc 2011",
                classes=21,
                claimed_miou_percent="65.51",
            ),
        ),
        note="21 classes as released; the image is padded by 100 pixels inside the network, as in the Caffe original.",
    ),
    Entry(
        name="dilation8",
        factory="segbench.models.dilation8:dilation8",
        family="Dilation8",
        paper="Dilated convolutions, ICLR 2016",
        fidelity="port",
        resolutions=(_CAMVID, _SMALL),
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
    Entry(
        name="sfanet-r18",
        factory="segbench.models.sfanet:sfanet_r18",
        family="SFANet",
        paper="SFANet, TCSVT 2022",
        fidelity="port",
        resolutions=(_LARGE, _SMALL),
        params=12_720_478,
        source="kaigelee/CSFCN@16ad80ea9f3230d1aefe8c39bab460eb5c5daae6",
        golden=(Golden("sfanet_r18_csfcn"),),
        note="SFANet's authors published no code: an unofficial reproduction from the paper, by the authors of CSFCN.",
    ),
    Entry(
        name="csrnet-r18",
        factory="segbench.models.csrnet:csrnet_r18",
        family="CSRNet",
        paper="CSRNet, ESWA 2023",
        fidelity="official",
        resolutions=(_LARGE, _SMALL),
        params=12_817_863,
        source="Mayy1994/CSRNet@dcf46d5ba5c3d41fe15457fb702b6a95f1274810",
        golden=(Golden("csrnet_r18"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/file/d/13KUke1U-6J3r0NHiCYIYzVDuWZ00T6Vz/view",
                keys="reference",
                dataset="cityscapes",
                classes=19,
            ),
        ),
    ),
)
