"""Settings of local fields: section ``[local]`` of a shape's settings, and what follows from the noise where none is given."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field as Setting

from ..config import Settings

NOISY_FROM = 0.3  # deviation of the points, in spacings, from which they are averages of many neighbours that tell something


class LocalSettings(Settings):
    """Networks in the cells of an octree, each solved; of ``net.kind = local``."""

    units: int = Setting(256, ge=16, le=1024, description="sines of a cell that holds points")
    far_units: int = Setting(256, ge=16, le=1024, description="of them, those of a cell that holds none")
    points: int | None = Setting(None, ge=20, description="most that a cell's network sees; by the noise if not given")
    support: float | None = Setting(None, ge=1.2, le=3, description="what it sees, in cells across; by the noise if not given")
    length: float | None = Setting(None, gt=0.02, le=2, description="of the prior, in half supports; by the noise if not given")
    smoothness: float | None = Setting(None, gt=0.5, le=20, description="of the prior (Matern); by the noise if not given")
    amplitude: float = Setting(0.3, gt=0, description="standard deviation of the field's bends under the prior, half supports")
    normals: float | None = Setting(
        None, gt=0, description="standard deviation of the normals' coordinates; .07 of clean points with given ones, else .1"
    )


@dataclass(frozen=True)
class Prior:
    """What `LocalSettings` come to for one scan; names as there. alone : most points in the support of a cell without points of
    its own."""

    points: int
    alone: int
    support: float
    length: float
    smoothness: float
    normals: float

    @classmethod
    def of(cls, settings: LocalSettings, scatter: float, given: bool = True) -> Prior:
        """``scatter`` : deviation of the points in spacings; ``given`` : the normals, not estimated.

        Clean points are followed closely: small cells, a rough prior. Of noisy ones more are needed to tell the surface from
        its noise, by the variance, and supports that overlap farther make neighbours agree.
        """
        noisy = scatter > NOISY_FROM
        points = settings.points or round(500 * (1 + 0.35 * scatter**2))
        return cls(
            points=points,
            alone=points if noisy else min(points, 100),
            support=settings.support or (2.0 if noisy else 1.6),
            length=settings.length or (0.25 if noisy else 0.2),
            smoothness=settings.smoothness or (2.5 if noisy else 1.5),
            normals=settings.normals or (0.1 if noisy or not given else 0.07),
        )
