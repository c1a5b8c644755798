"""Settings as options: ``--scale 4`` is ``--set decode.scale=4`` where the task has such a setting.

Typer lets options that a command does not know come through among its arguments; `split` takes them out and
`setting_layers` finds the settings that they name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from typer.models import OptionInfo

from ..errors import InputError
from .options import Layers
from .usage import nearest

if TYPE_CHECKING:
    from ..tasks.base import Task


def split(arguments: list[str]) -> tuple[list[Path], dict[str, str]]:
    """Arguments of a command whose settings are options -> files, and the options it did not know, by name."""
    files: list[Path] = []
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            if word.startswith("-") and len(word) > 1 and not Path(word).exists():
                raise InputError(f"unknown option {word}", hint="--help lists them")
            files.append(Path(word))
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        options[name] = value
    return files, options


def setting_layers(task: type[Task], stages: tuple[str, ...], options: dict[str, str], command: Callable[..., None]) -> Layers:
    """Options that are settings of these stages of the task, as layers.

    ``command`` is the one that did not know them; its own options are among those that a slip may have meant.
    """
    from ..config import parse_assignments

    sections = _sections_by_setting(task, stages)
    layers = []
    for name, value in options.items():
        homes = sections.get(name, [])
        if not homes and not sections:
            raise InputError(f"unknown option --{name}", hint=f"a run of task {task.name} has no {' or '.join(stages)}")
        if not homes:
            raise InputError(f"unknown option --{name}", hint=_instead_of(name, list(sections), command, task))
        if len(homes) > 1:
            could_be = " or ".join(f"{home}.{name}" for home in homes)
            raise InputError(f"--{name} could mean {could_be}", hint=f"--set {homes[0]}.{name}=...")
        listed = f"[{value}]" if re.fullmatch(r"[-+.\deE]+(,[-+.\deE]+)+", value) else value
        layers.append((f"--{name}", parse_assignments([f"{homes[0]}.{name.replace('-', '_')}={listed}"])))
    return layers


def _sections_by_setting(task: type[Task], stages: tuple[str, ...]) -> dict[str, list[str]]:
    """The settings of these stages, named as options are -> the sections that have one of this name."""
    fields = task.config_type.model_fields
    known: dict[str, list[str]] = {}
    for section in dict.fromkeys(s for stage in stages for s in task.sections[stage] if s in fields):
        for name in getattr(fields[section].annotation, "model_fields", {}):
            known.setdefault(name.replace("_", "-"), []).append(section)
    return known


def _instead_of(name: str, settings: list[str], command: Callable[..., None], task: type[Task]) -> str:
    """A hint to what an unknown option may have meant."""
    near = nearest(f"--{name}", [*(f"--{setting}" for setting in settings), *_flags(command)])
    if near:
        return f"did you mean {near}?"
    return f"`shapesiren {command.__name__} --help` lists options, `shapesiren config schema {task.name}` lists the settings"


def _flags(command: Callable[..., None]) -> list[str]:
    """The options of a command as they are written, without those that its help hides."""
    flags: list[str] = []
    for parameter in inspect.signature(command).parameters.values():
        for option in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(option, OptionInfo) and not option.hidden:
                # typer takes the first of the names for a default, until it reads the annotation
                named = [name for name in (option.default, *(option.param_decls or ())) if isinstance(name, str)]
                flags += named or [f"--{parameter.name.replace('_', '-')}"]
    return flags
