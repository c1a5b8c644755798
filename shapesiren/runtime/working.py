"""How far a stage is, told from wherever its work is done to whoever shows it; to nobody, unless somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Told = Callable[[str, float | None], None]

_told: ContextVar[Told | None] = ContextVar("told", default=None)


def working_at(what: str, share: float | None = None) -> None:
    """Tell what is being done, and what ``share`` of the stage's time has usually passed by now, where that is known."""
    if (told := _told.get()) is not None:
        told(what, share)


@contextmanager
def listening(told: Told) -> Iterator[None]:
    """Have ``told`` called with what `working_at` says, in this thread, within."""
    token = _told.set(told)
    try:
        yield
    finally:
        _told.reset(token)
