"""Stage ``fit``: arrays -> field. Needs torch and numpy alone."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch

from .. import plugins
from ..config import Tree, resolve
from ..errors import InputError, Interrupted
from ..fitting.events import Event, Listener, Progress, Started
from ..fitting.loop import fit_task
from ..tasks.base import FitFacts, Task
from .ingest import unpack
from .stage import Context, execute, refuse_to_replace, require, store_config
from .store import CHECKPOINT, Run

FIELD, LOG = "field.safetensors", "metrics.jsonl"
SNAPSHOT = ".live.safetensors"  # the field as it is being fitted, for a viewer; gone when the fit ends
SNAPSHOT_SECONDS = 1.0


def fit(context: Context, listeners: Sequence[Listener] = (), snapshots: bool = False) -> Tree:
    """Fit the field of an ingested run; resumes from a checkpoint of the same key.

    Parameters
    ----------
    snapshots : leave the field in the run folder every second, for a viewer

    Raises
    ------
    InputError : the run holds a fit with other settings, and ``force`` is not set
    Interrupted : stopped by SIGINT or SIGTERM, with the state saved
    """
    run, task = context.run, context.task
    require(run, "ingest", "fit")
    # ingest's key and not its digest: made again, its guide may differ in the last digits, and that is no new input
    key = context.key("fit", run.key("ingest"))
    refuse_to_replace(context, run.manifest.get("fit_key"), key)
    checkpoint = run.folder / CHECKPOINT
    if context.force:
        checkpoint.unlink(missing_ok=True)

    def body() -> FitFacts:
        run.manifest["fit_key"] = key
        run.manifest.pop("fit_plugins", None)
        if added := context.plugins("fit"):
            run.manifest["fit_plugins"] = added
        store_config(context)
        run.save()
        device = torch_device(context.device)
        fitted = task(unpack(run.folder / task.cache), context.config, device)
        fitted.folder = run.folder
        if fitted.closed_form and (idle := without_effect(context)):
            context.say(f"solved in one go, without effect: {', '.join(idle)} (--net siren trains)")
        log = _Log(run)
        told: list[Listener] = [log, *([_Snapshots(run, fitted)] if snapshots and not fitted.closed_form else []), *listeners]
        told += plugged_listeners()
        with stop_signals() as stopped:
            outcome = fit_task(
                fitted,
                context.config.fit,
                seed=context.config.seed,
                device=device,
                key=key,
                checkpoint=checkpoint,
                listeners=told,
                should_stop=stopped,
            )
            log.close()
        if not outcome.finished:
            if fitted.closed_form and task.files_beside("ingest", run.folder):
                raise Interrupted("the tiles that are solved are kept", where=run.folder, hint="the same command goes on")
            if fitted.closed_form:
                raise Interrupted("before it was solved, nothing is kept", where=run.folder, hint="the same command solves it")
            raise Interrupted(f"at step {outcome.step:,}, saved", where=run.folder, hint="the same command goes on")
        run.write(FIELD, fitted.field().to_bytes())
        return FitFacts(
            steps=outcome.step,
            seconds=outcome.seconds,
            resumed_from=outcome.resumed,
            rollbacks=outcome.rollbacks,
            precision=outcome.precision,
            device=str(device),
            losses=outcome.losses,
            parameters=sum(p.numel() for p in fitted.net.parameters()),
            cells=getattr(fitted.net, "count", 0),
            **({"prior": context.config.fit.prior} if context.config.fit.prior else {}),
            **({} if fitted.note is None else {"note": fitted.note}),
        )

    try:
        facts = execute(
            context,
            "fit",
            key,
            lambda: [FIELD, LOG, *task.files_beside("fit", run.folder)],
            body,
            lambda: torch_device(context.device),
        )
    finally:
        (run.folder / SNAPSHOT).unlink(missing_ok=True)
    checkpoint.unlink(missing_ok=True)  # only now: the manifest holds the result
    return facts


def without_effect(context: Context) -> list[str]:
    """Settings of ``[fit]`` that somebody gave for what is solved, which has no steps and ends when it is done."""
    config = context.config
    chosen = [("", {k: v for k in ("preset", "profile") if (v := getattr(config, k))})]
    own = resolve(context.task.config_type, context.task.presets, chosen).fit
    return [
        f"fit.{name}" for name, value in config.fit if name != "prior" and value is not None and value != getattr(own, name)
    ]


def plugged_listeners() -> list[Listener]:
    """Those of plugins; whatever one raises names it."""
    return [part.call for part in plugins.parts("listener")]


def torch_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``mps`` -> device. Raises InputError when it is not there."""
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if found["cuda"] else "cpu")
    if name not in found:
        raise InputError(f"unknown device {name!r}", where="--device", hint="one of auto, cpu, cuda, mps")
    if not found[name]:
        raise InputError(f"this machine or this torch has no {name}", where="--device", hint="try --device cpu")
    return torch.device(name)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a question the loop asks; a second one ends the program at once."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag.is_set
        return

    def handler(number: int, frame: Any) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag.is_set
    finally:
        for s, old in before.items():
            signal.signal(s, old)


def told_losses(run: Run) -> list[tuple[int, dict[str, float]]]:
    """Steps of a run's fit and the weighted loss terms at each, from its log, up to where that is cut off."""
    path, told = run.folder / LOG, []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
            told.append((int(row["step"]), dict(row["losses"])))
        except (ValueError, KeyError, TypeError):
            break
    return told


class _Log:
    """``metrics.jsonl``: one line per progress event; a resumed fit drops lines beyond its checkpoint."""

    def __init__(self, run: Run) -> None:
        self.path = run.folder / LOG
        self.file: Any = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            kept = []
            if event.resumed and self.path.exists():
                for line in self.path.read_text().splitlines():
                    try:
                        if json.loads(line)["step"] <= event.resumed:
                            kept.append(line + "\n")
                    except (ValueError, KeyError):
                        break  # the line that a kill cut short
            self.file = open(self.path, "w", buffering=1)  # noqa: SIM115
            self.file.writelines(kept)
        elif isinstance(event, Progress) and self.file:
            row = {
                "step": event.step,
                "seconds": round(event.seconds, 3),
                "rate": round(event.rate, 2),
                "learning_rate": event.learning_rate,
                "losses": event.losses,
            }
            self.file.write(json.dumps(row) + "\n")

    def close(self) -> None:
        if self.file:
            self.file.close()


class _Snapshots:
    """The field as it stands, every second. Trouble with the disk is the viewer's, not the fit's.

    Not `files.write_atomically`: waiting for the disk every second would slow the fit, and a snapshot lost in a power cut is
    no loss."""

    def __init__(self, run: Run, fitted: Task) -> None:
        self.path, self.fitted, self.written = run.folder / SNAPSHOT, fitted, 0.0

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if not isinstance(event, Progress) or now - self.written < SNAPSHOT_SECONDS:
            return
        self.written = now
        temporary = self.path.with_name(f"{self.path.name}.tmp")
        with suppress(OSError):
            temporary.write_bytes(self.fitted.field().to_bytes())
            os.replace(temporary, self.path)
