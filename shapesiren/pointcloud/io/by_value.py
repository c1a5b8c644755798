"""Columns without names, told by what is in them: unit vectors, whole numbers up to 255, a number that counts the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS, NORMALS, COLOURS = ["x", "y", "z"], ["nx", "ny", "nz"], ["r", "g", "b"]
USUAL = (POINTS, POINTS + NORMALS, POINTS + COLOURS, [*POINTS, "intensity", *COLOURS])  # the last as in PTS files
OPAQUE = 255
MOST_CURVATURE = 1 / 3  # of the variation of a surface: the least of three eigenvalues, by their sum


def names_by_value(table: NDArray[np.float64]) -> list[str]:
    """A name for each column of a table (n, k), k at least 3, which begins with x y z, or with a number that counts the rows.

    After them, from left to right: three columns of unit vectors are a normal, three of whole numbers up to 255 a colour; what
    is left are scalars. Where nothing is so clear, the number of columns decides: 4 intensity; 6 a normal (if signed, or zero
    everywhere) or a colour; 7 intensity and colour, 8 the same and opacity, as in PTS files; 9 a normal and a colour.
    """
    count = table.shape[1]
    before = ["id"] if count > 3 and counts(table[:, 0]) else []
    names = [*before, *POINTS, *([""] * (count - 3 - len(before)))]
    first = i = 3 + len(before)
    while i < count:
        left = table[:, i : i + 3]
        kind: list[str] = []
        if left.shape[1] == 3:
            if "nx" not in names and _are_units(left):
                kind = NORMALS
            elif "r" not in names and _are_bytes(left) and not _begins_later(table, i, first):
                kind = COLOURS
        names[i : i + (len(kind) or 1)] = kind or [""]
        i += len(kind) or 1
    _name_unclear_triples(table, names, first)
    _name_scalars(table, names)
    return names


def are_obvious(table: NDArray[np.float64], names: list[str]) -> bool:
    """Whether nothing needs to be said of the names that `names_by_value` gave to a table (n, k)."""
    return names in USUAL and (len(names) == 3 or _are_units(table[:, -3:]) or _are_bytes(table[:, -3:]))


def counts(column: NDArray[np.float64]) -> bool:
    """Whether a column goes up by one from row to row, of which there are some."""
    return len(column) > 2 and bool((np.diff(column) == 1).all())


def _begins_later(table: NDArray[np.float64], i: int, first: int) -> bool:
    """Of four columns of whole numbers up to 255: whether the first is an intensity, as in PTS files, not the last opacity."""
    later = table[:, i + 1 : i + 4]
    if i != first or later.shape[1] < 3 or not _are_bytes(later) or counts(later[:, 2]):
        return False
    opaque = (later == OPAQUE).all(0)
    return bool(not opaque[2] or opaque.all())


def _name_unclear_triples(table: NDArray[np.float64], names: list[str], first: int) -> None:
    """Name threes of columns that nothing is known of, where the number of all says that they are normals or colours."""
    bare = [i for i in range(first, len(names)) if not names[i]]
    clear = len(names) - first - len(bare)
    if not clear and len(bare) in (4, 5):
        names[bare[0]] = "intensity"
        bare = bare[1:4]
    elif len(bare) not in (3, 6):
        return
    for triple in (bare[:3], bare[3:]):
        if triple and triple[2] - triple[0] == 2:
            signed = "nx" not in names and _are_signed(table[:, triple])
            kind = NORMALS if signed else COLOURS if "r" not in names else []
            for i, name in zip(triple, kind, strict=False):
                names[i] = name


def _name_scalars(table: NDArray[np.float64], names: list[str]) -> None:
    """Name the columns that are left: a single one is an intensity. Beside a normal it is its curvature, if it is small, and
    nothing that is known, if it has both signs."""
    bare = [i for i, name in enumerate(names) if not name]
    for i in bare:
        column = table[np.isfinite(table[:, i]), i]
        one_sign = not len(column) or column.min() >= 0 or column.max() <= 0
        if names[i - 1] == "b" and ("intensity" in names or (len(column) and (column == OPAQUE).all())):
            names[i] = "opacity"
        elif names[i - 1] == "nz" and one_sign and (not len(column) or np.abs(column).max() <= MOST_CURVATURE):
            names[i] = "curvature"
        elif counts(table[:, i]):
            names[i] = "id"
        elif names[i + 1 : i + 2] == ["r"] or (names.count("intensity") < len(bare) == 1 and (one_sign or "nx" not in names)):
            names[i] = "intensity"
        else:
            names[i] = f"column {i + 1}"


def _are_units(triple: NDArray[np.float64]) -> bool:
    """Whether (n, 3) have a length of about 1, most of those that are not zero."""
    length = np.linalg.norm(triple[np.isfinite(triple).all(1)], axis=1)
    length = length[length > 0]
    return bool(len(length)) and bool(np.mean(np.abs(length - 1) < 0.05) > 0.9)


def _are_bytes(triple: NDArray[np.float64]) -> bool:
    """Whether (n, 3) are whole numbers up to 255, and not all 0 or 1."""
    known = triple[np.isfinite(triple).all(1)]
    return bool(len(known)) and bool((known >= 0).all() and (known == np.rint(known)).all() and 1 < known.max() <= 255)


def _are_signed(triple: NDArray[np.float64]) -> bool:
    """Whether (n, 3) have both signs or are all zero, which is reported as normals that are missing."""
    known = triple[np.isfinite(triple).all(1)]
    return not len(known) or known.max() <= 0 or bool((known < 0).any())
