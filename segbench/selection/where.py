"""Which rows ``--where`` keeps: comparisons of columns with literals, nothing else, and nothing of it is run.

The expression is parsed with `ast`, and each of the few kinds of nodes that it may have becomes a pandas mask.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from segbench.errors import BadOption
from segbench.selection.columns import Column, find_column

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 1000
ACCEPTED = "comparisons of columns with literals, joined by and, or, not, as in \"macs < 5e9 and network in ('enet',)\""
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_WORDS = {
    ast.Call: "a call",
    ast.Attribute: "an attribute",
    ast.Subscript: "an index",
    ast.Lambda: "a lambda",
    ast.BinOp: "arithmetic",
}


class Where:
    """A parsed expression.

    Attributes:
        columns: names of the columns that it compares.
    """

    def __init__(self, text: str) -> None:
        """Parse and check an expression.

        Raises:
            BadOption: no expression, or one with anything but comparisons, and/or/not/in, column names and literals.
            UnknownName: a name that is no column.
        """
        if len(text) > LONGEST:
            raise BadOption(f"--where takes at most {LONGEST} letters: {len(text)} given")
        try:
            # An odd literal, such as 1in, is no reason for a warning of Python's.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise BadOption(f"--where {text!r} is no expression; accepted: {ACCEPTED}") from None
        self._text = text
        self.columns: list[str] = []
        self._check(self._tree)

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """Which rows of a table, whose columns are `COLUMNS`, the expression keeps.

        A row without a figure meets no comparison with it, whichever way.
        """
        return self._mask(self._tree, frame)

    def _refuse(self, what: str) -> BadOption:
        return BadOption(f"--where {self._text!r} has {what}; accepted: {ACCEPTED}")

    def _check(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self._check(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._check(operand)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = [left, *comparators]
                for place, op in enumerate(ops):
                    self._check_pair(sides[place], op, sides[place + 1])
            case ast.Name(id=name):
                find_column(name)
                raise self._refuse(f"the column {name} without a comparison")
            case ast.Constant():
                raise self._refuse("a value without a comparison")
            case _:
                raise self._refuse(_WORDS.get(type(node), "more than that"))

    def _check_pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> None:
        if isinstance(op, (ast.In, ast.NotIn)):
            column = self._column(left)
            if column is None or not isinstance(right, (ast.Tuple, ast.List)):
                raise self._refuse("an `in` that is not a column in a list of values")
            kinds = {self._is_text(left), *(self._is_text(item) for item in right.elts)}
        elif type(op) in _COMPARISONS:
            kinds = {self._is_text(left), self._is_text(right)}
            if self._column(left) is None and self._column(right) is None:
                raise self._refuse("a comparison without a column")
        else:
            raise self._refuse("an `is`")
        if len(kinds) > 1:
            raise self._refuse("a comparison of text with a number")

    def _column(self, node: ast.expr) -> Column | None:
        if not isinstance(node, ast.Name):
            return None
        return find_column(node.id)

    def _is_text(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            self.columns.append(find_column(node.id).name)
            return find_column(node.id).kind == "text"
        return isinstance(self._literal(node), str)

    def _literal(self, node: ast.expr) -> str | int | float:
        match node:
            case ast.Constant(value=str() | int() | float() as value) if not isinstance(value, bool):
                if isinstance(value, str) or abs(value) < 2**63:
                    return value
                raise self._refuse("a number that is too large")
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                self._literal(node.operand)
                return -value
            case _:
                raise self._refuse(_WORDS.get(type(node), "more than that"))

    def _value(self, node: ast.expr, frame: pd.DataFrame) -> Any:
        return frame[find_column(node.id).name] if isinstance(node, ast.Name) else self._literal(node)

    def _mask(self, node: ast.expr, frame: pd.DataFrame) -> pd.Series[bool]:
        masks: list[pd.Series[bool]]
        if isinstance(node, ast.BoolOp):
            masks = [self._mask(value, frame) for value in node.values]
            combine = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        elif isinstance(node, ast.UnaryOp):
            inverted: pd.Series[bool] = ~self._mask(node.operand, frame)
            return inverted
        else:
            assert isinstance(node, ast.Compare)
            sides = [node.left, *node.comparators]
            masks = [self._compared(sides[place], op, sides[place + 1], frame) for place, op in enumerate(node.ops)]
            combine = operator.and_
        whole = masks[0]
        for mask in masks[1:]:
            whole = combine(whole, mask)
        return whole

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, frame: pd.DataFrame) -> pd.Series[bool]:
        value = self._value(left, frame)
        if isinstance(op, (ast.In, ast.NotIn)):
            assert isinstance(right, (ast.Tuple, ast.List))
            among = value.isin([self._literal(item) for item in right.elts])
            found = among if isinstance(op, ast.In) else ~among & value.notna()
        else:
            found = _COMPARISONS[type(op)](value, self._value(right, frame))
        mask: pd.Series[bool] = found.astype("boolean").fillna(False).astype(bool)
        return mask
