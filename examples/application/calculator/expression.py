"""Expressions of x and y that a stranger may type: arithmetic and functions of `math`, and nothing else of Python."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

_LONGEST = 200  # characters
_FUNCTIONS = ("sin", "cos", "tan", "exp", "log", "sqrt", "atan", "fabs", "floor", "hypot")
_NAMES = {"pi": math.pi, "e": math.e, **{name: getattr(math, name) for name in _FUNCTIONS}}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.UAdd, ast.USub)


class ExpressionError(Exception):
    """What cannot be calculated, in one line."""


def compiled(text: str) -> Callable[[float, float], float | None]:
    """A function of x and y, which is None where the expression has no value. Raises `ExpressionError`."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"an expression has at most {_LONGEST} characters")
    try:
        tree = _Checked().visit(ast.parse(text.strip(), mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"{text!r} is no expression") from None
    code = compile(ast.fix_missing_locations(tree), "expression", "eval")

    def value(x: float, y: float) -> float | None:
        try:
            found = eval(code, {"__builtins__": {}, **_NAMES, "x": x, "y": y})
            return found if math.isfinite(found) else None
        except (ArithmeticError, ValueError, TypeError):  # log(-1), 1/0, exp(1000), (-8) ** 0.5, sin without argument
            return None

    return value


class _Checked(ast.NodeTransformer):
    """Lets through what is listed here. All numbers become floats, so that 9 ** 9 ** 9 overflows and does not grow."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise ExpressionError(f"{node.value!r} is no number")
        return ast.Constant(float(node.value))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in ("x", "y", *_NAMES):
            raise ExpressionError(f"{node.id} is neither x, y, pi, e nor one of {', '.join(_FUNCTIONS)}")
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
            raise ExpressionError(f"functions are {', '.join(_FUNCTIONS)}")
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        allowed = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Load, *_OPERATORS)
        if not isinstance(node, (*allowed, ast.Name, ast.Constant)):
            raise ExpressionError(f"{type(node).__name__} is no part of an expression")
        return super().generic_visit(node)
