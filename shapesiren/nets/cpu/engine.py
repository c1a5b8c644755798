"""Threads and buffers for fitting steps on CPU cores.

A batch is cut into chunks small enough for a core's own cache. Each chunk goes through all the layers on one thread, its
products in torch, its pointwise passes in machine code (`kernels.py`); threads meet twice a step, where torch's own threads
would meet at every operation. What a chunk does stands in `fused_step.py` and, with Laplacians, in `jets.py`; this file hands
chunks to threads and keeps their buffers from step to step.

The way without numba, or on another device, is plain torch: ``nets/fused_step.py`` and ``nets/derivatives.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Barrier
from typing import Any, Literal, TypeVar

import torch

from ...errors import InputError
from ...runtime.compiled import numba_works

MAX_CHUNK_ROWS = 1400  # of width 256: 700 to 2,800 run alike on one core
MIN_CHUNK_ROWS = 350  # if there is a choice: a chunk costs .4 ms of calls, one thread at a time, whatever its size

Chunk = TypeVar("Chunk")


class Engine:
    """Runs the chunks of a step on ``threads`` threads, by default as many as torch has."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or torch.get_num_threads()
        self._free: dict[Hashable, list[list[Any]]] = {}

    def chunk_count(self, rows: int, max_rows: int = MAX_CHUNK_ROWS) -> int:
        """How many chunks of at most ``max_rows`` a step of ``rows`` rows is cut into: as many for each thread."""
        threads = max(1, min(self.threads, rows // MIN_CHUNK_ROWS))
        return threads * max(1, -(-rows // (threads * max_rows)))

    def run(self, work: list[Callable[[], None]]) -> None:
        """Do all of it, at once; returns when everything is done."""
        if self.threads == 1 or len(work) == 1:
            for w in work:
                w()
        else:
            for future in [thread_pool(self.threads).submit(w) for w in work]:
                future.result()

    def take(self, key: Hashable, make: Callable[[], list[Chunk]]) -> list[Chunk]:
        """Chunks, with their buffers, of a step of this kind and size: kept from an earlier step, or made.

        They are the step's own until `give_back`, so that two steps may be under way at once.
        """
        free = self._free.setdefault(key, [])
        return free.pop() if free else make()

    def give_back(self, key: Hashable, chunks: list[Chunk]) -> None:
        """When a step's backward pass is done."""
        self._free[key].append(chunks)


def engine_for(backend: Literal["auto", "native", "torch"], device: torch.device) -> Engine | None:
    """What runs the fused steps of a fit on this machine: an engine on CPUs where numba is installed, else plain torch.

    A rule and not a timing, so that a fit repeats: on two cores the engine took .68 of plain torch's time in bfloat16
    and .89 in float32 (`pipelines/bench/step.py`).

    Raises
    ------
    InputError : ``native`` is asked for and cannot be had
    """
    if backend == "native" and (device.type != "cpu" or not numba_works()):
        missing = "numba is not installed" if device.type == "cpu" else "it runs on the CPU alone"
        raise InputError(f"no native backend: {missing}", where="fit.backend", hint="--set fit.backend=auto")
    return Engine() if backend != "torch" and device.type == "cpu" and numba_works() else None


@contextmanager
def threads_for(engine: Engine | None) -> Iterator[None]:
    """One torch thread in the caller while an engine runs its steps; as many as there are without an engine.

    Torch's own threads wait busily for work after each operation, on the cores that the chunks need: 9.4 ms a step
    instead of 7.6 on two cores.
    """
    before = torch.get_num_threads()
    if engine is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def thread_pool(threads: int) -> ThreadPoolExecutor:
    """Threads whose torch operations do not start more threads."""
    before, started = torch.get_num_threads(), Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="shapesiren", initializer=torch.set_num_threads, initargs=(1,))
    for _ in range(threads):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(before)  # a thread's number becomes that of all threads yet to come
    return pool


def share_size(total: int, part: int, parts: int) -> int:
    """Size of the ``part``-th of ``parts`` nearly equal parts of ``total``."""
    return total * (part + 1) // parts - total * part // parts
