"""Settings of local fields: section ``[local]`` of a shape's settings, and what follows from the noise where none is given."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field as Setting

from ..config import Settings

# Spacings of noise up to which the blur by it is undone as a whole; beyond that less and less, because undoing it raises what
# is left of the noise too. Chamfer x 1000 with all of it undone / with .8 / with .5 spacings: armadillo, noise .25 % .602 /
# .605 / .609 (.672 with none), noise .5 % 1.169 / 1.09 / 1.079 (1.116); rocker arm .482 / .487 / .491 (.528) and .764 / .766 /
# .775 (.810)
SHARPENED = 0.8
# Deviation of the normals' coordinates, of clean points and of noisy ones. Estimated ones have seen the noise, too, and are
# as flat as their planes. Chamfer x 1000 with .1 / .2 / .28 / .4 for those, noise .5 %: armadillo 2.12 / 2.03 / 1.95 / 1.92,
# rocker arm 1.40 / 1.33 / 1.31 / 1.34, fandisk 1.36 / 1.36 / 1.41 / 1.51; noise .25 %: armadillo 1.31 / 1.21 / 1.17 / 1.15,
# fandisk .79 / .82 / - / .97; clean: armadillo .202 / .198 / - / .198, fandisk .087 / .083 / - / .084
_NORMALS, _ESTIMATED = (0.07, 0.1), (0.2, 0.25)
BESIDE_UNITS = 128  # of a cell whose points are all in its neighbours; as many as the others have changed nothing
NOISY_FROM = 0.3  # deviation of the points, in spacings, from which they are averages of many neighbours that tell something


class LocalSettings(Settings):
    """Networks in the cells of an octree, each solved; of ``net.kind = local``."""

    units: int = Setting(256, ge=16, le=1024, description="sines of a cell that holds points")
    noisy_units: int = Setting(256, ge=16, le=1024, description="of them, those of cells of noisy points, which tell no more")
    far_units: int = Setting(256, ge=16, le=1024, description="of them, those of a cell that holds none")
    points: int | None = Setting(None, ge=20, description="most that a cell's network sees; by the noise if not given")
    support: float | None = Setting(None, ge=1.2, le=3, description="what it sees, in cells across; by the noise if not given")
    length: float | None = Setting(None, gt=0.02, le=2, description="of the prior, in half supports; by the noise if not given")
    smoothness: float | None = Setting(None, gt=0.5, le=20, description="of the prior (Matern); by the noise if not given")
    amplitude: float = Setting(0.3, gt=0, description="standard deviation of the field's bends under the prior, half supports")
    sharpen: bool = Setting(True, description="undo the blur that noisy points have, see local.heads.damping")
    normals: float | None = Setting(
        None, gt=0, description="standard deviation of the normals' coordinates; by origin and noise if not given"
    )


@dataclass(frozen=True)
class Prior:
    """What `LocalSettings` come to for one scan; names as there.

    units, far_units, beside_units : sines of cells with points of their own, without any, and with their neighbours' alone
    alone : most points in the support of a cell without points of its own
    blur : deviation of the noise as far as its blur is undone, box units
    """

    units: int
    far_units: int
    beside_units: int
    points: int
    alone: int
    support: float
    length: float
    smoothness: float
    normals: float
    blur: float

    @classmethod
    def of(cls, settings: LocalSettings, deviation: float, spacing: float, given: bool = True, tilt: float = 0.0) -> Prior:
        """``deviation``, ``spacing`` : of the points, box units; ``given`` : the normals, not estimated; ``tilt`` : of these,
        about each axis, radians.

        Clean points are followed closely: small cells, a rough prior. Of noisy ones more are needed to tell the surface from
        its noise, by the variance, and supports that overlap farther make neighbours agree; more sines would show the noise.
        """
        scatter = deviation / spacing
        noisy = scatter > NOISY_FROM
        units = min(settings.units, settings.noisy_units) if noisy else settings.units
        points = settings.points or round(500 * (1 + 0.35 * scatter**2))
        return cls(
            units=units,
            far_units=min(settings.far_units, units),
            beside_units=min(BESIDE_UNITS, units),
            points=points,
            alone=points if noisy else min(points, 100),
            support=settings.support or (2.0 if noisy else 1.6),
            length=settings.length or (0.25 if noisy else 0.2),
            smoothness=settings.smoothness or (2.5 if noisy else 1.5),
            normals=settings.normals or max(tilt, (_NORMALS if given else _ESTIMATED)[noisy]),
            blur=deviation * (min(1.0, SHARPENED / scatter) ** 0.5 if settings.sharpen and noisy else 0.0),
        )
