"""The command for many inputs: batch."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from .app import app
from .common import (
    ConfigFile,
    Device,
    Force,
    Json,
    Preset,
    Quiet,
    Seed,
    Set,
    Steps,
    TaskName,
    Time,
    settings_layers_of,
)


@app.command()
def batch(
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
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Set = None,
    task_name: TaskName = None,
    time_: Time = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "auto",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit, mesh and evaluate many inputs, each into a run folder of its own. The same command goes on where it was stopped.

    A bad input never stops the rest: it is named at the end, and the exit code is 1. What is finished and unchanged is skipped.

    Example: shapesiren batch scans/*.ply --pipeline pipelines/scan.toml --out runs --engine ray
    """
    from ..batch import jobs as make
    from ..batch.engines import ENGINES, Resources
    from ..batch.summary import write_summary
    from ..batch.work import Plan, check_settings, failed_before, recorded
    from ..stages.fit import torch_device
    from ..stages.store import invocation

    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}", where="--engine", hint=f"one of {', '.join(ENGINES)}")
    if address is not None and engine != "ray":
        raise InputError("only Ray has an address", where="--address", hint="--engine ray")
    if bool(sources) == bool(manifest):
        raise InputError("name either files or a manifest", where="batch", hint="batch scans/*.ply, or --manifest scans.csv")
    if pipeline is not None and config is not None:
        raise InputError("--pipeline and --config say the same", where="--config", hint="give one of them")
    layers = settings_layers_of(preset, pipeline or config, set_, time_, steps, seed, None, task_name)
    everything = make.jobs_of_manifest(manifest) if manifest else make.jobs_of_files(sources or [])
    jobs = make.shard(everything, shard)
    if retry_failed:
        jobs = failed_before(jobs, out)
    if address is None:  # a cluster's nodes may have what this machine lacks
        torch_device(device)
    plan = Plan(layers, str(out.resolve()), device, threads or (1 if engine == "ray" else None), force, reports, invocation())
    check_settings(jobs, plan)
    show = _progress(len(jobs), quiet)
    try:
        results = []
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints what its nodes say; stdout is for --json
            for result in ENGINES[engine](jobs, plan, Resources(threads, gpus, address, retries)):
                results.append(result)
                show(result)
    finally:
        show(None)
        held = recorded(out)
        known = [held[j.name] for j in everything if j.name in held]
        if known:
            write_summary(out, known)
    failed = [r for r in results if r.status == "failed"]
    if not quiet:
        done, same = (sum(r.status == s for r in results) for s in ("done", "unchanged"))
        text = f"{done} done, {same} unchanged, {len(failed)} failed; summary: {out / 'summary.html'}, {out / 'summary.csv'}"
        print(text, file=sys.stderr)
        for r in failed:
            print(f"failed: {r.name}: {r.error}", file=sys.stderr)
    if as_json:
        print(json.dumps({r.name: {"status": r.status, "error": r.error, "seconds": r.seconds} for r in results}, indent=1))
    if failed:
        raise typer.Exit(1)


def _progress(total: int, quiet: bool) -> Callable[[Any], None]:
    """Takes each result, and None at the end: a live table on a terminal, a line each elsewhere."""
    if quiet:
        return lambda _: None
    start, count = time.monotonic(), {"done": 0, "unchanged": 0, "failed": 0}

    def line() -> str:
        from ..fitting.progress import duration

        ended = sum(count.values())
        spent = time.monotonic() - start
        left = duration(spent / ended * (total - ended)) if ended else "-"
        parts = ", ".join(f"{n} {name}" for name, n in count.items())
        return f"{ended} of {total}: {parts}; {ended / max(spent, 1e-9) * 60:.1f} a minute, {left} left"

    if not sys.stderr.isatty():

        def plain(result: Any) -> None:
            if result is not None:
                count[result.status] += 1
                text = f"{result.name}: {result.status} in {result.seconds:.1f} s" + (
                    f": {result.error}" if result.error else ""
                )
                print(f"{line()} | {text}", file=sys.stderr, flush=True)

        return plain

    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    recent: list[Any] = []

    def table() -> Group:
        rows = Table(box=None, pad_edge=False, show_header=False)
        for r in recent[-12:]:
            style = {"failed": "red", "done": "green"}.get(r.status, "dim")
            rows.add_row(r.name, Text(r.status, style=style), f"{r.seconds:.1f} s", r.error)
        return Group(rows, Text(line()))

    live = Live(table(), console=Console(stderr=True), refresh_per_second=2)
    live.start()

    def draw(result: Any) -> None:
        if result is None:
            live.stop()
            return
        count[result.status] += 1
        recent.append(result)
        live.update(table())

    return draw
