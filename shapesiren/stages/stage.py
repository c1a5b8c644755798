"""A stage: one step of a run, skipped when nothing that it depends on has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .. import plugins
from ..config import NETWORKS, Config, Tree, read_toml, resolve, to_toml, with_profile
from ..errors import InputError
from ..facts import Facts
from ..tasks import TASKS
from ..tasks.base import Say, Task
from .store import CHECKPOINT, Run, digest_data

CONFIG = "config.toml"

# Raise a stage's number when its code changes what it makes.
VERSIONS = {"ingest": 14, "fit": 7, "mesh": 9, "decode": 1, "evaluate": 2, "report": 2}


@dataclass(frozen=True)
class Outcome:
    """How a stage of this process ended: whether it was skipped, because everything that it makes was there already."""

    stage: str
    skipped: bool


@dataclass(frozen=True)
class Context:
    """What every stage works with. ``outcomes``: of the stages that were executed with it, in order."""

    run: Run
    task: type[Task]
    config: Config
    device: str = "auto"
    say: Say = lambda _: None
    force: bool = False
    command: str = ""  # that this was asked for with, where it is not the process's own
    outcomes: list[Outcome] = field(default_factory=list)

    def key(self, stage: str, *inputs: str) -> str:
        """Identifies a stage's result: its version, settings and inputs (digests)."""
        sections = {name: self.config.section(name) for name in self.config.present(self.task.sections[stage])}
        if stage in ("ingest", "fit"):
            plugins.require(self.config.plugins, self.run.folder)
        added = self.plugins(stage)
        return digest_data([stage, VERSIONS[stage], self.task.name, sections, inputs, *([added] if added else [])])

    def plugins(self, stage: str) -> list[str]:
        """What a stage's result depends on of plugins, with digests of their code: of a changed one it is made again."""
        return plugins.digests(stage, self.config.net.kind, self.task.name == "shape")


def execute(
    context: Context,
    stage: str,
    key: str,
    outputs: list[str] | Callable[[], list[str]],
    body: Callable[[], Facts],
    device: Callable[[], object] = lambda: "cpu",
) -> Tree:
    """Run ``body`` unless the stage has already finished with this key and its files are intact.

    ``outputs`` : its files; or what tells them, once they are made.
    ``device`` : tells the one that it ran on, for the manifest; asked where it ran only.

    Returns what the stage found, from the manifest where it was skipped; which of the two stands in ``context.outcomes``.
    """
    run = context.run
    if not context.force and run.intact(stage, key):
        context.say(f"{stage}: unchanged, skipped")
        context.outcomes.append(Outcome(stage, skipped=True))
        return run.facts(stage)
    record = run.record(stage)
    if record is not None and record["key"] == key and not context.force:
        context.say(f"{stage}: its files have changed since, made again")
    start = time.perf_counter()
    facts = body().tree()
    made = outputs() if callable(outputs) else outputs
    run.finish(stage, key, made, time.perf_counter() - start, str(device()), facts, context.command)
    context.outcomes.append(Outcome(stage, skipped=False))
    return facts


def store_config(context: Context) -> None:
    """Write the settings, which later stages read. The manifest remembers what they were: see `settings_changed`."""
    text = to_toml(context.config)
    context.run.manifest["settings"] = digest_data(text)
    context.run.write(CONFIG, text.encode())


def settings_changed(run: Run) -> bool:
    """Whether a run's settings were edited, or cut off where what is left still reads as settings, since it wrote them."""
    held = run.manifest.get("settings")
    return held is not None and held != digest_data((run.folder / CONFIG).read_text(encoding="utf-8"))


def stored_config(run: Run, layers: list[tuple[str, Tree]]) -> tuple[type[Task], Config]:
    """A run's task and settings, with later layers on top."""
    path = run.folder / CONFIG
    tree = read_toml(path)
    name = tree.get("task")
    if name not in TASKS:
        raise InputError(f"unknown task {name!r}", where=path, hint=f"known: {', '.join(TASKS)}")
    task = TASKS[name]
    if any("preset" in layer for _, layer in layers):
        # A preset asked for now replaces the stored settings, which are complete, but for what is already ingested.
        tree = {k: v for k, v in tree.items() if k in ("task", *task.sections["ingest"])}
    net = tree.get("net") or {}
    kind = net.get("kind") if isinstance(net, dict) else None
    if isinstance(kind, str) and kind not in NETWORKS and plugins.part("network", kind) is None:
        named = [str(name) for name in tree.get("plugins") or []]
        hint = f"{' '.join(f'--plugin {name}' for name in named)} loads it, if you trust its code" if named else None
        raise InputError(f"its network {kind!r} comes of a plugin that is not loaded", where=run.folder, hint=hint)
    # A profile asked for now goes over the stored settings, but not over what is given beside it.
    asked = with_profile(task.config_type, layers)[: -len(layers) or None] if layers else []
    return task, resolve(task.config_type, task.presets, [(str(path), tree), *asked, *layers])


def refuse_to_replace(context: Context, held: str | None, key: str) -> None:
    """Raise InputError if the run holds a fit, finished or begun, that was made with another key than ``key``."""
    run = context.run
    begun = run.record("fit") is not None or (run.folder / CHECKPOINT).exists()
    if context.force or held in (None, key) or not begun:
        return
    raise InputError(
        f"this run holds a fit with other settings ({differences(context)})",
        where=run.folder,
        hint="--out DIR starts a second run, --force replaces this one",
    )


def differences(context: Context) -> str:
    """Which settings of the run's fit differ from the asked ones."""
    try:
        held = read_toml(context.run.folder / CONFIG)
    except InputError:
        return "its config.toml is missing"
    asked = context.config.model_dump(mode="json", exclude_none=True)
    names = []
    for section in context.config.present(context.task.sections["ingest"] + context.task.sections["fit"]):
        a, b = held.get(section), asked.get(section)
        if a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            changed = (k for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k))
            names += [f"{section}.{k} {a.get(k)} -> {b.get(k)}" for k in changed]
        else:
            names.append(f"{section} {a} -> {b}")
    held_parts, parts = context.run.manifest.get("fit_plugins", []), context.plugins("fit")
    if held_parts != parts:
        a, b = (", ".join(p.rpartition(" ")[0] for p in of) or "none" for of in (held_parts, parts))
        names.append(f"plugins {a} -> {b}" if a != b else f"the code of plugins: {a}")
    return ", ".join(names) or "another version of the program or of its input"


def require(run: Run, stage: str, command: str) -> None:
    """Raise InputError unless an earlier stage has finished and its files are intact."""
    if run.record(stage) is None:
        raise InputError(f"the run has no finished {stage}", where=run.folder, hint=f"run `shapesiren {command}` first")
    if not run.intact(stage):
        raise InputError(
            f"the files of its {stage} are missing or damaged", where=run.folder, hint=f"run `shapesiren {command}` again"
        )
