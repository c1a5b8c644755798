"""Sections as drawings: DXF for CAD, SVG for a page.

DXF is written by ourselves, as release 12, which every CAD program reads: a table of layers, and polylines of three
coordinates. Numbers have as many decimals as float64 holds, so that UTM coordinates stay where they are.
To add a format, write a function from sections to the file's bytes and enter it in `DRAWINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..runtime.files import write_atomically
from .sections import AXES, Section

PAGE = 1000.0  # of the longer side of an SVG, pixels
INSUNITS = {"in": 1, "ft": 2, "mm": 4, "cm": 5, "m": 6, "us-ft": 21}  # DXF reference, header variables; 0: not known


def layer_name(section: Section) -> str:
    """The layer of a section: ``Z_12.5``. R12 allows letters, digits, $, - and _ in one: a point becomes a P."""
    text = f"{section.position:.6f}".rstrip("0").rstrip(".").replace(".", "P")
    return f"{AXES[section.axis].upper()}_{text}"


def dxf(sections: Sequence[Section], units: str | None = None) -> bytes:
    """A DXF of release 12 in the user's coordinates, with a layer for each plane."""
    tags: list[tuple[int, object]] = [(0, "SECTION"), (2, "HEADER"), (9, "$ACADVER"), (1, "AC1009")]
    tags += [(9, "$INSUNITS"), (70, INSUNITS.get(units or "", 0))]  # of later releases; older programs pass it over
    points = np.concatenate([line for s in sections for line in s.lines])
    for name, corner in (("$EXTMIN", points.min(0)), ("$EXTMAX", points.max(0))):
        tags += [(9, name), *zip((10, 20, 30), map(float, corner), strict=True)]
    tags += [(0, "ENDSEC"), (0, "SECTION"), (2, "TABLES"), (0, "TABLE"), (2, "LTYPE"), (70, 1), (0, "LTYPE")]
    tags += [(2, "CONTINUOUS"), (70, 0), (3, "Solid line"), (72, 65), (73, 0), (40, 0.0), (0, "ENDTAB")]
    tags += [(0, "TABLE"), (2, "LAYER"), (70, len(sections))]
    for s in sections:
        tags += [(0, "LAYER"), (2, layer_name(s)), (70, 0), (62, 7), (6, "CONTINUOUS")]
    tags += [(0, "ENDTAB"), (0, "ENDSEC"), (0, "SECTION"), (2, "ENTITIES")]
    for s in sections:
        layer = layer_name(s)
        for line in s.lines:
            closed = len(line) > 2 and bool((line[0] == line[-1]).all())
            tags += [(0, "POLYLINE"), (8, layer), (66, 1), (10, 0.0), (20, 0.0), (30, 0.0), (70, 8 + closed)]
            for x, y, z in (line[:-1] if closed else line).tolist():
                tags += [(0, "VERTEX"), (8, layer), (10, x), (20, y), (30, z), (70, 32)]
            tags += [(0, "SEQEND"), (8, layer)]
    tags += [(0, "ENDSEC"), (0, "EOF")]
    return "".join(
        f"{code}\n{value!r}\n" if isinstance(value, float) else f"{code}\n{value}\n" for code, value in tags
    ).encode()


def svg(sections: Sequence[Section], units: str | None = None) -> bytes:
    """An SVG that looks along the planes' axis, a group for each plane, its position in ``data-position``."""
    across, up = [(1, 2), (0, 2), (0, 1)][sections[0].axis]
    points = np.concatenate([line for s in sections for line in s.lines])[:, [across, up]]
    low, size = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-12)
    scale = PAGE / size.max()
    width, height = size * scale
    named = f' data-units="{units}"' if units else ""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-5 -5 {width + 10:.2f} {height + 10:.2f}" '
        f'fill="none" stroke="#234" stroke-width="1" data-origin="{low[0]!s} {low[1]!s}" data-scale="{scale!s}"{named}>'
    ]
    for s in sections:
        parts.append(f'<g id="{layer_name(s)}" data-position="{s.position}">')
        for line in s.lines:
            at = (line[:, [across, up]] - low) * scale
            parts.append('<polyline points="' + " ".join(f"{x:.3f},{height - y:.3f}" for x, y in at) + '"/>')
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"]).encode()


DRAWINGS: dict[str, Callable[[Sequence[Section], str | None], bytes]] = {".dxf": dxf, ".svg": svg}


def check_file(path: Path, suffixes: Sequence[str]) -> None:
    """Raise InputError now if ``path`` could not be written later, or is none of ``suffixes``."""
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"unknown format {path.suffix or 'without extension'!r}", where=path, hint=f"known: {' '.join(suffixes)}"
        )
    if not path.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint=f"mkdir -p {path.parent}")


def write_drawing(path: Path, sections: Sequence[Section], units: str | None = None) -> None:
    """Write sections, whose coordinates are in ``units``, by the extension of ``path``.

    Raises InputError if no plane meets the surface.
    """
    check_file(path, tuple(DRAWINGS))
    kept = [s for s in sections if s.lines]
    if not kept:
        raise InputError("no plane meets the surface", where=path, hint="--at positions within the surface's extent")
    write_atomically(path, DRAWINGS[path.suffix.lower()](kept, units))
