"""What the benchmarks share: tables, times, what this machine reaches at best, commands, surfaces that meshes are judged by.

Imported by the others in this folder; it measures nothing by itself.
"""

from __future__ import annotations

import argparse
import csv
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from shapesiren.metrics.surface_distance import Surface
from shapesiren.nets.cpu.engine import Engine, threads_for
from shapesiren.pointcloud.synthetic.scanner import Scanner, load_surface, scan
from shapesiren.similarity import Similarity

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MESHES = ("armadillo", "rocker-arm", "fandisk", "spot", "stanford-bunny")
LONGEST_SIDE = 1.8  # box units, of every surface that is judged: errors of all of them compare


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the module's own docstring, as it stands."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


class Table:
    """A Markdown table, each row printed as it is measured. rows : the cells of each, as text"""

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        self.rows: list[tuple[str, ...]] = []
        print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)

    def add(self, *cells: object) -> None:
        """A row; one with fewer cells than there are columns stays empty at its end."""
        texts = tuple(map(str, cells))
        self.rows.append(texts + ("",) * (len(self.columns) - len(texts)))
        print(f"| {' | '.join(self.rows[-1])} |", flush=True)

    def write_csv(self, path: Path) -> None:
        write_csv(path, self.columns, self.rows)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


# ---- Times ------------------------------------------------------------------------------------------
def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(
    ways: Sequence[tuple[Callable[[], object], Engine | None]], rounds: int, calls: int, skipped: int
) -> list[float]:
    """Median wall time of a call of each way, given with the engine that runs it, if any.

    The ways take turns, ``rounds`` times, of ``calls`` calls each, so that other work on the machine slows all alike. The first
    ``skipped`` calls of a turn do not count: the way before leaves its threads spinning and its data in the caches.
    """
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for spent, (way, engine) in zip(times, ways, strict=True):
            with threads_for(engine):
                spent += [seconds_of(way) for _ in range(calls)][skipped:]
    return [statistics.median(spent) for spent in times]


# ---- The machine ------------------------------------------------------------------------------------
def machine() -> str:
    """What this ran on, without names."""
    model, cpuinfo = platform.processor(), Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next((r.split(":")[1].strip() for r in cpuinfo.read_text().splitlines() if "model name" in r), model)
    return f"{model}, {torch.get_num_threads()} cores used, Python {platform.python_version()}, torch {torch.__version__}"


def peak(dtype: torch.dtype, device: torch.device | None = None, repeats: int = 10) -> float:
    """GFLOP/s of the fastest of some matrix products; on a CPU large ones and such of a layer's size, else large ones."""
    device = device or torch.device("cpu")
    best = 0.0
    for rows, width in ((2048, 2048), (2800, 256)) if device.type == "cpu" else ((4096, 4096),):
        a, b = (torch.randn(size, device=device).to(dtype) for size in ((rows, width), (width, width)))

        def product(a: torch.Tensor = a, b: torch.Tensor = b) -> None:
            a @ b
            wait_for(device)

        wait_for(device)
        best = max(best, 2 * rows * width**2 / min(seconds_of(product) for _ in range(repeats)) / 1e9)
    return best


def wait_for(device: torch.device) -> None:
    """Until an accelerator has done what it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


# ---- Commands ---------------------------------------------------------------------------------------
def command_line(*words: object) -> list[str]:
    """A shapesiren command, run by this Python."""
    return [sys.executable, "-m", "shapesiren", *map(str, words)]


def command(*words: object) -> tuple[float, float]:
    """Run a shapesiren command: its wall time, and its peak resident memory in MiB (Linux; nan elsewhere).

    The memory is read from /proc while it runs: what the system reports afterwards includes this process, as it was when
    it started the other.
    """
    most = float("nan")
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command_line(*words), stdout=subprocess.DEVNULL, stderr=said)
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = [r for r in status.read_text().splitlines() if r.startswith("VmHWM")] if status.exists() else []
            most = float(found[0].split()[1]) / 1024 if found else most
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            message = said.read().decode()
            raise SystemExit(f"shapesiren {' '.join(map(str, words))} ended with status {process.returncode}\n{message}")
    return seconds, most


# ---- What is scanned, and what a mesh of it is judged by --------------------------------------------
def meshes() -> list[str]:
    """The mesh files of ../shared that lie there; where there are none, analytic shapes."""
    found = [SHARED / "shapes" / f"{name}.obj" for name in MESHES]
    return [str(path) for path in found if path.exists()] or ["trefoil", "holed_plate"]


def reference(name: str, views: int | None = None) -> tuple[Similarity, Surface]:
    """The box of a mesh file or analytic shape, longest side `LONGEST_SIDE`, and its surface in it.

    With ``views`` not the surface but what so many views of it see, so that nobody is judged by what nobody saw.
    """
    truth = load_surface(name)
    frame = Similarity.of_bounds(truth.points.min(0), truth.points.max(0), LONGEST_SIDE)
    if views is None:
        return frame, Surface(frame.to_box(truth.points), truth.faces)
    seen = scan(name, Scanner(points=200_000, views=views, seed=7))
    return frame, Surface(frame.to_box(seen.points), None, seen.normals)
