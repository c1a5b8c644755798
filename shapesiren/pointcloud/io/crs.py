"""Coordinate reference systems: the text (WKT) in a LAS file's records, its GeoTIFF keys, and what it says about units.

With pyproj (of the extra ``survey``) an EPSG code becomes the whole text; without it the code stands for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..units import METRES

PROJECTED, HORIZONTAL, VERTICAL = 3072, 2048, 4096  # GeoTIFF keys that name a system by its EPSG code
LINEAR_UNITS, VERTICAL_UNITS = 3076, 4099
USER_DEFINED = 32767  # of any key
EPSG_UNITS = {9001: "m", 9002: "ft", 9003: "us-ft", 1025: "mm", 1033: "cm"}  # EPSG codes of lengths
SYSTEMS = ("PROJCS", "PROJCRS", "PROJECTEDCRS", "LOCAL_CS", "ENGCRS", "ENGINEERINGCRS", "GEOCCS", "GEODCRS")
MAPS = ("PROJCS", "PROJCRS", "PROJECTEDCRS")
HEIGHTS = ("VERT_CS", "VERTCRS", "VERTICALCRS")
TOKEN = re.compile(r'"(?:[^"]|"")*"|[\[\](),]|[^\s\[\](),"]+')


@dataclass(frozen=True)
class Node:
    """A keyword of WKT with what stands in its brackets: texts, numbers and further nodes."""

    keyword: str
    parts: tuple[str | Node, ...]

    @property
    def name(self) -> str:
        """Its first text, without quotes."""
        return next((p.strip('"').replace('""', '"') for p in self.parts if isinstance(p, str)), "")

    def child(self, *keywords: str) -> Node | None:
        """The first part of one of these keywords."""
        return next((p for p in self.parts if isinstance(p, Node) and p.keyword in keywords), None)

    def find(self, *keywords: str) -> Node | None:
        """This node or the first below it of one of these keywords."""
        if self.keyword in keywords:
            return self
        return next((found for p in self.parts if isinstance(p, Node) and (found := p.find(*keywords))), None)


def parsed(text: str) -> Node | None:
    """The tree of a WKT text (ISO 19162 or its predecessors); None if it is none."""
    tokens = TOKEN.findall(text.rstrip("\0 \n"))

    def read(at: int) -> tuple[str | Node, int]:
        word = tokens[at]
        if at + 1 < len(tokens) and tokens[at + 1] in "[(":
            parts, at = [], at + 2
            while tokens[at] not in "])":
                if tokens[at] == ",":
                    at += 1
                    continue
                part, at = read(at)
                parts.append(part)
            return Node(word.upper(), tuple(parts)), at + 1
        return word, at + 1

    try:
        node, _ = read(0)
    except (IndexError, RecursionError):
        return None
    return node if isinstance(node, Node) and node.keyword.endswith(("CS", "CRS", "CRSS")) else None


def units_of(text: str) -> tuple[str | None, str | None]:
    """The units of positions and of heights that a system's text says; None for what it does not, or is none of ours."""
    tree = parsed(text)
    if tree is None:
        return None, None
    flat, high = tree.find(*SYSTEMS), tree.find(*HEIGHTS)
    return (None if flat is None else _unit(flat)), (None if high is None else _unit(high))


def _unit(system: Node) -> str | None:
    """The unit of length of a system: its own, or that of its first axis."""
    node = system.child("UNIT", "LENGTHUNIT")
    if node is None and (axis := system.child("AXIS")) is not None:
        node = axis.child("UNIT", "LENGTHUNIT")
    if node is None:
        return None
    numbers = [p for p in node.parts if isinstance(p, str) and not p.startswith('"')]
    try:
        metres = float(numbers[0])
    except (IndexError, ValueError):
        return None
    return next((unit for unit, size in METRES.items() if abs(metres - size) < 3e-7 * size), None)


def codes_of(text: str) -> tuple[int | None, int | None]:
    """The EPSG codes of a system's map projection and of its heights, from its text or ``EPSG:code``; None for what it has not.

    Of a compound system the code of the whole stands last in its text: a file of a map wants those of its two parts.
    """
    tree = parsed(text)
    if tree is None:
        match = re.fullmatch(r"\s*EPSG:(\d{4,5})\s*", text, re.IGNORECASE)
        return (int(match[1]) if match else None), None
    flat, high = tree.find(*MAPS), tree.find(*HEIGHTS)
    return (None if flat is None else _code(flat)), (None if high is None else _code(high))


def _code(system: Node) -> int | None:
    """The EPSG code that a system says of itself."""
    node = system.child("AUTHORITY", "ID")
    words = [] if node is None else [p.strip('"') for p in node.parts if isinstance(p, str)]
    return int(words[1]) if len(words) > 1 and words[0].upper() == "EPSG" and words[1].isdigit() else None


def name_of(text: str) -> str:
    """What people call a system: the name in its text, or the text if that is a code."""
    tree = parsed(text)
    return text if tree is None else tree.name


def of_las(header: Any) -> tuple[str | None, str | None, str | None]:
    """The system of a LAS file (laspy's header): its text, or ``EPSG:code`` where only a code is known; units of positions and
    of heights."""
    records = [*header.vlrs, *(header.evlrs or ())]
    texts = [str(record.string).strip("\0 \n") for record in records if getattr(record, "string", None)]
    text = next((t for t in texts if parsed(t)), None)
    if text is not None:
        return text, *units_of(text)
    keys = {k.id: k.value_offset for record in records for k in getattr(record, "geo_keys", ()) if k.tiff_tag_location == 0}
    code = next((keys[k] for k in (PROJECTED, HORIZONTAL) if keys.get(k, 0) not in (0, USER_DEFINED)), None)
    flat, high = EPSG_UNITS.get(keys.get(LINEAR_UNITS, 0)), EPSG_UNITS.get(keys.get(VERTICAL_UNITS, 0))
    if code is None:
        return None, flat, high
    text = of_codes(code, keys.get(VERTICAL))
    known = units_of(text)
    return text, flat or known[0], high or known[1]


def of_codes(code: int, vertical: int | None = None) -> str:
    """The text of an EPSG code, with the one of its heights; the code itself where pyproj is missing or does not know it."""
    both = f"EPSG:{code}" + (f"+{vertical}" if vertical not in (None, 0, USER_DEFINED) else "")
    try:
        from pyproj import CRS
        from pyproj.exceptions import CRSError
    except ImportError:
        return f"EPSG:{code}"
    for name in (both, f"EPSG:{code}"):
        try:
            return str(CRS.from_user_input(name).to_wkt())
        except CRSError:
            continue
    return f"EPSG:{code}"
