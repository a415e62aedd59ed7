"""``python -m segbench.catalog check [NAME ...]``: everything that a network of the catalog still lacks, at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from segbench.errors import SegbenchError


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m segbench.catalog", description="Look after the catalog's networks, in a checkout of segbench."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    check = commands.add_parser(
        "check",
        help="say everything that a network still lacks",
        description="Say everything that a network still lacks, one line each with what to do about it.",
        epilog="Exit status: 0 nothing is missing, 1 something is, 2 no network or model file has this name.",
    )
    check.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a network, a pattern such as 'sfnet*', or a file of segbench/models/ without its ending; all without any",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    names = _arguments().parse_args(arguments).names
    missing = 0
    try:
        from segbench.completeness import check

        for finding in check(names):
            missing += finding.status == "missing"
            if names or finding.status == "missing":
                print(finding, flush=True)
    except SegbenchError as error:
        print(f"segbench: {error}", file=sys.stderr)
        return 2
    print(f"{missing or 'nothing'} missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
