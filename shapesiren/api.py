"""The Python API, in the command line's words: inspect, ingest, fit, mesh, decode, evaluate, load, simulate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .config import Config, Tree, resolve
from .errors import InputError
from .export import export_field
from .field import Field
from .fitting.events import Listener
from .fitting.loop import fit_task
from .runtime.files import write_atomically
from .similarity import Similarity
from .stages import evaluate as evaluate_stage
from .stages import fit as fit_stage
from .stages import ingest as ingest_stage
from .stages import inspect as inspect_stage
from .stages import output as output_stage
from .stages import report as report_stage
from .stages.context import Settings, context_for, is_run, run_context, settings_layers, silent
from .stages.stage import stored_config
from .stages.store import Run
from .surface import query
from .surface.extract import extract, summary
from .surface.io import write_mesh
from .surface.mesh import TriangleMesh
from .tasks import TASKS, task_for
from .tasks.base import Arrays, Say


@dataclass(frozen=True)
class Mesh(TriangleMesh):
    """A mesh in the user's coordinates; ``facts`` holds its verification and distances."""

    facts: dict[str, Any] = field(default_factory=dict)
    frame: Similarity = field(default_factory=lambda: Similarity((0.0, 0.0, 0.0), 1.0))

    def save(self, path: str | Path) -> None:
        """Write as PLY, OBJ, STL, GLB or OFF, by extension."""
        write_mesh(Path(path), self, self.frame, self.facts["resolution"])

    @property
    def watertight(self) -> bool:
        """Closed, edge-manifold and oriented: checked, not assumed."""
        return bool(self.facts["verification"]["watertight"])

    def __str__(self) -> str:
        return "; ".join(summary(self.facts))


