"""What commands print: lines for people on stderr, what was asked for on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


def stage_lines(context: Context, stage: str, facts: dict[str, Any]) -> list[str]:
    """What a stage came to, its name before the first line."""
    return [f"{stage + ':' if i == 0 else '':<10}{line}" for i, line in enumerate(context.task.summary(stage, facts))]
