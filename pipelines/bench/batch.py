"""Forty small scans: one after the other, with Ray, with a worker killed half-way, and in two shards.

    python pipelines/bench/batch.py --out FOLDER        # about twenty minutes on two cores; needs shapesiren[ray]

Scans are virtual ones of the analytic shapes; in the second part two of them are garbage. Prints a table of whole commands,
start-up included.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
from common import Table, command_line, parser

from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan

SHAPES = ("sphere", "torus", "box", "plate", "cylinder", "holed_plate", "two_spheres", "trefoil")
PIPELINE = """task = "shape"
[ingest]
guide_samples = 20000
[net]
width = 96
hidden_layers = 2
omega_first = 15.0
[fit]
steps = 1200
[batch]
on_surface = 512
off_surface = 512
[mesh]
resolution = 48
[evaluate]
samples = 5000
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--scans", type=int, default=40, help="at least 22, unless --throughput")
    arguments.add_argument("--throughput", action="store_true", help="only the rows that compare times")
    args = arguments.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    scans = args.out / "scans"
    scans.mkdir(parents=True)
    (args.out / "small.toml").write_text(PIPELINE)
    files = []
    for i in range(args.scans):
        name = SHAPES[i % len(SHAPES)]
        files.append(scans / f"{i:03}-{name}.ply")
        write_scan(files[-1], scan(name, Scanner(points=4000, seed=i)))
    table = Table("command", "seconds", "scans a minute", "against serial", "exit", "done", "unchanged", "failed")

    def row(name: str, out: str, base: float | None, *more: str, kill: bool = False) -> float:
        command = command_line("batch", *files, "--pipeline", args.out / "small.toml", "--out", args.out / out, *more)
        seconds, code, lines = run(command, len(files) // 2 if kill else None)
        counts = next((line.split(";")[0] for line in lines if "summary:" in line), "0 done, 0 unchanged, 0 failed")
        share = f"{base / seconds:.2f} x" if base else "1.00 x"
        numbers = [part.split()[0] for part in counts.split(", ")]
        table.add(name, f"{seconds:.0f}", f"{60 * len(files) / seconds:.1f}", share, code, *numbers)
        if kill:
            print("".join(line for line in lines if line.startswith("failed:")), end="")
        return seconds

    base = row("serial, one thread", "serial1", None, "--threads", "1")
    row("serial, all cores", "serial", base)
    row("ray, one thread each", "ray", base, "--engine", "ray")
    if args.throughput:
        return
    row("the same again", "ray", base, "--engine", "ray")
    files[7].write_text("ply garbage\n")
    files[21].write_bytes(bytes(500))
    row("ray, two are garbage, a worker killed half-way", "killed", base, "--engine", "ray", kill=True)
    row("the same again", "killed", base, "--engine", "ray")
    row("--retry-failed", "killed", base, "--retry-failed")
    row("--shard 1/2", "shards", base, "--shard", "1/2", "--threads", "1")
    row("--shard 2/2", "shards", base, "--shard", "2/2", "--threads", "1")
    with open(args.out / "shards" / "summary.csv") as file:
        print("shards together:", dict(Counter(r["status"] for r in csv.DictReader(file))))


def run(command: list[str], kill_after: int | None) -> tuple[float, int, list[str]]:
    """Seconds, exit status and standard error of a batch; a worker is killed once ``kill_after`` scans are through."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if kill_after is not None and line.startswith(f"{kill_after} of "):
            kill_a_worker()
    code = process.wait()
    return time.perf_counter() - start, code, lines


def kill_a_worker() -> None:
    """SIGKILL the Ray worker that has worked the most; a worker's title is its task's name."""
    workers = [p for p in psutil.process_iter(["cmdline"]) if re.match(r"ray::\d{3}-", " ".join(p.info["cmdline"] or []))]
    if not workers:
        print("no worker to kill was found")
        return
    victim = max(workers, key=lambda p: sum(p.cpu_times()[:2]))
    os.kill(victim.pid, signal.SIGKILL)
    print(f"killed worker {victim.pid}: {' '.join(victim.info['cmdline'])}", file=sys.stderr)


if __name__ == "__main__":
    main()
