"""How many cores this process may use: all of them, unless it is one of several that share a machine; imports ahead of time;
and what no Ctrl-C may break off."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Timer, current_thread, main_thread
from types import FrameType
from typing import Any

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
        os.environ[name] = str(threads)  # before numba, OpenMP and torch are loaded; a loaded torch is told below
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def import_modules(*names: str) -> None:
    """Import what will be needed, while there is time; what is wrong with a module shows when it is needed."""
    for name in names:
        with suppress(Exception):
            import_module(name)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep a Ctrl-C that arrives within until the end, for native code that does not survive it; keep such stretches short."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or current_thread() is not main_thread():  # ignored, or handled elsewhere
        yield
        return
    came: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda *event: came.append(event))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


def interrupt_between_imports() -> None:
    """Have a Ctrl-C that comes while a module is being imported wait until it is: native ones (torch, scipy) make an error of
    their own of it, or abort the program."""

    def handler(number: int, frame: FrameType | None) -> None:
        at = frame
        while at is not None and at.f_code.co_filename != "<frozen importlib._bootstrap>":
            at = at.f_back
        if at is None:
            signal.default_int_handler(number, frame)
        again = Timer(0.05, _thread.interrupt_main)
        again.daemon = True
        again.start()

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and current_thread() is main_thread():
        signal.signal(signal.SIGINT, handler)
