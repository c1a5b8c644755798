"""A run's report: the sections that its task has, and those that all have, as one page."""

from __future__ import annotations

from ..tasks.base import FinishedRun
from ..version import __version__
from . import page
from .sections import figures, headline, losses, outcome, provenance


def report(run: FinishedRun) -> bytes:
    """The page of one finished run."""
    own = run.task.report_sections(run)
    shared = [*own[:1], outcome(run), *own[1:], figures(run), losses(run), provenance(run)]
    sections = [section for section in shared if section is not None]
    return page.render(run.name, headline(run), sections, f"shapesiren {__version__}")
