"""Polygons in the plane of x and y: read from GeoJSON, WKT or lists of corners; which points lie in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Ring = NDArray[np.float64]  # corners (k, 2); closed, whether or not the last one is the first
Polygons = tuple[tuple[Ring, ...], ...]  # each with its holes

WKT = re.compile(r"\b(MULTI)?POLYGON\s*(?:ZM|Z|M)?\s*(?=\()", re.IGNORECASE)
CORNER = re.compile(r"[-+.\deE]+(?:\s+[-+.\deE]+)+")
KINDS = "GeoJSON, WKT (POLYGON ((x y, ...))), or a line with x y for each corner"


def read_polygons(path: Path) -> Polygons:
    """The polygons of a file, see `KINDS`; empty lines part the rings of a list.

    Raises
    ------
    InputError : no such file, or no polygon in it
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        raise InputError("no such file", where=path) from None
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"cannot read it ({getattr(e, 'strerror', None) or 'not text'})", where=path) from None
    try:
        polygons = _of_json(json.loads(text)) if text.startswith("{") else _of_wkt(text) if WKT.search(text) else _of_list(text)
        rings = tuple(tuple(np.array([c[:2] for c in ring], np.float64) for ring in polygon) for polygon in polygons)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise InputError("this is no polygon", where=path, hint=KINDS) from None
    for ring in (ring for polygon in rings for ring in polygon):
        if ring.ndim != 2 or ring.shape[1] != 2 or len(np.unique(ring, axis=0)) < 3 or not np.isfinite(ring).all():
            raise InputError("a polygon has at least three corners, of finite x and y", where=path, hint=KINDS)
    if not any(rings):
        raise InputError("there is no polygon in it", where=path, hint=KINDS)
    return rings


def _of_json(tree: Any) -> list[Any]:
    """Polygons of a GeoJSON object (RFC 7946); of other geometries none."""
    kind = tree["type"]
    if kind == "Polygon":
        return [tree["coordinates"]]
    if kind == "MultiPolygon":
        return list(tree["coordinates"])
    below = tree.get("features") or tree.get("geometries") or filter(None, [tree.get("geometry")])
    return [polygon for part in below for polygon in _of_json(part)]


def _of_wkt(text: str) -> list[Any]:
    """Polygons of one or more WKT geometries."""
    found: list[Any] = []
    for match in WKT.finditer(text):
        depth, end = 0, match.end()
        while end == match.end() or depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        body = CORNER.sub(lambda c: f"[{','.join(c[0].split())}]", text[match.end() : end])
        # JSON has no number that ends or begins with its point
        body = re.sub(r"(?<=\d)\.(?!\d)", ".0", re.sub(r"(?<![\d.])\.(?=\d)", "0.", body)).replace("+", "")
        tree = json.loads(body.replace("(", "[").replace(")", "]"))
        found += tree if match[1] else [tree]
    return found


def _of_list(text: str) -> list[Any]:
    """One polygon of a ring or several."""
    rings: list[list[list[float]]] = [[]]
    for i, line in enumerate(text.splitlines()):
        line = line.split("#")[0].strip()
        cells = re.split(r"[\s,;]+", line) if line else []
        if not cells:
            rings.append([])
        elif i > 0 or not re.fullmatch(r"[A-Za-z_\"].*", cells[0]):  # a first line of words is a header
            rings[-1].append([float(c) for c in cells[:2]])
    return [[ring for ring in rings if ring]]


def inside(points: NDArray[np.floating], polygons: Polygons) -> NDArray[np.bool_]:
    """Which of (n, 2 or 3) points lie in one of the polygons, at any z; in its holes they do not.

    Even-odd: a ray along x is followed from each point, and the edges that it crosses are counted. Points are sorted by y, so
    that an edge is compared with those alone that it is beside.
    """
    x, y = np.asarray(points[:, 0], np.float64), np.asarray(points[:, 1], np.float64)
    order = np.argsort(y, kind="stable")  # those that are not finite come last, and are beside no edge
    x, y = x[order], y[order]
    within = np.zeros(len(x), bool)
    for polygon in polygons:
        odd = np.zeros(len(x), bool)
        for ring in polygon:
            for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, 0), strict=True):
                first, last = np.searchsorted(y, (min(ay, by), max(ay, by)))
                if first < last:
                    at = ax + (y[first:last] - ay) * ((bx - ax) / (by - ay))
                    odd[first:last] ^= x[first:last] < at
        within |= odd
    out = np.empty(len(x), bool)
    out[order] = within
    return out & np.isfinite(np.asarray(points)).all(1)


def bounds(polygons: Polygons) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lower corner (2,) of all of them, and the upper one."""
    corners = np.concatenate([ring for polygon in polygons for ring in polygon])
    return corners.min(0), corners.max(0)


def may_be_degrees(low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Whether what lies between two corners (2,) may be longitude and latitude."""
    return bool((np.abs(np.stack([low, high])) <= (180, 90)).all())
