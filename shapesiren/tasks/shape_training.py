"""What the steps of a trained fit of a shape see, and what its losses weigh."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import plugins
from ..nets.network import Network
from ..pointcloud.header import CloudHeader
from ..pointcloud.scan.noise_weight import CLEAN_NOISE, noise_weight
from . import shape_losses, shape_losses_cpu
from .added import Added
from .base import Arrays, Moment
from .shape_settings import BatchSettings, LossSettings

SIDES_FROM = 0.15  # share of a fit without sides after which they are the field's own
FOCUS_FROM = 0.5  # share of a fit after which points begin to count more against the other terms


@dataclass(frozen=True)
class Samples:
    """A batch of one step.

    surface : (n, 6 or 7) points of the scan, their normals and, where they are known, the deviations of their positions
    elsewhere : (m, 3) places in the box; or (m, 7 or 8) guide samples: place, distance, direction, and its side if known
    """

    surface: Tensor
    elsewhere: Tensor

    @property
    def places(self) -> Tensor:
        """(n + m, 3), those on the surface first."""
        return torch.cat([self.surface[:, :3], self.elsewhere[:, :3]])


class ShapeTraining:
    """Samples and weighted loss terms of a scan (Sitzmann et al. 2020, equation 6, and what `docs/design/recipe.md` adds).

    Parameters
    ----------
    arrays, header : an ingested scan, see `pointcloud.ingest`
    solved : whether its field is solved and not trained, so that terms of plugins have no part in it
    """

    def __init__(
        self, arrays: Arrays, header: CloudHeader, batch: BatchSettings, loss: LossSettings, solved: bool, device: torch.device
    ) -> None:
        self.batch, self.loss, self.device, self.signed = batch, loss, device, header.signed

        def table(*names: str) -> Tensor | None:
            """Arrays side by side, so that a batch is drawn from them at once; None if one is not there."""
            held = [arrays[name] for name in names if len(arrays.get(name, ()))]
            columns = [torch.from_numpy(a).to(device).reshape(len(a), -1) for a in held]
            return torch.cat(columns, 1) if len(columns) == len(names) else None

        points = table("points", "normals", *(("deviation",) if "deviation" in arrays else ()))
        assert points is not None
        self.points = points
        self.guide = table("guide_points", "guide_distances", "guide_directions", *(() if self.signed else ("guide_sides",)))
        estimated = header.normals == "estimated"
        noise, floor = (header.noise, header.noise_floor) if loss.noise == "auto" else (0.0, 0.0)
        self.point_weight = loss.on_surface * (loss.fidelity or (noise_weight(floor) if estimated else 1.0))
        self.normal_weight = loss.normal * (loss.estimated if estimated else 1.0)
        self.tolerance = 2 * noise if noise > CLEAN_NOISE else loss.tolerance
        self.added = Added.of(self.points, loss, solved)
        # noise would be followed, and sides that are still to be found need the other terms
        self.focus = loss.focus if noise <= CLEAN_NOISE and self.signed and "deviation" not in arrays else 1.0

    @property
    def epoch_steps(self) -> int:
        """Steps that draw as many points as there are."""
        return max(1, len(self.points) // self.batch.on_surface)

    @property
    def gradients_off(self) -> int:
        """Samples off the surface whose gradient is taken."""
        return min(self.batch.eikonal, self.batch.off_surface)

    @property
    def gradients(self) -> int:
        """Leading places of a batch whose gradient is taken."""
        return self.batch.on_surface + self.gradients_off

    def draw(self, generator: torch.Generator) -> Samples:
        """The samples of one step."""
        on, off = self.batch.on_surface, self.batch.off_surface
        surface = self.added.draw(self.points, on, generator) if self.added else _draw(self.points, on, generator)
        if self.guide is not None:
            return Samples(surface, _draw(self.guide, off, generator))
        return Samples(surface, (torch.rand((off, 3), generator=generator) * 2 - 1).to(self.device))

    def losses(
        self, samples: Samples, value: Tensor, gradient: Tensor, net: Network, moment: Moment, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Weighted terms of a batch.

        value : (n + m,) of the field at its places; gradient : (`gradients`, 3) at the leading ones
        net, generator : for plugins, which may ask the one and draw from the other
        """
        begins = not self.signed and moment.progress < SIDES_FROM
        weights, tolerance = self.weights_at(moment.progress, begins), self.tolerance_of(samples.surface)
        if moment.engine is not None and self.signed and not (self.added and self.added.losses):
            targets = shape_losses_cpu.Targets.of(samples.surface, tolerance, samples.elsewhere, self.loss)
            return shape_losses_cpu.weighted_terms(value, gradient, targets, weights)
        terms = self.terms(samples, value, gradient, tolerance, begins)
        taken = {name: weight * terms[name].sum() for name, weight in weights.items()}
        if self.added:
            on = self.batch.on_surface
            batch = plugins.Batch(
                points=samples.surface[:, :3],
                normals=samples.surface[:, 3:6],
                values=value[:on],
                gradients=gradient[:on],
                elsewhere=samples.elsewhere[:, :3],
                elsewhere_values=value[on:],
                elsewhere_gradients=gradient[on:],
                net=net,
                progress=moment.progress,
                generator=generator,
            )
            taken |= self.added.terms(batch, taken)
        return taken

    def terms(
        self, samples: Samples, value: Tensor, gradient: Tensor, tolerance: Tensor | float, begins: bool
    ) -> dict[str, Tensor]:
        """Each term at each sample that it is of; ``begins`` while sides are still to be found."""
        on, eik, loss = self.batch.on_surface, self.gradients_off, self.loss
        surface, elsewhere, f_off = samples.surface, samples.elsewhere, value[on:]
        terms = {
            "on_surface": shape_losses.on_surface(value[:on], tolerance),
            "normal": shape_losses.normal(gradient[:on], surface[:, 3:6], self.signed),
            "eikonal": shape_losses.eikonal(gradient, loss.eikonal_power),
        }
        if loss.off_surface:
            terms["off_surface"] = shape_losses.off_surface(f_off, loss.sharpness)
        if self.guide is not None:
            distance, direction = elsewhere[:, 3], elsewhere[:eik, 4:7]
            trust = shape_losses.trust(distance, loss.trust)
            if not self.signed:
                side, trust = shape_losses.sides(f_off, distance, elsewhere[:, 7], trust, begins)
                distance, direction = side * distance, side[:eik, None] * direction
            terms["distance"] = trust * shape_losses.distance(f_off, distance, loss.guide_tolerance)
            terms["direction"] = trust[:eik] * shape_losses.normal(gradient[on:], direction)
        return terms

    def weights_at(self, progress: float, begins: bool) -> dict[str, float]:
        """Of the terms' sums over the samples of a batch; terms that do not count are not there."""
        on, off, eik = self.batch.on_surface, self.batch.off_surface, self.gradients_off
        loss = self.loss
        # The others shrink, so that the sum keeps falling: a rise is what the loop looks for.
        share = 1 / self.focus_at(progress)
        weights = {
            "on_surface": (self.point_weight, on),
            # as it begins either side would do, and the field might keep the wrong one
            "normal": (0.0 if begins else share * self.normal_weight, on),
            "eikonal": (share * loss.eikonal, on + eik),
        }
        if loss.off_surface:
            weights["off_surface"] = (share * loss.off_surface, off)
        if self.guide is not None and loss.distance:
            weights["distance"] = (share * loss.distance, off)
        if self.guide is not None and loss.direction and eik:
            weights["direction"] = (share * loss.direction, eik)
        return {name: weight / (on + off if loss.mean_over_all else count) for name, (weight, count) in weights.items()}

    def focus_at(self, progress: float) -> float:
        """How many times more points count than at first: 1 in the first half of the fit, then up to ``loss.focus``, evenly."""
        return 1 + (self.focus - 1) * max(0.0, progress - FOCUS_FROM) / (1 - FOCUS_FROM)

    def tolerance_of(self, surface: Tensor) -> Tensor | float:
        """Of each sample on the surface, or of all: twice the deviation of its position."""
        if self.loss.noise == "ignore" or surface.shape[1] < 7:
            return self.tolerance
        return (2 * surface[:, 6]).clamp(min=self.loss.tolerance)


def _draw(table: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` random rows of a (n, k) table."""
    return table.index_select(0, torch.randint(len(table), (count,), generator=generator).to(table.device))
