"""Which networks are ablations: decided by the tables that print them."""

from __future__ import annotations

from segbench.catalog import CATALOG
from segbench.claims import load_claims
from segbench.claims.ablations import ABLATION_TABLES, ablations


def test_every_ablation_table_is_one_of_the_claims_and_every_ablation_is_built() -> None:
    assert {(claim.paper, claim.table) for claim in load_claims()} >= ABLATION_TABLES
    assert ablations() <= set(CATALOG)


def test_a_network_that_a_comparison_prints_is_no_ablation() -> None:
    compared = {
        claim.model
        for claim in load_claims()
        if claim.table.isdigit() and (claim.paper, claim.table) not in ABLATION_TABLES
    }
    assert not ablations() & compared
    assert not ablations() & {"mfpnet", "frmnet", "frfnet", "eseg-s", "eseg-lite-m", "efrnet", "enet", "fastscnn"}
    assert {"mfpnet-1brm", "frmnet-ppm", "frfnet-msc", "efrnet-ffm1", "bifpn-resnet50"} <= ablations()
