"""Errors in the use of the command line, in the style of all others: one line, what is wrong and what may have been meant."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from typing import Any

from typer.core import TyperGroup

from ..errors import InputError


class OneLineErrors(TyperGroup):
    """The root of the commands. What typer would frame, with a page of usage above it, is an InputError here."""

    def main(
        self, args: Any = None, prog_name: str | None = None, *rest: Any, standalone_mode: bool = True, **more: Any
    ) -> Any:
        given = (args, prog_name, *rest)
        if not standalone_mode:
            return super().main(*given, standalone_mode=False, **more)  # type: ignore[misc]
        try:
            code = super().main(*given, standalone_mode=False, **more)  # type: ignore[misc]
        except Exception as e:
            if not hasattr(e, "format_message"):  # of click, or of the copy of it that typer brings: no common base
                raise
            if type(e).__name__ == "NoArgsIsHelpError":
                e.show()  # type: ignore[attr-defined]
                sys.exit(2)
            raise usage_error(e) from None
        sys.exit(code if isinstance(code, int) else 0)


def usage_error(error: Any) -> InputError:
    """An exception of click as an error of ours."""
    context = getattr(error, "ctx", None)
    page = f"`{command_path(context)} --help`" if context is not None else None
    said = error.format_message().rstrip(".")
    if (wanted := getattr(error, "option_name", None)) and hasattr(error, "possibilities"):
        known = [flag for p in context.command.params if not getattr(p, "hidden", False) for flag in p.opts] if context else []
        near = nearest(wanted, known)
        return InputError(
            f"unknown option {wanted}", hint=f"did you mean {near}?" if near else f"{page or '--help'} lists them"
        )
    if found := re.match(r"No such command '(.*?)'", said):
        near = nearest(found[1], context.command.commands if context else ())
        return InputError(
            f"unknown command {found[1]!r}", hint=f"did you mean {near}?" if near else f"{page or '--help'} lists them"
        )
    if found := re.match(r"Invalid value for (.*?): (.*)", said, re.DOTALL):
        return InputError(_small(found[2]), where=found[1].replace("'", ""), hint=page)
    return InputError(_small(said).replace("'", ""), hint=page)


def command_path(context: Any) -> str:
    """``shapesiren mesh``, however the program was started."""
    words = []
    while context is not None and context.parent is not None:
        words.append(context.info_name)
        context = context.parent
    return " ".join(["shapesiren", *reversed(words)])


def nearest(word: str, known: Iterable[str]) -> str | None:
    """What a word was meant to be, if any of those ``known`` is like it: one that it begins, else the most similar one."""

    def plain(name: str) -> str:
        return name.lstrip("-").replace("_", "-").lower()

    by_name = {plain(name): name for name in known if not re.fullmatch(r"-\w", name)}
    wanted = plain(word)
    begun = [name for name in by_name if len(wanted) > 1 and name.startswith(wanted)]
    near = difflib.get_close_matches(wanted, by_name, 1, 0.6)
    # a word that differs in a letter or two is nearer than one that is merely longer
    if near and (not begun or difflib.SequenceMatcher(None, wanted, near[0]).ratio() > 0.8):
        return by_name[near[0]]
    return by_name[min(begun, key=len)] if begun else None


def _small(text: str) -> str:
    """Without its first capital letter, and on one line."""
    line = " ".join(text.split())
    return line[:1].lower() + line[1:]
