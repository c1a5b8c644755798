"""That a stage is working, on stderr: a line with time left on a terminal, now and then a plain one elsewhere.

Fits have their own, `fitting.progress`. What is over soon shows nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from ..runtime.working import listening

SILENT_SECONDS = 1.5  # on a terminal, before anything is shown
LINE_SECONDS = 5.0  # between plain lines, and before the first
KNOWN_SHARE = 0.1  # before that the time left is a guess


@dataclass
class Work:
    """What a stage is at, and since when. share : of its time from ``first`` on that had passed at ``last``, when told so"""

    stage: str
    begun: float = field(default_factory=lambda: time.monotonic())
    what: str = ""
    share: float | None = None
    first: float = 0.0
    last: float = 0.0

    def told(self, what: str, share: float | None) -> None:
        self.what = what
        if share is not None:
            now = time.monotonic()
            self.first = now if self.share is None else self.first  # what is imported before counts for nothing
            self.share, self.last = share, now

    def left(self) -> float | None:
        """Seconds, by the pace so far; None where that is not known yet, or no longer."""
        if self.share is None or self.share < KNOWN_SHARE:
            return None
        left = (self.last - self.first) / self.share - (time.monotonic() - self.first)
        return left if left > 0 else None

    def line(self) -> str:
        from ..fitting.progress import duration

        spent, left = duration(time.monotonic() - self.begun), self.left()
        parts = [f"{self.what}, {spent}" if self.what else spent]
        parts += [] if left is None else [f"about {duration(left)} left"]
        return f"{self.stage}: {', '.join(parts)}"


@contextmanager
def working(stage: str, quiet: bool) -> Iterator[None]:
    """Around a stage that may take long: show that it is at work, and what is left of it."""
    if quiet:
        yield
        return
    work, over = Work(stage), Event()
    shown = Thread(target=_on_terminal if sys.stderr.isatty() else _in_lines, args=(work, over), daemon=True)
    shown.start()
    try:
        with listening(work.told):
            yield
    finally:
        over.set()
        shown.join()


def _in_lines(work: Work, over: Event) -> None:
    while not over.wait(LINE_SECONDS):
        print(work.line(), file=sys.stderr, flush=True)


def _on_terminal(work: Work, over: Event) -> None:
    if over.wait(SILENT_SECONDS):
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    class Shown:
        spinner = Spinner("dots")

        def __rich__(self) -> Any:
            self.spinner.update(text=work.line())
            return self.spinner

    # what is printed meanwhile goes above the line
    with Live(Shown(), console=Console(stderr=True), refresh_per_second=4, transient=True):
        over.wait()