class ShapeField(Field):
    """A fitted shape: a `Field` that knows its cloud, so that it can be meshed."""

    arrays: Arrays
    settings: Config
    run: Path | None = None

    def mesh(self, resolution: int | None = None, **settings: Any) -> Mesh:
        """Its zero level set; keywords are settings of ``[mesh]``."""
        assert hasattr(self.settings, "mesh")
        changed = {k: v for k, v in {"resolution": resolution, **settings}.items() if v is not None}
        tree = self.settings.model_dump(exclude_none=True)
        config = resolve(type(self.settings), TASKS[self.task].presets, [("run", tree), ("mesh()", {"mesh": changed})])
        made, facts = extract(self, self.arrays, config.mesh)  # type: ignore[attr-defined]
        return Mesh(made.vertices, made.faces, made.normals, made.colours, made.intensity, facts, self.frame)

    def curvature(self, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and Gaussian curvature, each (n,), of the level sets through (n, 3) points. See `surface.query`."""
        return query.curvatures(self, points)

    def closest_point(self, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The surface's nearest point (n, 3) to each of (n, 3) points, and the distances (n,). See `surface.query`."""
        return query.closest_points(self, points)

    def intersect(
        self, origins: ArrayLike, directions: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Where rays meet the surface: distances (n,), inf for none; points and normals (n, 3). See `surface.query`."""
        return query.intersect_rays(self, origins, directions)

    def export(self, path: str | Path, resolution: int = 128, gradient: bool = False) -> Tree:
        """Write it as .onnx, or its distances on a grid as .npz, .nrrd, .vti. Returns facts. See `export`."""
        return export_field(self, Path(path), resolution, gradient)


class SignalField(Field):
    """A fitted image, sound or video: a `Field` that can be decoded."""

    arrays: Arrays
    settings: Config
    run: Path | None = None

    def decode(self, path: str | Path | None = None, **settings: Any) -> Any:
        """Its samples, at any size; keywords are settings of ``[decode]``. ``path`` writes a file instead.

        Returns
        -------
        image (h, w, c), [0, 1] of integer files; sound (n, channels) in full scale; video an iterator of (h, w, 3) uint8
        """
        from .tasks.decoders import DECODERS

        changed = {k: v for k, v in settings.items() if v is not None}
        tree = self.settings.model_dump(exclude_none=True)
        task = TASKS[self.task]
        config = resolve(type(self.settings), task.presets, [("run", tree), ("decode()", {"decode": changed})])
        if path is None:
            return DECODERS[self.task](self, config.decode)[0]  # type: ignore[attr-defined]
        task.check_output(Path(path))
        task.convert(Path(), Path(path), self, config)  # made from the field, not from what was written before
        return None

    def export(self, path: str | Path, gradient: bool = False) -> Tree:
        """Write it as .onnx. Returns facts. See `export`."""
        return export_field(self, Path(path), gradient=gradient)

    def picture(self, path: str | Path) -> None:
        """Draw it beside its original."""
        from .reports.figures import draw_signal

        draw_signal(self, self.arrays, Path(path))


def _wrap(fitted: Field, arrays: Arrays, config: Config, run: Path | None) -> Any:
    kind: type[ShapeField | SignalField] = ShapeField if TASKS[fitted.task].output == "mesh" else SignalField
    wrapped = kind(fitted.net, fitted.task, fitted.header)
    wrapped.arrays, wrapped.settings, wrapped.run = arrays, config, run
    return wrapped


def fit(
    source: str | Path | Sequence[str | Path] | ArrayLike,
    *,
    normals: ArrayLike | None = None,
    colours: ArrayLike | None = None,
    out: str | Path | None = None,
    preset: str | None = None,
    settings: Settings | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    seed: int | None = None,
    device: str = "auto",
    force: bool = False,
    say: Say = silent,
    listeners: Sequence[Listener] = (),
) -> Any:
    """Fit a field to a file or to arrays. Returns a `ShapeField`, or a `SignalField` of an image, sound or video.

    Parameters
    ----------
    source : a file, a list of files (registered scans of one thing), a run folder that has been ingested, or an (n, 3) array
        of points, or (n, 6) with normals; with ``settings={"task": "image"}`` an (h, w) or (h, w, c) array of intensities, with
        ``"audio"`` a tuple (samples, rate), with ``"video"`` an (n, h, w, 3) uint8 array
    normals, colours : (n, 3), beside an array of points
    out : run folder; None keeps everything in memory
    preset, settings : ``"fast"``, ``"default"``, ``"fine"`` or ``"paper"``; a tree like the TOML files
    say, listeners : get progress lines and fitting events

    Raises
    ------
    InputError : the input or a setting is wrong
    """
    layers = settings_layers(preset, settings, steps, seconds, seed)
    paths = _paths(source)
    if paths:
        if len(paths) == 1 and is_run(paths[0]):
            context = run_context(Run.open(paths[0]), layers, device, say, force)
            with context.run.locked():
                fit_stage.fit(context, listeners)
            return load(paths[0])
        task = task_for(paths[0], layers)
        if out is not None:
            context = context_for(task, Path(out), layers, device, say, force)
            with context.run.locked():
                ingest_stage.ingest(context, paths)
                fit_stage.fit(context, listeners)
            return load(out)
        given: Any = paths[0] if len(paths) == 1 else paths
        ingest_stage.check_sources(paths, task.folders)
    else:
        if out is not None:
            raise InputError("a run folder needs a file as its source", where="out", hint="save the array first")
        task = task_for(Path("array.npy"), layers)
        given = source
        if task.name == "shape":
            from .pointcloud.ingest import cloud_from_arrays

            given = cloud_from_arrays(source, normals, colours)
    config = resolve(task.config_type, task.presets, layers)
    signal = task.ingest(given, config, say)
    where = fit_stage.torch_device(device)
    fitted = task(signal, config, where)
    fit_task(fitted, config.fit, seed=config.seed, device=where, listeners=listeners)
    return _wrap(fitted.field(), signal.arrays, config, None)


def _paths(source: Any) -> list[Path]:
    """The files that ``source`` names; none if it is an array."""
    if isinstance(source, (str, Path)):
        return [Path(source)]
    if isinstance(source, (list, tuple)) and source and all(isinstance(p, (str, Path)) for p in source):
        return [Path(p) for p in source]
    return []


def load(run: str | Path, device: str = "auto") -> Any:
    """The field of a run folder. Raises InputError if there is none."""
    opened = Run.open(Path(run))
    task, config = stored_config(opened, [])
    fitted = Field.load(opened.folder / fit_stage.FIELD, fit_stage.torch_device(device))
    arrays = ingest_stage.unpack(opened.folder / task.cache).arrays
    return _wrap(fitted, arrays, config, opened.folder)


def mesh(run: str | Path, *, resolution: int | None = None, out: str | Path | None = None, **settings: Any) -> Tree:
    """Write a run's mesh (and a copy to ``out``); keywords are settings of ``[mesh]``. Returns its facts."""
    given = {k: v for k, v in {"resolution": resolution, **settings}.items() if v is not None}
    context = run_context(Run.open(Path(run)), [("mesh()", {"mesh": given})] if given else [])
    if out is not None:
        context.task.check_output(Path(out))
    with context.run.locked():
        facts = output_stage.output(context)
        if out is not None:
            output_stage.export(context, Path(out))
    return facts


def decode(run: str | Path, *, out: str | Path | None = None, **settings: Any) -> Tree:
    """Write a run's signal back (and a copy to ``out``); keywords are settings of ``[decode]``. Returns its facts."""
    context = run_context(Run.open(Path(run)), [("decode()", {"decode": settings})] if settings else [])
    if out is not None:
        context.task.check_output(Path(out))
    with context.run.locked():
        facts = output_stage.output(context, "decode")
        if out is not None:
            output_stage.export(context, Path(out))
    return facts


def evaluate(run: str | Path, *, reference: str | Path | None = None, **settings: Any) -> Tree:
    """Metrics of a run against a reference file or its own input; keywords are settings of ``[evaluate]``."""
    context = run_context(Run.open(Path(run)), [("evaluate()", {"evaluate": settings})] if settings else [])
    with context.run.locked():
        return evaluate_stage.evaluate(context, Path(reference) if reference is not None else None)


def report(run: str | Path, *, reference: str | Path | None = None, out: str | Path | None = None) -> Path:
    """Write a run's report (and a copy to ``out``): one HTML file that opens offline. Returns its path."""
    context = run_context(Run.open(Path(run)), [])
    with context.run.locked():
        report_stage.report(context, Path(reference) if reference is not None else None)
    made = context.run.folder / report_stage.REPORT
    if out is not None:
        write_atomically(Path(out), made.read_bytes())
    return made


def ingest(
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    preset: str | None = None,
    settings: Settings | None = None,
    seed: int | None = None,
    say: Say = silent,
) -> Tree:
    """Only read a file into a run folder, to be fitted later or elsewhere: ``fit(out)``. Returns its facts."""
    paths = _paths(source)
    layers = settings_layers(preset, settings, None, None, seed)
    context = context_for(task_for(paths[0], layers), Path(out), layers, "cpu", say, False)
    with context.run.locked():
        return ingest_stage.ingest(context, paths)


def inspect(
    source: str | Path | Sequence[str | Path],
    *,
    preset: str | None = None,
    settings: Settings | None = None,
    device: str = "auto",
    say: Say = silent,
) -> Tree:
    """What is in a file (or in registered ones), before any work: counts, spacing, noise, normals, openness, choices."""
    paths = _paths(source)
    layers = settings_layers(preset, settings, None, None, None)
    task = task_for(paths[0], layers)
    config = resolve(task.config_type, task.presets, layers)
    return inspect_stage.inspect(task, paths, config, fit_stage.torch_device(device), say)


def simulate(surface: str | Path, out: str | Path | None = None, **scanner: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """A virtual scan of a mesh file or analytic shape; keywords are those of `pointcloud.synthetic.scanner.Scanner`.

    Returns
    -------
    points : (n, 3) float64
    normals : (n, 3) float64, or None
    """
    from .pointcloud.synthetic.scanner import Scanner, scan, write_scan

    cloud = scan(str(surface), Scanner(**scanner))
    if out is not None:
        write_scan(Path(out), cloud)
    return cloud.points, cloud.normals


__all__ = [
    "Mesh",
    "ShapeField",
    "SignalField",
    "decode",
    "evaluate",
    "fit",
    "ingest",
    "inspect",
    "load",
    "mesh",
    "report",
    "simulate",
]
