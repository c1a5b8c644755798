"""Which units a mesh file for others is written in, and how its coordinates are scaled for that.

The mesh of the run itself stays in the scan's units, which all that is measured of it is in.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..pointcloud.header import CloudHeader
from ..pointcloud.units import factor
from .settings import MeshSettings

# What lengths in a format are in by its definition: glTF 2.0, 3.4; 3MF core specification 1.3, 3.4, as we write it
DEFINED = {".glb": "m", ".3mf": "mm"}


@dataclass(frozen=True)
class WrittenUnits:
    """units : of what is written, None where they are not known; scale : that the scan's coordinates are multiplied by
    crs : their coordinate system, which only coordinates in its own units have
    left : the system of the scan, if these are not its coordinates any more
    """

    units: str | None
    scale: float = 1.0
    crs: str | None = None
    left: str | None = None

    def line(self, source: str | None, suffix: str) -> str:
        """What was done; empty if nothing was. ``source``: the scan's units; ``suffix``: of the file"""
        if source is None and suffix in DEFINED:
            what = f"{suffix[1:].upper()} takes them as {DEFINED[suffix]}"
            return f"what the scan's lengths are in is not known, {what} (fit --units says it)"
        if self.scale == 1.0:
            return ""
        what = f"from {source} to {self.units}" if source and self.units and source != self.units else "as asked"
        return f"coordinates multiplied by {self.scale:.10g}, {what}"


UNKNOWN = WrittenUnits(None)


def units_of_part(suffix: str) -> WrittenUnits:
    """What a part to print, whose coordinates are millimetres, is written in."""
    wanted = DEFINED.get(suffix, "mm")
    return WrittenUnits(wanted, factor("mm", wanted))


def written_units(header: CloudHeader, settings: MeshSettings, suffix: str) -> WrittenUnits:
    """What a file with this ``suffix`` is written in.

    Raises
    ------
    InputError : other units are asked for, and the scan's are not known
    """
    source, wanted = header.units, settings.units or header.units
    if settings.units is not None and source is None:
        hint = "say what it is in (fit ... --units mm), or give a factor (mesh --scale 1000)"
        raise InputError("what the scan's lengths are in is not known", where="mesh.units", hint=hint)
    wanted = DEFINED.get(suffix, wanted) if source is not None else wanted
    scale = 1.0 if source is None or wanted is None else factor(source, wanted)
    scale *= settings.scale or 1.0
    own = scale == 1.0
    return WrittenUnits(wanted, scale, header.crs if own else None, None if own else header.crs)
