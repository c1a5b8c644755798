"""How many cores this process may use: all of them, unless it is one of several that share a machine."""

from __future__ import annotations

import os

VARIABLE = "SHAPESIREN_THREADS"


def cores() -> int:
    """A number of threads, or -1 for as many as there are cores: what scipy and open3d take."""
    text = os.environ.get(VARIABLE, "")
    return int(text) if text.isdigit() and int(text) > 0 else -1


def limit(threads: int | None) -> None:
    """Keep this process to so many cores, so that others beside it have theirs. None leaves all."""
    if threads is None:
        return
    for name in (VARIABLE, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)  # before numba and OpenMP are loaded; torch is told below
    import torch

    torch.set_num_threads(threads)
