"""The one error that users see: what is wrong, where, and what to try."""

from __future__ import annotations


class ShapesirenError(Exception):
    """Base of all errors that are shown as one line, without a traceback.

    Parameters
    ----------
    what : what is wrong
    where : the file, setting or stage concerned
    hint : what to try
    """

    exit_code = 1

    def __init__(self, what: str, *, where: object = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(self.line())

    def line(self) -> str:
        """``where: what; hint`` on one line."""
        text = f"{self.where}: {self.what}" if self.where is not None else self.what
        text = f"{text}; {self.hint}" if self.hint else text
        return " ".join(text.split())


class InputError(ShapesirenError):
    """Bad input or usage; the command line exits with 2."""

    exit_code = 2


class RunError(ShapesirenError):
    """The work itself failed; the command line exits with 1."""


class Interrupted(ShapesirenError):
    """Stopped by a signal with the state saved; the command line exits with 130."""

    exit_code = 130
