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

    facts = examine()
    Screen(False, as_json).result(facts.tree(), facts.lines())
    if not facts.healthy:
        raise typer.Exit(1)
