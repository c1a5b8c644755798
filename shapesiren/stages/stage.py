"""A stage: one step of a run, skipped when nothing that it depends on has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..config import Config, Tree, resolve
from ..config import read_toml as _read_toml
from ..errors import InputError
from ..tasks import TASKS
from ..tasks.base import Say, Task
from .store import Run, digest_data

# Raise a stage's number when its code changes what it makes.
VERSIONS = {"ingest": 1, "fit": 1, "mesh": 1, "decode": 1, "evaluate": 1}


@dataclass(frozen=True)
class Context:
    """What every stage works with."""

    run: Run
    task: type[Task]
    config: Config
    device: str = "auto"
    say: Say = lambda _: None
    force: bool = False

    def key(self, stage: str, *inputs: str) -> str:
        """Identifies a stage's result: its version, settings and inputs (digests)."""
        sections = {name: self.config.section(name) for name in self.task.sections[stage]}
        return digest_data([stage, VERSIONS[stage], self.task.name, sections, inputs])


def execute(
    context: Context, stage: str, key: str, outputs: list[str], body: Callable[[], Tree], device: str = "cpu"
) -> tuple[Tree, bool]:
    """Run ``body`` unless the stage has already finished with this key and its files are intact.

    Returns
    -------
    facts : what the stage found, from the manifest when it was skipped
    skipped : whether it was
    """
    run = context.run
    if not context.force and run.intact(stage, key):
        context.say(f"{stage}: unchanged, skipped")
        return run.facts(stage), True
    record = run.record(stage)
    if record is not None and record["key"] == key and not context.force:
        context.say(f"{stage}: its files have changed since, made again")
    start = time.perf_counter()
    facts = body()
    run.finish(stage, key, outputs, time.perf_counter() - start, device, facts)
    return facts, False


def stored_config(run: Run, layers: list[tuple[str, Tree]]) -> tuple[type[Task], Config]:
    """A run's task and settings, with later layers on top."""
    path = run.folder / "config.toml"
    tree = _read_toml(path)
    name = tree.get("task")
    if name not in TASKS:
        raise InputError(f"unknown task {name!r}", where=path, hint=f"known: {', '.join(TASKS)}")
    task = TASKS[name]
    return task, resolve(task.config_type, task.presets, [(str(path), tree), *layers])


def require(run: Run, stage: str, command: str) -> None:
    """Raise InputError unless an earlier stage has finished and its files are intact."""
    if run.record(stage) is None:
        raise InputError(f"the run has no finished {stage}", where=run.folder, hint=f"run `shapesiren {command}` first")
    if not run.intact(stage):
        raise InputError(f"the files of its {stage} are missing or damaged", where=run.folder,
                         hint=f"run `shapesiren {command}` again")  # fmt: skip
