"""Conditions on rows as text, as one types them in a shell: Python's words, and nothing is run.

`label > 3 and lang in ("en", "de")`, `text is not None`, `0 <= score < 1`, `user.age >= 18`.
Python's own parser takes it apart; the few parts that are known become an expression of pyarrow.
"""

from __future__ import annotations

import ast
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import TYPE_CHECKING, Any, Final

import pyarrow.compute as pc

from blobio.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_condition"]

_COMPARED: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: eq,
    ast.NotEq: ne,
    ast.Lt: lt,
    ast.LtE: le,
    ast.Gt: gt,
    ast.GtE: ge,
}
_MOST: Final = 10_000  # letters: Python's parser recurses


def parse_condition(text: str) -> pc.Expression:
    """Return what a condition says.

    Columns stand by their names, `col("any name")` is for those that are no names of Python's, and
    a dot goes into a struct. Values are numbers, quoted text, `True` and `False`. Known are `==`,
    `!=`, `<`, `<=`, `>`, `>=`, also in a chain, `in` and `not in` a list, `is None`, `is not None`,
    `and`, `or`, `not` and parentheses; a column of booleans is a condition.

    Raises:
        InvalidConfig: It says something else, which is named.
    """
    try:
        if len(text) > _MOST:
            message = f"more than {_MOST} letters"
            raise ValueError(message)
        return _truth(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        message = f"the condition {text[:200]!r}: {error.msg}, at letter {error.offset}"
        raise InvalidConfig(message, operation="open") from error
    except (ValueError, RecursionError) as error:
        message = f"the condition {text[:200]!r}: {error}; say such as label > 3 and lang == 'en'"
        raise InvalidConfig(message, operation="open") from error


def _truth(node: ast.expr) -> pc.Expression:
    """Return a part that is true or false."""
    match node:
        case ast.BoolOp():
            join = and_ if isinstance(node.op, ast.And) else or_
            return reduce(join, map(_truth, node.values))
        case ast.UnaryOp(op=ast.Not()):
            return ~_truth(node.operand)
        case ast.Compare():
            sides = [node.left, *node.comparators]
            steps = zip(node.ops, sides, sides[1:], strict=False)
            return reduce(and_, [_comparison(*step) for step in steps])
    return _column(node)


def _comparison(compared: ast.cmpop, left: ast.expr, right: ast.expr) -> pc.Expression:
    if isinstance(compared, ast.In | ast.NotIn):
        found = _column(left).isin(_values(right))
        return ~found if isinstance(compared, ast.NotIn) else found
    if isinstance(compared, ast.Is | ast.IsNot):
        if not (isinstance(right, ast.Constant) and right.value is None):
            message = f"'is' asks for None, not for {ast.unparse(right)}"
            raise ValueError(message)
        column = _column(left)
        return column.is_null() if isinstance(compared, ast.Is) else column.is_valid()
    sides = [_column(one) if _is_column(one) else _value(one) for one in (left, right)]
    if not (_is_column(left) or _is_column(right)):
        message = f"{ast.unparse(left)} and {ast.unparse(right)} are no columns"
        raise ValueError(message)
    result: pc.Expression = _COMPARED[type(compared)](*sides)
    return result


def _is_column(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Call)


def _column(node: ast.expr) -> pc.Expression:
    return pc.field(*_path(node))


def _path(node: ast.expr) -> list[str]:
    """Return the name of a column, and of what is wanted inside of it."""
    match node:
        case ast.Name():
            return [node.id]
        case ast.Attribute():
            return [*_path(node.value), node.attr]
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
            return [name]
    message = f"{ast.unparse(node)!r} is no column"
    raise ValueError(message)


def _values(node: ast.expr) -> list[object]:
    match node:
        case ast.List(elts=found) | ast.Tuple(elts=found) | ast.Set(elts=found):
            return [_value(one) for one in found]
    message = f"{ast.unparse(node)!r} is no list of values"
    raise ValueError(message)


def _value(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=str() | int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Constant(value=None):
            message = "a comparison with None is never true: say 'is None'"
            raise ValueError(message)
    message = f"{ast.unparse(node)!r} is no value"
    raise ValueError(message)
