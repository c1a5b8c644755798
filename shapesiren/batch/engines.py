"""What runs a batch's jobs: one process after the other's jobs, or Ray on one machine or many."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, RunError
from .jobs import Job
from .work import Plan, Result, lost, perform


@dataclass(frozen=True)
class Resources:
    """threads, gpus : of each job; address : of a Ray cluster to join; retries : of a job whose worker was lost"""

    threads: int | None = None
    gpus: float = 0.0
    address: str | None = None
    retries: int = 2


def serial(jobs: Sequence[Job], plan: Plan, resources: Resources) -> Iterator[Result]:
    """One after the other, in a process of its own, so that a crash in a library ends one job and not the batch."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_ignore_interrupts)
    try:
        for job in jobs:
            for attempt in range(resources.retries + 1):
                try:
                    result = pool.submit(perform, job, plan).result()
                    break
                except BrokenProcessPool:
                    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_ignore_interrupts)
                    if attempt == resources.retries:
                        result = lost(job, plan, f"its process died {attempt + 1} times")
            yield result
    finally:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C goes to the whole group; the parent ends its child with SIGTERM, which the loop takes as a request to save."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


TOKEN_HINT = (
    "every node needs the cluster's token: set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to a file that holds it, "
    "to the same value for `ray start` and for this command"
)


def with_ray(jobs: Sequence[Job], plan: Plan, resources: Resources) -> Iterator[Result]:
    """As Ray tasks: as many at a time as the cluster has cores (and GPUs) for; a job whose worker is lost goes to another.

    Raises
    ------
    InputError : ray is missing, or the cluster at the address cannot be joined
    RunError : the cluster is lost
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "5")  # seconds that a cluster is waited for; 20 by default
    try:
        import ray
    except ImportError:
        raise InputError("the package ray is missing", where="--engine ray", hint="pip install 'shapesiren[ray]'") from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
    if resources.address is not None:
        quiet = {"address": resources.address, "log_to_driver": False, "logging_level": "error"}
        if resources.address.startswith(("127.", "localhost")):
            quiet["_node_ip_address"] = "127.0.0.1"  # else Ray goes by the machine's outward address
    try:
        with _silent_stderr():  # Ray's own library writes there, past Python
            ray.init(**quiet)
    except Exception as e:
        if resources.address is None:
            raise RunError(f"Ray does not start here ({_first_line(e)})", hint="--engine serial") from None
        raise InputError(f"cannot join the Ray cluster ({_first_line(e)})", where=resources.address, hint=TOKEN_HINT) from None
    try:
        # Ray sets OMP_NUM_THREADS to num_cpus; a runtime_env of our own would keep it from using the workers it has started
        remote = ray.remote(num_cpus=resources.threads or 1, num_gpus=resources.gpus, max_retries=resources.retries)(perform)
        waiting = {remote.options(name=job.name).remote(job, plan): job for job in jobs}
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            for reference in ready:
                job = waiting.pop(reference)
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayError as e:
                    yield lost(job, plan, f"its worker was lost {resources.retries + 1} times ({_first_line(e)})")
    except ConnectionError as e:
        raise RunError(f"the Ray cluster was lost ({_first_line(e)})", hint="the same command goes on") from None
    finally:
        ray.shutdown()


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what is written to file descriptor 2."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _first_line(e: Exception) -> str:
    return (str(e).strip() or type(e).__name__).splitlines()[0][:200]


ENGINES: dict[str, Callable[[Sequence[Job], Plan, Resources], Iterator[Result]]] = {"serial": serial, "ray": with_ray}
