"""The Python API, in the command line's words: inspect, ingest, fit, mesh, decode, evaluate, load, simulate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

from numpy.typing import ArrayLike, NDArray

from .config import Tree, resolve
from .errors import InputError
from .field import Field
from .fitting.events import Event, Listener, Progress
from .fitting.loop import fit_task
from .priors.prior import Prior
from .runtime.files import write_atomically
from .stages import evaluate as evaluate_stage
from .stages import fit as fit_stage
from .stages import ingest as ingest_stage
from .stages import inspect as inspect_stage
from .stages import output as output_stage
from .stages import report as report_stage
from .stages.context import Settings, context_for, is_run, run_context, settings_layers, silent
from .stages.stage import stored_config
from .stages.store import Run
from .surface.texture import check_textured
from .tasks import task_for
from .tasks.base import Say
from .tasks.fitted import FittedField, SignalField
from .tasks.prior_field import PriorField
from .tasks.shape_field import Mesh, ShapeField

SignalName = Literal["image", "composite", "audio", "video", "helmholtz", "wave", "inversion", "poisson"]
Source = str | Path | Sequence[str | Path] | ArrayLike


class FitOptions(TypedDict, total=False):
    """What `fit` takes beside the source and its task; see there."""

    normals: ArrayLike | None
    colours: ArrayLike | None
    colors: ArrayLike | None
    out: str | Path | None
    prior: str | Path | None
    preset: str | None
    settings: Settings | None
    steps: int | None
    seconds: float | None
    seed: int | None
    device: str
    force: bool
    say: Say
    listeners: Sequence[Listener]


@overload
def fit(source: Source, *, task: Literal["shape"], **options: Unpack[FitOptions]) -> ShapeField: ...


@overload
def fit(source: Source, *, task: Literal["prior"], **options: Unpack[FitOptions]) -> PriorField: ...


@overload
def fit(source: Source, *, task: SignalName, **options: Unpack[FitOptions]) -> SignalField: ...


@overload
def fit(source: Source, *, task: str | None = None, **options: Unpack[FitOptions]) -> ShapeField | SignalField: ...


def fit(source: Source, *, task: str | None = None, **options: Unpack[FitOptions]) -> FittedField:
    """Fit a field to a file or to arrays. Returns a `ShapeField`, or a `SignalField` of an image, sound or video.

    Parameters
    ----------
    source : a file, a list of files (registered scans of one thing), a run folder that has been ingested, or an (n, 3) array
        of points, or (n, 6) with normals; with ``settings={"task": "image"}`` an (h, w) or (h, w, c) array of intensities, with
        ``"audio"`` a tuple (samples, rate), with ``"video"`` an (n, h, w, 3) uint8 array
    normals, colours : (n, 3), beside an array of points; ``colors`` is the same
    task : what the source is, if that does not follow from it; an editor then knows what comes back
    prior : a run of task prior, or its file, which completes an image of which little is known; or ``"builtin"``, which
        completes a scan of few points
    out : run folder; None keeps everything in memory
    preset, settings : ``"fast"``, ``"default"``, ``"fine"`` or ``"paper"``; a tree like the TOML files
    say, listeners : get progress lines and fitting events

    Raises
    ------
    InputError : the input or a setting is wrong
    """
    unknown = options.keys() - FitOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"fit() got an unexpected keyword argument {min(unknown)!r}")
    device, say, out = options.get("device", "auto"), options.get("say", silent), options.get("out")
    force, listeners = options.get("force", False), options.get("listeners", ())
    layers = settings_layers(
        options.get("preset"), options.get("settings"), options.get("steps"), options.get("seconds"), options.get("seed")
    ) + ([("task", {"task": task})] if task else [])
    if (prior := options.get("prior")) is not None:
        layers.append(("prior", {"fit": {"prior": str(prior)}}))
    paths = _paths(source)
    if paths:
        if len(paths) == 1 and is_run(paths[0]):
            context = run_context(Run.open(paths[0]), layers, device, say, force)
            with context.run.locked():
                fit_stage.fit(context, listeners)
            return load(paths[0])
        kind = task_for(paths[0], layers)
        if out is not None:
            context = context_for(kind, Path(out), layers, device, say, force)
            with context.run.locked():
                ingest_stage.ingest(context, paths)
                fit_stage.fit(context, listeners)
            return load(out)
        given: Any = paths[0] if len(paths) == 1 else paths
        ingest_stage.check_sources(paths, kind.folders)
    else:
        if out is not None:
            raise InputError("a run folder needs a file as its source", where="out", hint="save the array first")
        kind = task_for(Path("array.npy"), layers)
        colours = options.get("colours")
        given = kind.of_arrays(source, options.get("normals"), colours if colours is not None else options.get("colors"))
    config = resolve(kind.config_type, kind.presets, layers)
    kind.check_prior(config)
    signal = kind.ingest(given, config, say)
    where = fit_stage.torch_device(device)
    fitted = kind(signal, config, where)
    history: list[tuple[int, Mapping[str, float]]] = []

    def remember(event: Event) -> None:
        if isinstance(event, Progress):
            history.append((event.step, event.losses))

    fit_task(
        fitted, config.fit, seed=config.seed, device=where, listeners=(remember, *listeners, *fit_stage.plugged_listeners())
    )
    made = kind.fitted(fitted.field(), signal.arrays, config)
    made.history = history
    return made


def _paths(source: Any) -> list[Path]:
    """The files that ``source`` names; none if it is an array."""
    if isinstance(source, (str, Path)):
        return [Path(source)]
    if isinstance(source, (list, tuple)) and source and all(isinstance(p, (str, Path)) for p in source):
        return [Path(p) for p in source]
    return []


@overload
def load(run: str | Path, device: str = "auto", *, task: Literal["shape"]) -> ShapeField: ...


@overload
def load(run: str | Path, device: str = "auto", *, task: Literal["prior"]) -> PriorField: ...


@overload
def load(run: str | Path, device: str = "auto", *, task: SignalName) -> SignalField: ...


@overload
def load(run: str | Path, device: str = "auto", *, task: str | None = None) -> ShapeField | SignalField: ...


def load(run: str | Path, device: str = "auto", *, task: str | None = None) -> FittedField:
    """The field of a run folder.

    Parameters
    ----------
    task : what it must be a fit of, if that matters; an editor then knows what comes back

    Raises
    ------
    InputError : there is none, or it is of another task
    """
    opened = Run.open(Path(run))
    kind, config = stored_config(opened, [])
    if task is not None and task != kind.name:
        raise InputError(f"this run is of task {kind.name}, not {task}", where=run)
    fitted = Field.load(opened.folder / fit_stage.FIELD, fit_stage.torch_device(device))
    arrays = ingest_stage.unpack(opened.folder / kind.cache).arrays
    made = kind.fitted(fitted, arrays, config, opened.folder)
    made.history = fit_stage.told_losses(opened)
    return made


def mesh(run: str | Path, *, resolution: int | None = None, out: str | Path | None = None, **settings: Any) -> Tree:
    """Write a run's mesh (and a copy to ``out``); keywords are settings of ``[mesh]``. Returns its facts."""
    if settings.get("texture") is not None and out is not None:
        check_textured(Path(out))
    return _written(run, "mesh", {"resolution": resolution, **settings}, out)


def decode(run: str | Path, *, out: str | Path | None = None, **settings: Any) -> Tree:
    """Write a run's signal back (and a copy to ``out``); keywords are settings of ``[decode]``. Returns its facts."""
    return _written(run, "decode", settings, out)


def _written(run: str | Path, stage: str, settings: Mapping[str, Any], out: str | Path | None) -> Tree:
    """Run the output stage of that name under some settings, those that are None left as they are; and its facts."""
    given = {name: value for name, value in settings.items() if value is not None}
    context = run_context(Run.open(Path(run)), [(f"{stage}()", {stage: given})] if given else [])
    return output_stage.output_and_copy(context, stage, Path(out) if out is not None else None)


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
    "Prior",
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
