"""Formulas of x and y from a settings file: checked, so that nothing but a formula is ever evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NAMES = ("x", "y", "pi", "E", "sin", "cos", "tan", "exp", "log", "sqrt", "sinh", "cosh", "tanh", "atan", "Abs")
NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def check_expression(text: str) -> None:
    """Raise ValueError unless ``text`` is a formula of x and y: numbers, + - * / **, brackets and `NAMES`.

    sympy evaluates what it parses as Python, so everything else is refused before it sees it.
    """
    rest = re.sub(NUMBER, " ", re.sub(r"[A-Za-z_]\w*", lambda m: " " if m[0] in NAMES else f" ?{m[0]}? ", text))
    odd = re.search(r"\?(\w+)\?", rest)
    if odd:
        raise ValueError(f"{odd[1]!r} in {text!r} is no name that a formula may have (known: {', '.join(NAMES)})")
    if re.search(r"[^\s+\-*/()]", rest) or len(text) > 2000:
        raise ValueError(f"{text!r} is no formula of x and y")
    if re.search(r"\*\*\s*\(?\s*-?\d{3,}", text):
        raise ValueError(f"the power in {text!r} is too high")
    _parse(text)


def _parse(text: str) -> Any:
    import sympy

    try:
        found = sympy.sympify(text, locals={"x": sympy.Symbol("x", real=True), "y": sympy.Symbol("y", real=True)})
    except (sympy.SympifyError, SyntaxError, TypeError, ValueError, RecursionError):
        raise ValueError(f"{text!r} is no formula of x and y") from None
    if not isinstance(found, sympy.Expr):
        raise ValueError(f"{text!r} is no formula of x and y")
    return found


def function(text: str) -> Callable[[Array], Array]:
    """A checked formula as a function of points (n, 2) -> (n,)."""
    return _lambda(_parse(text))


def laplacian(text: str) -> Callable[[Array], Array]:
    """The Laplacian of a checked formula."""
    import sympy

    f = _parse(text)
    x, y = sympy.Symbol("x", real=True), sympy.Symbol("y", real=True)
    return _lambda(sympy.diff(f, x, 2) + sympy.diff(f, y, 2))


def _lambda(f: Any) -> Callable[[Array], Array]:
    import sympy

    made = sympy.lambdify([sympy.Symbol("x", real=True), sympy.Symbol("y", real=True)], f, "numpy")
    return lambda points: np.broadcast_to(np.asarray(made(points[:, 0], points[:, 1]), np.float64), (len(points),)).copy()
