"""Lengths that people write with their unit: ``120mm``, ``12 cm``, ``4.7in``."""

from __future__ import annotations

import math
import re

from .errors import InputError

MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4, "ft": 304.8}  # in one of each unit


def millimetres(text: str | float, where: str | None = None) -> float:
    """A length in millimetres; a bare number is one already.

    Raises
    ------
    InputError : no length, not positive, or of an unknown unit; ``where`` names the option
    """
    match = re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z\"]*)\s*", str(text))
    unit = "" if match is None else match[2].lower().replace('"', "in") or "mm"
    if match is None or unit not in MILLIMETRES:
        raise InputError(
            f"{text!r} is no length", where=where, hint=f"a number with {', '.join(MILLIMETRES)}, for example 120mm"
        )
    value = float(match[1]) * MILLIMETRES[unit]
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{text!r} is no length above 0", where=where, hint="for example 120mm")
    return value


def length_setting(value: object) -> object:
    """What a setting of a length in millimetres was given as -> what it is; for pydantic, which says where it stands."""
    if not isinstance(value, str):
        return value
    try:
        return millimetres(value)
    except InputError as e:
        raise ValueError(str(e)) from None
