"""A batch from start to end: its jobs, by an engine, and the summary of all that its folder holds."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .engines import ENGINES, Resources
from .jobs import Job
from .summary import write_summary
from .work import Plan, Result, recorded


def run_batch(
    jobs: Sequence[Job],
    batch: Sequence[Job],
    plan: Plan,
    engine: str,
    resources: Resources,
    show: Callable[[Result], object] = lambda result: None,
) -> list[Result]:
    """Run jobs and return their results, in the order in which they end.

    The summary of the whole batch is written however this ends: interrupted, it holds what there is by then.

    Parameters
    ----------
    jobs : those to run now; batch : all of them, of every shard, of which some may have results already
    engine : a name in `engines.ENGINES`
    show : is told each result as it comes
    """
    results = []
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints what its nodes say; stdout is for what was asked for
            for result in ENGINES[engine](jobs, plan, resources):
                results.append(result)
                show(result)
    finally:
        out = Path(plan.out)
        held = recorded(out)
        known = [held[job.name] for job in batch if job.name in held]
        if known:
            write_summary(out, known)
    return results
