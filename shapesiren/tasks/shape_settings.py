"""Settings of the losses of a shape and of their batches, for `shape.py` and its losses; without torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field as Setting

from ..config import Settings

PART, PART_PICTURE = "print.ply", "print.png"  # what `mesh` makes for a printer, and where it is thin


class BatchSettings(Settings):
    """Samples of one step."""

    on_surface: int = Setting(2000, ge=1)
    off_surface: int = Setting(800, ge=1)
    eikonal: int = Setting(400, ge=0, description="off-surface samples whose gradient is taken; all on-surface ones are")


class LossSettings(Settings):
    """Weights of the terms, and their shape."""

    later: ClassVar[tuple[str, ...]] = ("plugins",)

    on_surface: float = Setting(900.0, ge=0)
    normal: float = Setting(60.0, ge=0)
    estimated: float = Setting(0.25, ge=0, description="factor on the normals' weight where they were estimated")
    fidelity: float | None = Setting(
        None, gt=0, description="factor on the weight of points; by the noise, of those with estimated normals, if not given"
    )
    focus: float = Setting(
        4.0, ge=1, description="clean points count so many times more at the end, against the other terms, than at first"
    )
    eikonal: float = Setting(15.0, ge=0)
    off_surface: float = Setting(0.0, ge=0, description="repulsion from zero, the paper's term")
    distance: float = Setting(100.0, ge=0, description="signed distance of the guide samples")
    direction: float = Setting(5.0, ge=0, description="angle between gradient and guide, at samples with a gradient")
    trust: float = Setting(0.03, gt=0, description="distance, in box units, within which the guide counts less and less")
    eikonal_power: Literal[1, 2] = 2
    sharpness: float = Setting(100.0, gt=0, description="of the repulsion")
    noise: Literal["auto", "ignore"] = Setting("auto", description="let tolerance and fidelity follow the noise, or not")
    tolerance: float = Setting(5e-4, ge=0, description="on the surface, in box units, of clean points: below it, squares count")
    guide_tolerance: float = Setting(3e-3, ge=0, description="the same of the guide's distances")
    plugins: dict[str, float] | None = Setting(None, description="weights of plugins' terms by name, in place of their own")
    mean_over_all: bool = Setting(False, description="divide each sum by all samples of the batch, as the paper does")
