"""Who does the parts of a large piece of work: this process, several on this machine, or a Ray cluster.

Each part is a call that leaves its result in a file, whole or not at all, and does nothing where that is there. So a part whose
worker is lost is simply done again, by another one, and the same command goes on after a stop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import InputError, RunError, ShapesirenError
from .threads import limit

Item = TypeVar("Item")
ENGINES = ("serial", "ray")
BEAT = 0.5  # seconds after which it is asked whether to stop


@dataclass(frozen=True)
class Workers:
    """engine : serial (processes of this machine) or ray
    count : processes; None: this one alone, or as many as the cluster has room for
    threads : of each
    address : of a Ray cluster to join; None makes one here
    retries : of a part whose worker was lost
    """

    engine: str = "serial"
    count: int | None = None
    threads: int | None = None
    address: str | None = None
    retries: int = 3

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"unknown engine {self.engine!r}", where="--engine", hint=f"one of {', '.join(ENGINES)}")
        if self.address is not None and self.engine != "ray":
            raise InputError("only Ray has an address", where="--address", hint="--engine ray")

    @property
    def here(self) -> bool:
        """Whether this process does all itself."""
        return self.engine == "serial" and (self.count or 1) == 1


_workers: ContextVar[Workers] = ContextVar("workers", default=Workers())  # noqa: B039 - it is frozen


def current() -> Workers:
    """Those that `with_workers` set for this thread."""
    return _workers.get()


@contextmanager
def with_workers(workers: Workers) -> Iterator[None]:
    """Have large work within done by these."""
    token = _workers.set(workers)
    try:
        yield
    finally:
        _workers.reset(token)


def part_of(items: Sequence[Item], text: str) -> list[Item]:
    """The k-th of N parts, ``"k/N"``: items k, k + N, ... counted from 1. Raises InputError if there is no such part."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"{text!r} is no part", where="--shard", hint="k/N with k from 1 to N, for example 2/8")
    return list(items[int(match[1]) - 1 :: int(match[2])])


def each(work: Callable[[Item], Any], items: Sequence[Item], workers: Workers) -> Iterator[Item | None]:
    """Do ``work`` for each item elsewhere, and yield it when it is done; None now and then meanwhile.

    ``work`` and items are pickled. When the caller stops, what is being done is dropped.

    Raises
    ------
    ShapesirenError : of the work
    RunError : a part's worker was lost more often than it may be; Ray is
    InputError : Ray is missing, or its cluster cannot be joined
    """
    if items:
        yield from (_by_ray if workers.engine == "ray" else _by_processes)(work, items, workers)


def _by_processes(work: Callable[[Item], Any], items: Sequence[Item], workers: Workers) -> Iterator[Item | None]:
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    count = min(workers.count or 1, len(items))
    todo, losses = list(range(len(items))), 0
    pool: ProcessPoolExecutor | None = None
    try:
        while todo:
            pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(workers.threads or 1,))
            waiting: dict[Future[Any], int] = {pool.submit(_done, work, items[i]): i for i in todo}
            try:
                while waiting:
                    ready, _ = wait(waiting, timeout=BEAT, return_when=FIRST_COMPLETED)
                    if not ready:
                        yield None
                    for future in ready:
                        i = waiting[future]
                        error = future.result()
                        del waiting[future]
                        todo.remove(i)
                        if error is not None:
                            raise error
                        yield items[i]
            except BrokenProcessPool:
                # a killed process takes its pool with it: what was not done goes to a new one
                losses += 1
                if losses > workers.retries:
                    hint = "fewer --workers need less memory; the same command goes on"
                    raise RunError(f"{losses} worker processes were lost", hint=hint) from None
                pool.shutdown(wait=False, cancel_futures=True)
    finally:
        if pool is not None:
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)


def _by_ray(work: Callable[[Item], Any], items: Sequence[Item], workers: Workers) -> Iterator[Item | None]:
    from .ray_cluster import first_line, ray_cluster

    with ray_cluster(workers.address) as ray:
        threads = workers.threads or 1
        remote = ray.remote(num_cpus=threads, max_retries=workers.retries)(_in_ray)
        most = workers.count or len(items)
        todo = list(range(len(items)))[::-1]
        waiting: dict[Any, int] = {}
        while todo or waiting:
            while todo and len(waiting) < most:
                i = todo.pop()
                waiting[remote.options(name=f"tile {i}").remote(work, items[i], threads)] = i
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=BEAT)
            if not ready:
                yield None
            for reference in ready:
                i = waiting.pop(reference)
                try:
                    error = ray.get(reference)
                except ray.exceptions.RayTaskError as e:  # of the work, not of its worker; as another process would raise it
                    raise e.cause from None
                except ray.exceptions.RayError as e:
                    what = f"its worker was lost {workers.retries + 1} times ({first_line(e)})"
                    raise RunError(what, where=str(items[i]), hint="the same command goes on") from None
                if error is not None:
                    raise error
                yield items[i]


def _begin(threads: int) -> None:
    ignore_interrupts()
    limit(threads)


def _in_ray(work: Callable[[Item], Any], item: Item, threads: int) -> ShapesirenError | None:
    limit(threads)
    return _done(work, item)


def _done(work: Callable[[Item], Any], item: Item) -> ShapesirenError | None:
    """An error of ours comes back as a result: others mean that the worker is lost."""
    try:
        work(item)
    except ShapesirenError as e:
        return _plain(e)
    return None


def _plain(e: ShapesirenError) -> ShapesirenError:
    """Without what cannot be pickled."""
    return type(e)(e.what, where=None if e.where is None else str(e.where), hint=e.hint)


def ignore_interrupts() -> None:
    """Ctrl-C goes to the whole group; the parent ends its children with SIGTERM, which a loop takes as a request to save."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
