"""How many cores this process may use: all of them, unless it is one of several that share a machine; and what it does while
it waits for another one."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module

VARIABLE = "SHAPESIREN_THREADS"


def cores() -> int:
    """A number of threads, or -1 for as many as there are cores: what scipy and open3d take."""
    text = os.environ.get(VARIABLE, "")
    return int(text) if text.isdigit() and int(text) > 0 else -1


def count() -> int:
    """The same as a number of cores."""
    most = cores()
    if most > 0:
        return most
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit(threads: int | None) -> None:
    """Keep this process to so many cores, so that others beside it have theirs. None leaves all."""
    if threads is None:
        return
    for name in (VARIABLE, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)  # before numba and OpenMP are loaded; torch is told below
    import torch

    torch.set_num_threads(threads)


_soon: list[str] = []


def needed_soon(*modules: str) -> None:
    """Name what takes long to import and will be needed: it is imported while this process waits for another one."""
    _soon.extend(modules)


def import_meanwhile() -> None:
    """Import what is `needed_soon`; what is wrong with it shows when it is needed."""
    while _soon:
        with suppress(Exception):
            import_module(_soon.pop(0))
