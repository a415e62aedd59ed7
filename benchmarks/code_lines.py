"""How much code there is: ``python -m benchmarks.code_lines [FOLDER]``, lines of each package of segbench.

A line counts where it holds a token that is neither a comment nor part of a docstring; blank lines do not. Networks and
their catalog are told apart, since each network adds to them. Against another revision: check it out with
``git worktree add`` and name its folder ``segbench``.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

NETWORKS = ("models", "catalog")
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(source: str) -> int:
    """Lines of Python source that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - _docstrings(ast.parse(source)))


def _docstrings(tree: ast.Module) -> set[int]:
    """Lines of strings that stand alone: docstrings of modules, classes and functions, and of attributes."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def by_package(folder: Path) -> Counter[str]:
    """Code lines of each package below a folder, and of the modules in it."""
    found: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        found[parts[0] if len(parts) > 1 else "modules"] += code_lines(path.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Print them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "segbench")
    found = by_package(folder)
    for package, lines in sorted(found.items()):
        print(f"{package:12} {lines:6,}")
    networks = sum(found[package] for package in NETWORKS)
    print(f"networks and their catalog {networks:,}, everything else {sum(found.values()) - networks:,}")


if __name__ == "__main__":
    main()
