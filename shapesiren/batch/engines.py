"""What runs a batch's jobs: one process after the other's jobs, or Ray on one machine or many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..runtime.ray_cluster import first_line, ray_cluster
from ..runtime.workers import ignore_interrupts
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

    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=ignore_interrupts)
    try:
        for job in jobs:
            for attempt in range(resources.retries + 1):
                try:
                    result = pool.submit(perform, job, plan).result()
                    break
                except BrokenProcessPool:
                    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=ignore_interrupts)
                    if attempt == resources.retries:
                        result = lost(job, plan, f"its process died {attempt + 1} times")
            yield result
    finally:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def with_ray(jobs: Sequence[Job], plan: Plan, resources: Resources) -> Iterator[Result]:
    """As Ray tasks: as many at a time as the cluster has cores (and GPUs) for; a job whose worker is lost goes to another.

    Raises InputError and RunError of `ray_cluster`.
    """
    with ray_cluster(resources.address) as ray:
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
                    yield lost(job, plan, f"its worker was lost {resources.retries + 1} times ({first_line(e)})")


ENGINES: dict[str, Callable[[Sequence[Job], Plan, Resources], Iterator[Result]]] = {"serial": serial, "ray": with_ray}
