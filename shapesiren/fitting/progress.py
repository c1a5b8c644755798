"""Progress for people: a bar with time left on a terminal, plain lines elsewhere. Both write to stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

from .events import Event, Listener, Progress, RolledBack, Started

LINE_SECONDS = 5.0  # between plain lines


def listener(quiet: bool = False) -> Listener:
    """The listener that suits where stderr goes."""
    if quiet:
        return lambda _: None
    return TerminalBar() if sys.stderr.isatty() else PlainLines()


def describe(event: Progress) -> str:
    """Speed and loss terms, on one line."""
    terms = "  ".join(f"{name} {value:.3g}" for name, value in event.losses.items())
    return f"{event.rate:.1f} it/s  {terms}" if event.rate else terms


def _rollback(event: RolledBack) -> str:
    back = f"{event.reason} at step {event.step:,}: back to step {event.to_step:,}"
    return f"{back}, learning rate at most {event.learning_rate:.2g}"


def duration(seconds: float) -> str:
    """12 s, 3:05, 1:02:03"""
    s = int(seconds + 0.5)
    if s < 60:
        return f"{s} s"
    return f"{s // 3600}:{s % 3600 // 60:02}:{s % 60:02}" if s >= 3600 else f"{s // 60}:{s % 60:02}"


class PlainLines:
    """One line every few seconds."""

    def __init__(self) -> None:
        self.printed = 0.0

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, Started) and event.resumed:
            _print(f"fit: going on from step {event.resumed:,}")
        elif isinstance(event, RolledBack):
            _print(f"fit: {_rollback(event)}")
        elif isinstance(event, Progress) and (now - self.printed >= LINE_SECONDS or event.share >= 1):
            self.printed = now
            step = f"step {event.step:,}  " if event.rate else ""  # what is solved in one go has none
            _print(f"fit: {event.share:4.0%}  {step}{describe(event)}  {duration(event.left)} left")


class TerminalBar:
    """A rich progress bar."""

    def __init__(self) -> None:
        self.bar: Any = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar
            from rich.table import Column

            fixed = Column(no_wrap=True)
            rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)  # what a narrow terminal may cut off
            self.bar = Bar(
                TextColumn("fit", table_column=fixed),
                BarColumn(12),
                TextColumn("{task.percentage:3.0f} %  {task.fields[left]} left", table_column=fixed),
                TextColumn("{task.fields[text]}", table_column=rest),
                console=Console(stderr=True),
                refresh_per_second=4,
                expand=True,
            )
            self.bar.start()
            self.task = self.bar.add_task("fit", total=1.0, left="-", text="")
            if event.resumed:
                self.bar.console.print(f"going on from step {event.resumed:,}")
        elif isinstance(event, RolledBack):
            self.bar.console.print(_rollback(event))
        elif isinstance(event, Progress):
            self.bar.update(self.task, completed=event.share, left=duration(event.left), text=describe(event))

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
