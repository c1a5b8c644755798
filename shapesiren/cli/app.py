"""The command line's root, and how a function becomes a command of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ..version import __version__
from .composed import composed
from .usage import OneLineErrors

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="shapesiren",
    cls=OneLineErrors,
    help="From a scan to its surface, through a neural signed distance field.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
    epilog="Start with: shapesiren fit scan.ply && shapesiren mesh",
)


def _version(show: bool) -> None:
    if show:
        print(f"shapesiren {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def command(
    name: str | None = None, *, parent: typer.Typer = app, settings_are_options: bool = False, without: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command. Its parameters are the command's own arguments and options, and groups of shared ones, see
    `options` and `composed`.

    Parameters
    ----------
    name : of the command; by default the function's
    parent : what it is a command of
    settings_are_options : let options come through that the command does not know, see `settings_as_options`
    without : parameters of its groups that this command has not
    """
    known = {**HELP_NAMES, "ignore_unknown_options": True} if settings_are_options else None

    def register(function: Callable[..., None]) -> Callable[..., None]:
        flat: Any = composed(function, without)
        parent.command(name, context_settings=known)(flat)
        return flat

    return register
