"""``shapesiren doctor``: what this machine has and what it lacks."""

from __future__ import annotations

import typer

from .app import command
from .options import Json
from .screen import Screen


@command()
def doctor(*, as_json: Json) -> None:
    """What this machine has, what is missing, and the command that mends it."""
    from ..doctor import examine

    facts, lines, healthy = examine()
    Screen(False, as_json).result(facts, lines)
    if not healthy:
        raise typer.Exit(1)
