"""How a scan is read and made ready: section ``[ingest]`` of a shape's settings."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic import Field as Setting

from ..config import Settings
from .classes import numbers_of
from .region import Box
from .units import Unit


def _one_text(value: Any) -> Any:
    """A list of names, or one number, as TOML may have them, in one text."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value) if isinstance(value, int) else value


def _are_classes(text: str) -> str:
    numbers_of(text)
    return text


Classes = Annotated[str, BeforeValidator(_one_text), AfterValidator(_are_classes)]


class IngestSettings(Settings):
    """Section ``[ingest]`` of a scan: from files to arrays."""

    later: ClassVar[tuple[str, ...]] = ("units", "polygon", "classes", "every", "large", "tile_points")

    extent: float = Setting(1.8, gt=0.1, le=2, description="box units along the scan's longest side")
    samples: int = Setting(200_000, ge=100, description="points drawn from a mesh given as input")
    max_points: int = Setting(2_000_000, ge=100, description="more are subsampled at random")
    box: Box | None = Setting(None, description="x0,y0,z0,x1,y1,z1: only what lies in it, in the file's units")
    polygon: str | None = Setting(
        None, description="a file: only what lies in its polygons, at any height; GeoJSON, WKT, or x y of each corner"
    )
    classes: Classes | None = Setting(None, description="ground,building or 2,6: only points of these classes (ASPRS)")
    every: int | None = Setting(None, ge=1, description="of the points that are selected, only every so many-th")
    large: bool | None = Setting(
        None, description="by tiles on disk, all points and not some; above 5 million points if not given"
    )
    tile_points: int | None = Setting(None, ge=1000, description="of a tile of a large scan, about; a million if not given")
    units: Unit | None = Setting(None, description="what its lengths are in; as the format says if not given")
    normals: Literal["auto", "given", "estimate", "unsigned"] = Setting(
        "auto", description="use the file's, or estimate them; unsigned: the fit finds their sides"
    )
    sides: Literal["auto", "keep", "turn"] = Setting(
        "auto", description="of normals; auto: given ones are checked; keep: as they come; turn: all the other way"
    )
    neighbours: int | None = Setting(None, ge=5, le=400, description="of a point, for its normal; by the noise if not given")
    columns: str = Setting("", description="of a table: x,y,z,_,r,g,b; _ skips one; by names and values if not given")
    viewpoint: tuple[float, float, float] | None = Setting(None, description="where the scanner stood, in the file's units")
    intrinsics: tuple[float, float, float, float] | None = Setting(None, description="fx, fy, cx, cy of a depth image")
    depth_scale: float = Setting(1000.0, gt=0, description="values of a depth image to a unit of length")
    outliers: Literal["remove", "keep"] = Setting("remove", description="points that lie on no surface")
    dimension: Literal["surface", "any"] = Setting(
        "surface", description="points that fill a volume or lie on curves are refused; any: taken as they are"
    )
    steps: Literal["smooth", "keep"] = Setting("smooth", description="of a depth camera's values: smooth within each step")
    surface: Literal["auto", "closed", "open"] = Setting("auto", description="an open one is trimmed where no point is")
    guide_samples: int = Setting(300_000, ge=0, description="off-surface samples with a distance; 0 for none")
    guide: Literal["always", "trained"] = Setting(
        "always", description="for which scans they are made; trained: not for those that net.kind = auto plainly solves"
    )
    guide_depth: int | None = Setting(
        None, ge=4, le=10, description="the guide's coarse Poisson surface has 2^this cells a side; 8 if not given"
    )
