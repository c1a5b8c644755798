"""From what a user asks for, on the command line or in Python, to a `Context`. Needs numpy alone, and torch for a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import plugins, profiles
from ..config import Config, Tree, resolve
from ..errors import InputError
from ..tasks import task_for
from ..tasks.base import Say, Task
from .ingest import check_sources
from .stage import Context, settings_changed, stored_config
from .store import MANIFEST, Run

Settings = Mapping[str, Any]
RUNS = Path("runs")


def silent(_: str) -> None:
    """Says nothing: what the API does unless told otherwise."""


def settings_layers(
    preset: str | None, settings: Settings | None, steps: int | None, seconds: float | None, seed: int | None
) -> list[tuple[str, Tree]]:
    """What the common options come to, as layers for `config.resolve`."""
    layers: list[tuple[str, Tree]] = []
    if preset is not None:
        layers.append(("--preset", {"preset": preset}))
    if settings:
        layers.append(("settings", plugins.load_named(settings, "settings")))
    ends = {k: v for k, v in (("steps", steps), ("seconds", seconds)) if v is not None}
    if len(ends) > 1:
        raise InputError("give either steps or a time, not both", where="fit")
    if ends:
        layers.append(("--steps" if steps is not None else "--time", {"fit": ends}))
    if seed is not None:
        layers.append(("--seed", {"seed": seed}))
    return layers


def context_for(
    task: type[Task], folder: Path, layers: Sequence[tuple[str, Tree]], device: str, say: Say, force: bool
) -> Context:
    """Validate the settings, then open or make the run folder."""
    config = resolve(task.config_type, task.presets, [*plugins.layers(), *layers])
    task.check_prior(config)
    say_profile(config, say)
    if plugins.loaded():
        say(plugins.told())
    if device not in ("auto", "cpu"):  # what is always there need not be looked for
        from .fit import torch_device

        torch_device(device)
    return Context(Run.create(folder), task, config, device, say, force)


def say_profile(config: Config, say: Say) -> None:
    """Say what the profile of these settings sets, if they have one."""
    if config.profile:
        say(profiles.line(config.profile, config.task))


def task_of_sources(sources: Sequence[Path], layers: Sequence[tuple[str, Tree]]) -> type[Task]:
    """What these files, which together are one input, are under these settings.

    Raises InputError for a missing one, and for a folder that is no input, before any run folder is made for them.
    """
    check_sources(sources, folders=True)
    task = task_for(sources[0], layers)
    check_sources(sources, task.folders)
    return task


def default_folder(sources: Sequence[Path]) -> Path:
    """The run folder of an input that none was named for: ``runs/<name of the first file>``."""
    return RUNS / sources[0].stem


def is_run(path: Path) -> bool:
    """Whether this is a run folder."""
    return (path / MANIFEST).is_file()


def run_context(
    run: Run, layers: list[tuple[str, Tree]], device: str = "auto", say: Say = silent, force: bool = False
) -> Context:
    """The context of an existing run, its own settings under the given layers."""
    task, config = stored_config(run, [*plugins.layers(), *layers])
    if settings_changed(run):
        say("config.toml is not what the run wrote: it counts as it is now")
    return Context(run, task, config, device, say, force)
