"""Task ``shape``: a signed distance field from an oriented point cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import plugins
from ..config import Config, Tree
from ..errors import InputError
from ..facts import Facts
from ..header import BoxBounds, Header
from ..local.settings import LocalSettings
from ..metrics.shape import ShapeMetrics
from ..pointcloud.facts import CloudFacts, InspectFacts
from ..pointcloud.header import CloudHeader, known_well
from ..pointcloud.io.depth import SUFFIXES
from ..similarity import Similarity
from ..surface.facts import MeshFacts
from .base import Arrays, FinishedRun, Moment, Say, Signal, Task, View
from .shape_completed import completed, spacing_of, with_prior
from .shape_settings import PART, PART_PICTURE, PRESETS, ShapeConfig

if TYPE_CHECKING:
    import torch
    from markupsafe import Markup
    from torch import Tensor

    from ..field import Field
    from ..reports.page import Section
    from .shape_field import ShapeField

TRIAL_POINTS, TRIAL_SPACING = 10_000, 0.009  # of a sphere of radius 1/2, in box units


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
    presets: ClassVar[Mapping[str, Tree]] = PRESETS

    def __init__(self, signal: Signal, config: ShapeConfig, device: torch.device) -> None:
        from .shape_training import ShapeTraining

        super().__init__(signal, config, device)
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
        arrays = signal.arrays if header.prior is None else with_prior(signal.arrays)
        self.training = ShapeTraining(arrays, header, config.batch, config.loss, self.closed_form, device)

    @property
    def epoch_steps(self) -> int:
        return self.training.epoch_steps

    # ---- fit ----------------------------------------------------------------------------------------
    def losses(self, generator: torch.Generator, moment: Moment) -> dict[str, Tensor]:
        samples = self.training.draw(generator)
        value, gradient = (y[:, 0] for y in self.values_and_gradients(samples.places, self.training.gradients, moment))
        return self.training.losses(samples, value, gradient, self.net, moment, generator)

    def solve(self, progress: Callable[[float], bool]) -> bool:
        from ..local.solve import Stopped, solve_local
        from .shape_solved import scan_of

        header = CloudHeader.of(self.signal.header)
        local, seed = self.config.local, self.config.seed
        arrays = with_prior(self.signal.arrays)
        scan = scan_of(arrays, header, self.config.loss)
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
        return tile_settings(self.config.local, of_preset), self.config.loss.noise != "ignore"

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
        from .shape_mesh import write_shape

        return write_shape(fitted, arrays, config, path, say)

    @classmethod
    def extra_outputs(cls, config: ShapeConfig) -> list[str]:
        return [PART, PART_PICTURE] if config.mesh.printing else []

    @classmethod
    def convert(cls, written: Path, path: Path, fitted: Field, arrays: Arrays, config: ShapeConfig, say: Say) -> None:
        from .shape_mesh import write_copy

        write_copy(written, path, fitted, arrays, config, say)

    @classmethod
    def files_of_copy(cls, path: Path, config: ShapeConfig) -> list[Path]:
        from .shape_mesh import files_of_copy

        return files_of_copy(path, config)

    @classmethod
    def told_of_copy(cls, path: Path, fitted: Field, config: ShapeConfig) -> str:
        from .shape_mesh import told_of_copy

        return told_of_copy(path, fitted, config)

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
        return model_view(run, mesh, maps_of(run, mesh), together=together)

    @classmethod
    def report_sections(cls, run: FinishedRun) -> list[Section]:
        from ..reports.shape import sections

        return sections(run)


def _plain(header: CloudHeader) -> bool:
    """Whether solving is as good as training, or better."""
    known = known_well(header.spacing, header.noise, header.normals != "estimated")
    return known and not header.open and header.signed
