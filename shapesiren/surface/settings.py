"""How a field becomes a mesh: section ``[mesh]`` of a shape's settings."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ..config import Precision, Settings
from ..lengths import length_setting
from ..pointcloud.region import Box
from ..pointcloud.units import Unit

Millimetres = Annotated[float, BeforeValidator(length_setting)]  # 120, "120mm", "12cm", "4.7in"


class MeshSettings(Settings):
    """Section ``[mesh]``: from field to triangles."""

    of_copies: ClassVar[tuple[str, ...]] = ("units", "scale", "texture", "level")

    resolution: int | None = Field(
        None,
        ge=8,
        le=8192,
        description="cells along the longest side; if not given two spacings each, 256 to 512, or 128 of few points",
    )
    box: Box | None = Field(
        None,
        description="x0,y0,z0,x1,y1,z1 in the scan's units: only the surface in it; resolution is then of the box",
    )
    refine: int = Field(2, ge=0, le=10, description="Newton steps of each vertex onto the level set")
    precision: Precision = Field(
        "auto", description="of products that decide on which side of the surface a corner lies; auto: float32 up to 256 cells"
    )
    facets: Literal["fitted", "plain"] = Field(
        "fitted",
        description="fitted: edges and vertices so that the faces fit the level set; plain: vertices on it, edges as they come",
    )
    margin: float = Field(0.05, ge=0, le=0.5, description="of the grid round the scan, as a share of its longest side")
    trim: Literal["auto", "on", "off"] = Field("auto", description="cut off what no point supports; auto: open scans")
    trim_distance: float | None = Field(None, gt=0, description="in the scan's units; from the data if not given")
    fill_holes: float = Field(0.0, ge=0, description="trimmed holes up to this size, in the scan's units, stay filled")
    min_component: float | None = Field(
        None, ge=0, lt=1, description="share of the area below which components are dropped; .001, of open scans .0002"
    )
    largest: int | None = Field(None, ge=1, description="keep only so many components, the largest")
    sharp: bool = Field(False, description="dual contouring: sharp edges stay sharp")
    faces: int | None = Field(None, ge=64, description="decimate to about so many faces")
    max_error: float | None = Field(None, gt=0, description="decimate as far as this distance allows, in the scan's units")
    smooth: int = Field(0, ge=0, le=1000, description="rounds of Taubin smoothing")
    uncertainty: bool = Field(False, description="give each vertex its standard deviation across the surface; of solved fields")
    units: Unit | None = Field(None, description="that files for others are written in; the scan's if not given")
    scale: float | None = Field(None, gt=0, description="that coordinates in files for others are multiplied by")
    colours: bool = Field(True, description="carry the scan's colours and intensity to the vertices")
    tiles: bool = Field(
        False, description="of a large run: its whole mesh stays in tiles, and mesh.ply is a coarser level of it"
    )
    level: int | None = Field(
        None, ge=0, le=20, description="of a large run: files for others are of this level, each has a quarter of the faces"
    )
    texture: int | None = Field(
        None,
        ge=64,
        le=16384,
        description="texels along a side of a picture of the scan's colours, on GLB and OBJ files for others",
    )
    watertight: bool = Field(False, description="a closed surface: nothing is trimmed, and what no point supports is told")
    up: Literal["auto", "x", "y", "z"] = Field(
        "auto",
        description="axis of the scan that is vertical in print; auto: report.up, else as the scan tells",
    )
    height: Millimetres | None = Field(None, gt=0, description="of the printed part: 120mm, 12cm, 4.7in; a bare number is mm")
    flat_base: bool = Field(False, description="cut the printed part flat a little above its lowest point, so that it stands")
    hollow: Millimetres | None = Field(None, gt=0, description="hollow out the printed part, with walls of this thickness")
    drain: Millimetres | None = Field(None, gt=0, description="diameter of a hole through the bottom of a hollow part")
    nozzle: Millimetres = Field(0.4, gt=0, description="of the printer: walls below two of its widths are told as thin")

    @property
    def printing(self) -> bool:
        """Whether a part to print is asked for, in millimetres, beside the mesh in the scan's units."""
        return bool(self.height or self.flat_base or self.hollow or self.drain)

    @property
    def closed(self) -> bool:
        """Whether the surface is to be closed; a part to print must be."""
        return self.watertight or self.printing
