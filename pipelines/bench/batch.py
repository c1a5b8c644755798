"""Forty small scans: one after the other, with Ray, with a worker killed half-way, and in two shards.

    python pipelines/bench/batch.py --out FOLDER        # about twenty minutes on two cores; needs shapesiren[ray]

Scans are virtual ones of the analytic shapes; in the second part two of them are garbage. Prints a table of whole commands,
start-up included.
"""

from __future__ import annotations

import argparse
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scans", type=int, default=40)
    parser.add_argument("--throughput", action="store_true", help="only the rows that compare times")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    scans = args.out / "scans"
    scans.mkdir(parents=True)
    (args.out / "small.toml").write_text(PIPELINE)
    files = []
    for i in range(args.scans):
        name = SHAPES[i % len(SHAPES)]
        files.append(scans / f"{i:03}-{name}.ply")
        write_scan(files[-1], scan(name, Scanner(points=4000, seed=i)))
    print(
        "| command | seconds | scans a minute | against serial | exit | done | unchanged | failed |\n|" + " --- |" * 8,
        flush=True,
    )
    ours = [str(f) for f in files]
    base = row("serial, one thread", args, ours, "serial1", None, "--threads", "1")
    row("serial, all cores", args, ours, "serial", base)
    row("ray, one thread each", args, ours, "ray", base, "--engine", "ray")
    if args.throughput:
        return
    row("the same again", args, ours, "ray", base, "--engine", "ray")
    files[7].write_text("ply garbage\n")
    files[21].write_bytes(bytes(500))
    row("ray, two are garbage, a worker killed half-way", args, ours, "killed", base, "--engine", "ray", kill=True)
    row("the same again", args, ours, "killed", base, "--engine", "ray")
    row("--retry-failed", args, ours, "killed", base, "--retry-failed")
    row("--shard 1/2", args, ours, "shards", base, "--shard", "1/2", "--threads", "1")
    row("--shard 2/2", args, ours, "shards", base, "--shard", "2/2", "--threads", "1")
    with open(args.out / "shards" / "summary.csv") as file:
        print("shards together:", dict(Counter(r["status"] for r in csv.DictReader(file))))


def row(
    name: str, args: argparse.Namespace, files: list[str], out: str, base: float | None, *more: str, kill: bool = False
) -> float:
    command = [
        sys.executable,
        "-m",
        "shapesiren",
        "batch",
        *files,
        "--pipeline",
        str(args.out / "small.toml"),
        "--out",
        str(args.out / out),
        *more,
    ]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if kill and line.startswith(f"{len(files) // 2} of "):
            kill_a_worker()
    code = process.wait()
    seconds = time.perf_counter() - start
    counts = next((line.split(";")[0] for line in lines if "summary:" in line), "0 done, 0 unchanged, 0 failed")
    done, unchanged, failed = (part.split()[0] for part in counts.split(", "))
    share = f"{base / seconds:.2f} x" if base else "1.00 x"
    print(
        f"| {name} | {seconds:.0f} | {60 * len(files) / seconds:.1f} | {share} | {code} | {done} | {unchanged} | {failed} |",
        flush=True,
    )
    if kill:
        print("".join(line for line in lines if line.startswith("failed:")), end="")
    return seconds


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
