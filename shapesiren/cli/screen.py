"""What commands print: lines for people on stderr, what was asked for on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .working import working

if TYPE_CHECKING:
    from ..stages.stage import Context


class Screen:
    """quiet : print no lines for people; as_json : print the result as JSON"""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.quiet, self.as_json = quiet, as_json

    def say(self, text: str) -> None:
        """One line for people."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def working(self, stage: str) -> AbstractContextManager[None]:
        """Around a stage that may take long, see `working`."""
        return working(stage, self.quiet)

    def stage(self, context: Context, stage: str, facts: dict[str, Any]) -> None:
        """What a stage came to."""
        for line in stage_lines(context, stage, facts):
            self.say(line)

    def result(self, data: dict[str, Any], lines: Sequence[str] = ()) -> None:
        """What a command was asked for, and its ``lines`` for people, which have stdout if JSON does not take it."""
        if not self.quiet:
            for line in lines:
                print(line, file=sys.stderr if self.as_json else sys.stdout)
        if self.as_json:
            print(json.dumps(data, indent=1))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), whole: Sequence[int] = ()
) -> None:
    """A table on stdout, as wide as the terminal, or 80 columns; cells that are too long go on in the next line.

    right : columns that are set flush right; whole : those that are never broken
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(columns):
        table.add_column(Text(name), justify="right" if i in right else "left", overflow="fold", no_wrap=i in whole)
    for row in rows:
        table.add_row(*map(Text, row))  # as text: brackets in a name are no markup
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 80).print(table)


def stage_lines(context: Context, stage: str, facts: dict[str, Any]) -> list[str]:
    """What a stage came to, its name before the first line."""
    return [f"{stage + ':' if i == 0 else '':<10}{line}" for i, line in enumerate(context.task.summary(stage, facts))]
