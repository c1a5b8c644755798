"""The command line's root: its help, its version, and how errors end it."""

from __future__ import annotations

from typing import Annotated

import typer

from ..version import __version__

app = typer.Typer(
    name="shapesiren",
    help="From a scan to its surface, through a neural signed distance field.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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
