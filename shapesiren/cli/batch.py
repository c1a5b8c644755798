"""``shapesiren batch``: many inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import plugins, profiles
from ..errors import InputError
from .app import command
from .options import (
    Device,
    Force,
    LengthOptions,
    ScreenOptions,
    Seed,
    SettingsOptions,
    Strict,
    TaskName,
    seed_layers,
    task_layers,
)


@command()
def batch(
    *,
    sources: Annotated[list[Path] | None, typer.Argument(metavar="[SOURCE...]", help="Input files.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Inputs with their own settings: .csv or .jsonl.")] = None,
    pipeline: Annotated[Path | None, typer.Option(help="Settings of all stages, as TOML.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    engine: Annotated[str, typer.Option(help="serial, or ray: several at a time, on this machine or a cluster.")] = "serial",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster to join: auto, or HOST:PORT.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU cores of each fit (ray: 1; serial: all).", min=1)] = None,
    gpus: Annotated[float, typer.Option(help="GPUs of each fit; .25 puts four on one.", min=0)] = 0.0,
    retries: Annotated[int, typer.Option(help="New tries of a fit whose worker was lost.", min=0)] = 2,
    shard: Annotated[str | None, typer.Option(metavar="K/N", help="Only the K-th of N parts, for job arrays.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Only what failed the last time.")] = False,
    reports: Annotated[bool, typer.Option("--reports", help="Write each run's report too.")] = False,
    settings: SettingsOptions,
    task: TaskName,
    length: LengthOptions,
    seed: Seed,
    device: Device,
    strict: Strict,
    force: Force,
    printing: ScreenOptions,
) -> None:
    """Fit, mesh and evaluate many inputs, each into a run folder of its own. The same command goes on where it was stopped.

    A bad input never stops the rest: it is named at the end, and the exit code is 1. What is finished and unchanged is skipped.

    Example: shapesiren batch scans/*.ply --pipeline pipelines/scan.toml --out runs --engine ray
    """
    from ..batch.engines import ENGINES, Resources
    from ..batch.jobs import jobs_of_files, jobs_of_manifest
    from ..batch.jobs import shard as part_of
    from ..batch.progress import progress
    from ..batch.run import run_batch
    from ..batch.summary import PAGE, TABLE, by_name, closing_lines
    from ..batch.work import RESULTS, Plan, check_settings, failed_before
    from ..stages.copies import refuse_foreign
    from ..stages.fit import torch_device
    from ..stages.store import invocation

    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}", where="--engine", hint=f"one of {', '.join(ENGINES)}")
    if address is not None and engine != "ray":
        raise InputError("only Ray has an address", where="--address", hint="--engine ray")
    if bool(sources) == bool(manifest):
        raise InputError("name either files or a manifest", where="batch", hint="batch scans/*.ply, or --manifest scans.csv")
    if pipeline is not None and settings.config is not None:
        raise InputError("--pipeline and --config say the same", where="--config", hint="give one of them")
    layers = settings.layers(pipeline)
    layers = plugins.layers() + layers + task_layers(task) + length.layers() + seed_layers(seed)
    everything = jobs_of_manifest(manifest) if manifest else jobs_of_files(sources or [])
    jobs = part_of(everything, shard)
    if retry_failed:
        jobs = failed_before(jobs, out)
    if address is None:  # a cluster's nodes may have what this machine lacks
        torch_device(device)
    plan = Plan(layers, str(out.resolve()), device, threads or (1 if engine == "ray" else None), force, reports, invocation())
    check_settings(jobs, plan)
    screen = printing.screen()
    if chosen := [str(tree["profile"]) for _, tree in layers if tree.get("profile")]:
        screen.say(profiles.line(chosen[-1], task or "shape"))
    if not (out / RESULTS).is_dir():  # a folder that no batch has worked in yet
        for name in (TABLE, PAGE):
            refuse_foreign(out / name, force)
    with progress(len(jobs), printing.quiet) as show:
        results = run_batch(jobs, everything, plan, engine, Resources(threads, gpus, address, retries), show)
    for line in closing_lines(out, results):
        screen.say(line)
    screen.result(by_name(results))
    if any(r.status == "failed" or (strict and r.facts.get("warning")) for r in results):
        raise typer.Exit(1)
