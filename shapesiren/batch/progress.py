"""How far a batch is, on stderr: a live table on a terminal, a line for each result elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from ..fitting.progress import duration
from .work import Result

SHOWN = 12  # results in the live table, the last ones


def progress(total: int, quiet: bool) -> BatchProgress:
    """The one that suits where stderr goes, for a batch of ``total`` jobs."""
    if quiet:
        return BatchProgress(total)
    return LiveTable(total) if sys.stderr.isatty() else PlainLines(total)


class BatchProgress:
    """Counts results by status and shows nothing. It is entered with ``with`` and called with each result."""

    def __init__(self, total: int) -> None:
        self.total, self.start = total, time.monotonic()
        self.count = {"done": 0, "unchanged": 0, "failed": 0}

    def __enter__(self) -> BatchProgress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return

    def __call__(self, result: Result) -> None:
        self.count[result.status] += 1
        self.show(result)

    def show(self, result: Result) -> None:
        return

    def line(self) -> str:
        """How many ended and how; once one was done, the pace of those, and the time that the rest takes at most."""
        ended, done = sum(self.count.values()), self.count["done"]
        parts = ", ".join(f"{n} {name}" for name, n in self.count.items())
        said = f"{ended} of {self.total}: {parts}"
        if not done:  # what failed or was skipped at once tells nothing of what a job takes
            return said
        spent = time.monotonic() - self.start
        left = duration(spent / done * (self.total - ended))
        return f"{said}; {done / max(spent, 1e-9) * 60:.1f} a minute, {left} left"


class PlainLines(BatchProgress):
    """A line for each result."""

    def show(self, result: Result) -> None:
        text = f"{result.name}: {result.status} in {result.seconds:.1f} s" + (f": {result.error}" if result.error else "")
        print(f"{self.line()} | {text}", file=sys.stderr, flush=True)


class LiveTable(BatchProgress):
    """The last results and the counts, redrawn in place."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        from rich.console import Console
        from rich.live import Live

        self.recent: list[Result] = []
        self.live = Live(self._table(), console=Console(stderr=True), refresh_per_second=2)

    def __enter__(self) -> LiveTable:
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def show(self, result: Result) -> None:
        self.recent = [*self.recent, result][-SHOWN:]
        self.live.update(self._table())

    def _table(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        rows = Table(box=None, pad_edge=False, show_header=False)
        for r in self.recent:
            style = {"failed": "red", "done": "green"}.get(r.status, "dim")
            rows.add_row(r.name, Text(r.status, style=style), f"{r.seconds:.1f} s", r.error)
        return Group(rows, Text(self.line()))
