"""Commands composed of groups of options: each option that several commands share is declared once.

A group is a dataclass whose fields are options, or further groups. A command takes a group as one parameter::

    Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps."), Default("auto")]

    @dataclass(frozen=True, kw_only=True)
    class ScreenOptions:
        quiet: Quiet
        as_json: Json

    @command()
    def mesh(*, run: RunFolder, sharp: Annotated[bool, typer.Option()] = False, device: Device, screen: ScreenOptions): ...

Typer reads the options of a command from the signature of its function. `composed` makes a function whose signature is flat,
groups replaced by their fields in place, which calls the command with the groups built.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any, get_type_hints

MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Default:
    """Stands in the annotation of a shared option, after typer's own part, for the value that it has when it is not given."""

    value: Any


@dataclass(frozen=True)
class Part:
    """One parameter of a command or field of a group. ``default`` is MISSING for what must be given, and for a group."""

    name: str
    annotation: Any
    default: Any

    @property
    def is_group(self) -> bool:
        return is_dataclass(self.annotation)


def parts(owner: Callable[..., Any]) -> Iterator[Part]:
    """What a command (a function) or a group (a dataclass) takes, in order."""
    hints = get_type_hints(owner, include_extras=True)
    for parameter in inspect.signature(owner).parameters.values():
        annotation, default = hints[parameter.name], parameter.default
        if default is MISSING:
            shared = [m.value for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Default)]
            default = shared[0] if shared else MISSING
        yield Part(parameter.name, annotation, default)


def flat(owner: Callable[..., Any]) -> Iterator[Part]:
    """The same with every group replaced by what it takes."""
    for part in parts(owner):
        if part.is_group:
            yield from flat(part.annotation)
        else:
            yield part


def built(owner: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Call ``owner`` with values by name, its groups built of them; what is not given keeps its default."""
    values = {p.name: built(p.annotation, given) if p.is_group else given.get(p.name, p.default) for p in parts(owner)}
    return owner(**values)


def composed(command: Callable[..., None], without: tuple[str, ...] = ()) -> Callable[..., None]:
    """A function of the same name and documentation as ``command`` whose signature is flat.

    Parameters
    ----------
    without : names that the signature is to leave out; the command gets their defaults
    """
    taken = [part for part in flat(command) if part.name not in without]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(p.name, keyword, default=p.default, annotation=p.annotation) for p in taken]

    @functools.wraps(command)
    def call(**given: Any) -> None:
        built(command, given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # refuses two of one name
    call.__annotations__ = {p.name: p.annotation for p in taken}
    return call
