"""Task ``shape``: a signed distance field from an oriented point cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from .. import plugins
from ..config import NETWORKS, Config, FitSettings, NetSettings, Tree
from ..errors import InputError
from ..facts import Facts
from ..header import BoxBounds, Header
from ..local.settings import LocalSettings
from ..metrics.shape import EvaluateSettings, ShapeMetrics
from ..pointcloud.facts import CloudFacts, InspectFacts
from ..pointcloud.header import CloudHeader, known_well
from ..pointcloud.io.depth import SUFFIXES
from ..pointcloud.scan.noise_weight import CLEAN_NOISE, noise_weight
from ..pointcloud.settings import IngestSettings
from ..similarity import Similarity
from ..surface.facts import MeshFacts, Uncertainty
from ..surface.settings import MeshSettings
from .added import Added
from .base import Arrays, FinishedRun, Moment, Say, Signal, Task, View
from .shape_completed import completed, spacing_of, with_prior
from .shape_settings import PART, PART_PICTURE, BatchSettings, LossSettings

if TYPE_CHECKING:
    import torch
    from markupsafe import Markup
    from torch import Tensor

    from ..field import Field
    from ..reports.page import Section
    from .shape_field import ShapeField

STEPS = 5500  # of the default preset
TRIAL_POINTS, TRIAL_SPACING = 10_000, 0.009  # of a sphere of radius 1/2, in box units
SIDES_FROM = 0.15  # share of a fit without sides after which they are the field's own
FOCUS_FROM = 0.5  # share of a fit after which points begin to count more against the other terms


class ShapeConfig(Config):
    """All settings of a shape."""

    variants: ClassVar[tuple[tuple[str, str], ...]] = (("ingest", "normals"), ("net", "kind"))

    task: Literal["shape"] = "shape"
    ingest: IngestSettings = IngestSettings()
    net: NetSettings = NetSettings()
    local: LocalSettings = LocalSettings()
    fit: FitSettings = FitSettings(steps=STEPS)
    batch: BatchSettings = BatchSettings()
    loss: LossSettings = LossSettings()
    mesh: MeshSettings = MeshSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    def present(self, names: Sequence[str]) -> list[str]:
        """Without ``local`` where another network is fitted, which does not depend on it."""
        return [name for name in super().present(names) if name != "local" or self.net.kind == "local"]


TRAINED = tuple(kind for kind in NETWORKS if kind not in ("local", "auto"))

UNGUIDED: Tree = {"guide": "trained"}  # a guide is made of what may be trained alone

# What is trained, where `fast` does not solve: other networks, normals without sides.
FAST_TRAINED: Tree = {
    "ingest": {"guide_samples": 100_000, "guide_depth": 7},
    "fit": {"steps": 1800, "learning_rate": 7e-4, "warmup": 100, "low_precision_share": 0.97},
    "batch": {"on_surface": 1000, "off_surface": 500, "eikonal": 150},
    "loss": {"on_surface": 300.0, "normal": 30.0, "eikonal": 5.0, "direction": 1.0, "focus": 1.0},
}

# The authors' settings (vsitzmann/siren, experiment_scripts/train_sdf.py and loss_functions.sdf).
PAPER: Tree = {
    "ingest": {"extent": 2.0, "guide_samples": 0},
    "fit": {
        "epochs": 10_000,
        "learning_rate": 1e-4,
        "beta2": 0.999,
        "warmup": 0,
        "decay": "none",
        "clip": 1.0,
        "divergence": None,
        "derivatives": "autograd",
        "precision": "float32",
    },
    "batch": {"on_surface": 1400, "off_surface": 1400, "eikonal": 1400},
    "loss": {
        "on_surface": 3e3,
        "normal": 1e2,
        "eikonal": 5e1,
        "off_surface": 1e2,
        "distance": 0.0,
        "direction": 0.0,
        "estimated": 1.0,
        "eikonal_power": 1,
        "sharpness": 1e2,
        "noise": "ignore",
        "mean_over_all": True,
        "tolerance": 0.0,
        "focus": 1.0,
    },
}


class ShapeTask(Task[ShapeConfig]):
    """Fit a SIREN to points, normals and guide samples; write its zero level set as a mesh."""

    name = "shape"
    has_surface = True
    suffixes = (
        *(".ply", ".pcd", ".xyz", ".pts", ".txt", ".csv", ".asc", ".ptx", ".obj", ".stl", ".off", ".glb"),
        *(".3mf", ".npz", ".npy", ".las", ".laz", ".e57"),
    )
    cache, output, output_file = "cloud.npz", "mesh", "mesh.ply"
    config_type: ClassVar[type[Config]] = ShapeConfig
    header_type: ClassVar[type[Header]] = CloudHeader
    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **Task.sections,
        "fit": ("net", "local", "fit", "loss", "batch", "seed"),
    }
    facts_types: ClassVar[Mapping[str, type[Facts]]] = {
        "ingest": CloudFacts,
        "inspect": InspectFacts,
        "mesh": MeshFacts,
        "evaluate": ShapeMetrics,
    }
    presets: ClassVar[Mapping[str, Tree]] = {
        "default": {"net": {"kind": "auto"}, "ingest": UNGUIDED, "local": {"units": 384}, "fit": {"steps": STEPS}},
        "fast": {"net": {"kind": "local"}, "ingest": {"guide_samples": 0}},
        "fast/unsigned": {"net": {"kind": "siren"}, **FAST_TRAINED},
        **{f"fast/{kind}": FAST_TRAINED for kind in TRAINED},
        "fine": {"net": {"kind": "auto"}, "ingest": UNGUIDED, "local": {"units": 512}, "fit": {"steps": 25_000}},
        **{f"{preset}/{kind}": {"ingest": {"guide": "always"}} for preset in ("default", "fine") for kind in TRAINED},
        "paper": PAPER,
    }

    def __init__(self, signal: Signal, config: ShapeConfig, device: torch.device) -> None:
        import torch

        super().__init__(signal, config, device)
        self.settings, self.loss = config.batch, config.loss
        header = CloudHeader.of(signal.header)
        kind = config.net.kind
        if header.tiles and kind not in ("auto", "local"):
            hint = "--set ingest.large=false trains it on some of the points"
            raise InputError("a large scan is solved, not trained", where="net.kind", hint=hint)
        if config.fit.prior is not None and header.prior != config.fit.prior:
            hint = "fit the scan itself with --prior, into a run of its own"
            raise InputError(f"this run was ingested with {header.prior or 'no prior'}", where="fit.prior", hint=hint)
        if kind == "auto":
            kind = "local" if header.tiles or _plain(header) or header.prior is not None else "siren"
            self.config = config.model_copy(update={"net": config.net.model_copy(update={"kind": kind})})
        self.closed_form = kind == "local"
        if self.closed_form:
            self.signal, self.derivatives = signal, "closed"  # the network is made by `solve`
            if not header.signed:
                hint = "--net siren finds the sides"
                raise InputError("normals without sides cannot be solved for", where="net.kind", hint=hint)
        else:
            wanted = config.ingest.guide_samples or config.preset == "fast"
            if wanted and kind == "siren" and not len(signal.arrays.get("guide_points", ())):
                hint = "fit the scan itself with --net siren, into a run of its own"
                raise InputError(
                    "this run was ingested to be solved, without samples for training", where="net.kind", hint=hint
                )
            self.make_net(3, 1)

        def tensor(name: str) -> Tensor | None:
            array = signal.arrays.get(name)
            return None if array is None or not len(array) else torch.from_numpy(array).to(device)

        def table(*names: str) -> Tensor | None:
            """Arrays side by side, so that a batch is drawn from them at once."""
            columns = [c for c in map(tensor, names) if c is not None]
            return torch.cat([c.reshape(len(c), -1) for c in columns], 1) if len(columns) == len(names) else None

        if header.prior is not None:
            signal = replace(signal, arrays=with_prior(signal.arrays))
        points = table("points", "normals", *(("deviation",) if "deviation" in signal.arrays else ()))
        assert points is not None
        self.points = points
        self.signed = header.signed
        self.guide = table("guide_points", "guide_distances", "guide_directions", *(() if self.signed else ("guide_sides",)))
        estimated = header.normals == "estimated"
        follow = self.loss.noise == "auto"
        noise, floor = (header.noise, header.noise_floor) if follow else (0.0, 0.0)
        self.point_weight = self.loss.on_surface * (self.loss.fidelity or (noise_weight(floor) if estimated else 1.0))
        self.normal_weight = self.loss.normal * (self.loss.estimated if estimated else 1.0)
        self.tolerance = 2 * noise if noise > CLEAN_NOISE else self.loss.tolerance
        # noise would be followed, and sides that are still to be found need the other terms
        self.added = Added.of(self.points, self.loss, self.closed_form)
        self.focus = self.loss.focus if noise <= CLEAN_NOISE and self.signed and "deviation" not in signal.arrays else 1.0

    @property
    def epoch_steps(self) -> int:
        return max(1, len(self.points) // self.settings.on_surface)

    # ---- fit ----------------------------------------------------------------------------------------
    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        import torch

        from . import shape_losses, shape_losses_cpu

        size, loss = self.settings, self.loss
        on, off, eik = size.on_surface, size.off_surface, self.gradients_off
        surface = self.added.draw(self.points, on, generator) if self.added else _draw(self.points, on, generator)
        if self.guide is not None:
            elsewhere = _draw(self.guide, off, generator)
        else:
            elsewhere = (torch.rand((off, 3), generator=generator) * 2 - 1).to(self.device)
        x = torch.cat([surface[:, :3], elsewhere[:, :3]])
        value, gradient = (y[:, 0] for y in self.values_and_gradients(x, on + eik, moment))
        begins = not self.signed and moment.progress < SIDES_FROM
        weights, tolerance = self.weights_at(moment.progress, begins), self.tolerance_of(surface)
        if moment.engine is not None and self.signed and not (self.added and self.added.losses):
            targets = shape_losses_cpu.Targets.of(surface, tolerance, elsewhere, loss)
            return shape_losses_cpu.weighted_terms(value, gradient, targets, weights)

        f_off, g_on, g_off = value[on:], gradient[:on], gradient[on:]
        terms = {
            "on_surface": shape_losses.on_surface(value[:on], tolerance),
            "normal": shape_losses.normal(g_on, surface[:, 3:6], self.signed),
            "eikonal": shape_losses.eikonal(gradient, loss.eikonal_power),
        }
        if "off_surface" in weights:
            terms["off_surface"] = shape_losses.off_surface(f_off, loss.sharpness)
        if self.guide is not None:
            distance, direction = elsewhere[:, 3], elsewhere[:eik, 4:7]
            trust = shape_losses.trust(distance, loss.trust)
            if not self.signed:
                side, trust = shape_losses.sides(f_off, distance, elsewhere[:, 7], trust, begins)
                distance, direction = side * distance, side[:eik, None] * direction
            terms["distance"] = trust * shape_losses.distance(f_off, distance, loss.guide_tolerance)
            terms["direction"] = trust[:eik] * shape_losses.normal(g_off, direction)
        taken = {name: weight * terms[name].sum() for name, weight in weights.items()}
        if self.added:
            batch = plugins.Batch(
                points=surface[:, :3],
                normals=surface[:, 3:6],
                values=value[:on],
                gradients=g_on,
                elsewhere=elsewhere[:, :3],
                elsewhere_values=f_off,
                elsewhere_gradients=g_off,
                net=self.net,
                progress=moment.progress,
                generator=generator,
            )
            taken |= self.added.terms(batch, taken)
        return taken

    def solve(self, progress: Callable[[float], bool]) -> bool:
        from ..local.solve import Stopped, solve_local
        from .shape_solved import scan_of

        header = CloudHeader.of(self.signal.header)
        local, seed = self.config.local, self.config.seed
        arrays = with_prior(self.signal.arrays)
        scan = scan_of(arrays, header, self.loss)
        if arrays is not self.signal.arrays:  # the added points lie nearer to each other
            scan = replace(scan, spacing=spacing_of(scan.points))
        try:
            if header.tiles and self.folder is not None:
                from .shape_large import solve_large

                tiles, noisy = self.of_tiles()
                args = self.config.ingest, noisy, seed, self.device, progress
                self.net, self.note = solve_large(self.folder, scan, header, local, tiles, *args)
            else:
                self.net = solve_local(scan, local, seed, self.device, progress)
        except Stopped:
            return False
        return True

    def of_tiles(self) -> tuple[LocalSettings, bool]:
        """How the cells of a large run's tiles are solved, and whether the noise of their points counts."""
        from .shape_large import tile_settings

        of_preset = self.presets[self.config.preset].get("local", {}).get("units", LocalSettings().units)
        return tile_settings(self.config.local, of_preset), self.loss.noise != "ignore"

    @property
    def gradients_off(self) -> int:
        """Samples off the surface whose gradient is taken."""
        return min(self.settings.eikonal, self.settings.off_surface)

    def weights_at(self, progress: float, begins: bool) -> dict[str, float]:
        """Of the terms' sums over the samples of a batch; terms that do not count are not there."""
        on, off, eik = self.settings.on_surface, self.settings.off_surface, self.gradients_off
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

    @classmethod
    def reads(cls, path: Path, layers: Sequence[tuple[str, Tree]]) -> bool:
        """Files of a plugin's format, too; an image is a scan if the intrinsics of its camera are given: a depth frame."""
        if plugins.part("reader", path.suffix.lower()) is not None:
            return True
        depth = path.suffix.lower() in SUFFIXES and any("intrinsics" in tree.get("ingest", {}) for _, tree in layers)
        return depth or super().reads(path, layers)

    @classmethod
    def files_of(cls, config: ShapeConfig) -> list[Path]:
        from ..priors.shapes.file import path_of

        polygon = [] if config.ingest.polygon is None else [Path(config.ingest.polygon)]
        return polygon + ([] if config.fit.prior is None else [path_of(config.fit.prior)])

    @classmethod
    def check_prior(cls, config: ShapeConfig) -> None:
        if config.fit.prior is not None:
            from ..priors.shapes.file import describe

            describe(config.fit.prior)

    # ---- ingest, mesh, evaluate: heavy packages, imported when they run --------------------------------
    @classmethod
    def ingest(cls, source: Any, config: ShapeConfig, say: Say) -> Signal:
        from ..pointcloud.ingest import ingest_shape

        return cls._completed(Signal(*ingest_shape(source, config.ingest, config.seed, say)), config)

    @classmethod
    def ingest_before_fit(cls, source: Any, config: ShapeConfig, say: Say, meanwhile: Callable[[], None]) -> Signal:
        from ..pointcloud.ingest import ingest_shape

        return cls._completed(Signal(*ingest_shape(source, config.ingest, config.seed, say, meanwhile)), config)

    @classmethod
    def _completed(cls, signal: Signal, config: ShapeConfig) -> Signal:
        """With what the prior adds that the settings name; samples off the surface are for what is trained."""
        if config.fit.prior is None:
            return signal
        samples = config.ingest.guide_samples if config.net.kind not in ("auto", "local") else 0
        return completed(signal, config.fit.prior, config.seed, samples)

    @classmethod
    def ingest_into(
        cls, folder: Path, source: Any, key: str, config: ShapeConfig, say: Say, meanwhile: Callable[[], None] | None
    ) -> Signal:
        from .shape_large import ingest_tiles

        tiled = ingest_tiles(folder, source, key, config.ingest, config.fit.prior, config.seed, say)
        return super().ingest_into(folder, source, key, config, say, meanwhile) if tiled is None else tiled

    @classmethod
    def files_beside(cls, stage: str, folder: Path) -> list[str]:
        from .shape_large import tile_files

        return tile_files(stage, folder)

    @classmethod
    def of_arrays(cls, source: Any, normals: Any, colours: Any) -> Any:
        from ..pointcloud.io.arrays import cloud_from_arrays

        return cloud_from_arrays(source, normals, colours)

    @classmethod
    def inspect(cls, source: Any, config: ShapeConfig, say: Say) -> InspectFacts:
        from ..pointcloud.inspect import preflight

        facts = preflight(source, config.ingest, config.seed, say)
        if config.loss.fidelity is not None or config.loss.noise == "ignore":
            followed = [c for c in facts.choices if c.setting != "loss.fidelity"]
            return facts.model_copy(update={"choices": followed})
        return facts

    @classmethod
    def trial(cls, facts: Facts | None = None) -> Signal:
        points = np.random.default_rng(0).normal(size=(TRIAL_POINTS, 3)).astype(np.float32)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        zero = np.zeros(len(points), np.float32)
        half: Arrays = {"points": points / 2, "normals": points, "guide_points": points / 2, "guide_distances": zero}
        bounds = BoxBounds(low=(-0.5, -0.5, -0.5), high=(0.5, 0.5, 0.5))
        header = CloudHeader(frame=Similarity((0.0, 0.0, 0.0), 1.0), bounds=bounds, spacing=TRIAL_SPACING)
        if isinstance(facts, InspectFacts):
            noise = facts.noise / max(facts.size) * 2 * 0.9  # of the longest side, in the box
            spacing = facts.spacing.median / max(facts.size) * 2 * 0.9
            known = {"noise": noise, "spacing": spacing, "open": facts.open, "normals": facts.normals.origin}
            header = header.model_copy(update=known)
        return Signal({**half, "guide_directions": points}, header)

    @classmethod
    def solve_share(cls, facts: Facts) -> float:
        points = facts.points if isinstance(facts, InspectFacts) else TRIAL_POINTS
        return 0.6 + 0.4 * points / TRIAL_POINTS  # measured: .95 s, 4.6 s of 100,000 points, 16.1 s of 400,000

    @classmethod
    def write(cls, fitted: Field, arrays: Arrays, config: ShapeConfig, path: Path, say: Say) -> MeshFacts:
        from ..surface.extract import extract
        from ..surface.io import write_mesh
        from ..surface.printing.part import check_printing
        from ..surface.texture import check_texture
        from ..surface.written_units import WrittenUnits

        if config.mesh.uncertainty and fitted.net.kind != "local":
            hint = "fit with --net local"
            raise InputError("error bars are known of solved fields only", where="mesh.uncertainty", hint=hint)
        check_printing(config.mesh, CloudHeader.of(fitted.header).units)
        if CloudHeader.of(fitted.header).tiles:
            from .shape_large import write_tiles_mesh

            return write_tiles_mesh(path, fitted, config.mesh, say)
        check_texture(config.mesh, arrays)
        mesh, facts = extract(fitted, arrays, config.mesh, say)
        if config.mesh.uncertainty:
            from .shape_solved import error_bars_at

            deviation = error_bars_at(mesh.vertices, fitted, arrays, config.local, config.loss, config.seed)
            found = Uncertainty.of_vertices(deviation)
            say(found.line())
            mesh, facts = replace(mesh, uncertainty=deviation), facts.model_copy(update={"uncertainty": found})
        header = CloudHeader.of(fitted.header)
        write_mesh(path, mesh, fitted.frame, facts.resolution, WrittenUnits(header.units, crs=header.crs))
        for name in cls.extra_outputs(ShapeConfig(mesh=MeshSettings(height=1.0))):
            (path.parent / name).unlink(missing_ok=True)  # those of another part
        if config.mesh.printing:
            from .shape_part import write_part

            facts = facts.model_copy(update={"part": write_part(mesh, fitted, config.mesh, config.report.up, path.parent)})
        return facts

    @classmethod
    def extra_outputs(cls, config: ShapeConfig) -> list[str]:
        return [PART, PART_PICTURE] if config.mesh.printing else []

    @classmethod
    def convert(cls, written: Path, path: Path, fitted: Field, arrays: Arrays, config: ShapeConfig, say: Say) -> None:
        from ..surface.io import TEXTURED, read_mesh, write_mesh
        from ..surface.level_set import resolution_of
        from ..surface.written_units import units_of_part, written_units
        from .shape_large import convert_tiles

        if convert_tiles(written, path, fitted, config.mesh):
            return
        resolution, header, suffix = resolution_of(fitted, config.mesh), CloudHeader.of(fitted.header), path.suffix.lower()
        if config.mesh.printing:
            part = read_mesh(written.parent / PART)
            frame = Similarity((0.0, 0.0, 0.0), float(np.ptp(part.vertices, axis=0).max()) / 2)
            write_mesh(path, part, frame, resolution, units_of_part(suffix))
            return
        units, mesh = written_units(header, config.mesh, suffix), read_mesh(written)
        if config.mesh.texture and suffix in TEXTURED:
            from ..surface.texture import textured

            mesh = textured(mesh, fitted, arrays, config.mesh.texture, say)
        write_mesh(path, mesh, fitted.frame, resolution, units)

    @classmethod
    def files_of_copy(cls, path: Path, config: ShapeConfig) -> list[Path]:
        from ..surface.io import companions
        from ..surface.written_units import DEFINED

        suffix = path.suffix.lower()
        beside = companions(path) if config.mesh.texture and suffix == ".obj" else ()
        return [path, *beside, *([] if suffix in DEFINED else [path.with_suffix(".prj")])]

    @classmethod
    def told_of_copy(cls, path: Path, fitted: Field, config: ShapeConfig) -> str:
        from ..surface.io import TEXTURED
        from ..surface.written_units import units_of_part, written_units

        header, suffix = CloudHeader.of(fitted.header), path.suffix.lower()
        if config.mesh.printing:
            return units_of_part(suffix).line("mm", suffix)
        line = written_units(header, config.mesh, suffix).line(header.units, suffix)
        if config.mesh.texture and suffix not in TEXTURED:
            line = "; ".join(filter(None, [line, f"without the texture, which {suffix[1:].upper()} cannot hold"]))
        return line

    @classmethod
    def check_output(cls, path: Path) -> None:
        from ..surface.io import check_output

        check_output(path)

    @classmethod
    def as_made(cls, config: ShapeConfig, made: Tree) -> ShapeConfig:
        """With the box that the mesh was cut to, which is an option of the command that made it and not of the run."""
        mesh = config.mesh.model_copy(update={"box": tuple(made["box"]) if made.get("box") else None})
        return config.model_copy(update={"mesh": mesh})

    @classmethod
    def evaluate(
        cls, fitted: Field, arrays: Arrays, output: Path, reference: Path | None, config: ShapeConfig, say: Say
    ) -> ShapeMetrics:
        from ..metrics.shape import evaluate_shape

        if CloudHeader.of(fitted.header).tiles and reference is None:
            from .shape_large import evaluate_tiles

            return evaluate_tiles(output, fitted, config.evaluate, say)
        return evaluate_shape(fitted, arrays, output, reference, config.evaluate, config.seed, say, config.mesh.box)

    @classmethod
    def brief(cls, stage: str, facts: Tree) -> list[str]:
        return ShapeMetrics.of(facts).brief_lines() if stage == "evaluate" else cls.summary(stage, facts)

    @classmethod
    def fitted(cls, field: Field, arrays: Arrays, config: ShapeConfig, run: Path | None = None) -> ShapeField:
        from .shape_field import ShapeField

        if run is not None and CloudHeader.of(field.header).tiles:
            from .shape_large import large_field

            return large_field(field, cls, arrays, config, run)
        return ShapeField(field, cls, arrays, config, run)

    @classmethod
    def picture(cls, run: FinishedRun, path: Path, view: View) -> None:
        from ..reports.render import draw_run
        from ..reports.shape import vertical

        draw_run(run.output, run.field, path, replace(view, up=vertical(run)) if view.up == "auto" else view)

    @classmethod
    def thumbnail(cls, run: FinishedRun) -> bytes | None:
        from ..reports.shape import thumbnail

        return thumbnail(run)

    @classmethod
    def turning_view(cls, run: FinishedRun, together: str) -> Markup | None:
        from ..reports.shape import maps_of, mesh_of, model_view

        mesh = mesh_of(run)
        return model_view(run, mesh, maps_of(run, mesh), together)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.shape import sections

        return sections(run)


def _plain(header: CloudHeader) -> bool:
    """Whether solving is as good as training, or better."""
    known = known_well(header.spacing, header.noise, header.normals != "estimated")
    return known and not header.open and header.signed


def _draw(table: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` random rows of a (n, k) table."""
    import torch

    return table.index_select(0, torch.randint(len(table), (count,), generator=generator).to(table.device))
