"""Levels of a large run's mesh: faces, error, what is held at the sides, time and memory.

    python pipelines/bench/levels.py RUN

RUN is meshed. Its levels are made anew; nothing else in it is touched.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from pathlib import Path

from shapesiren.large.pyramid import Pyramid, joined
from shapesiren.stages.output import fitted_field
from shapesiren.stages.store import Run
from shapesiren.surface.settings import MeshSettings


def main(folder: Path) -> None:
    scale = fitted_field(Run.open(folder)).frame.scale
    begun = time.perf_counter()
    pyramid = Pyramid(folder, joined(folder, MeshSettings()))
    print(f"joined {len(pyramid.keys[0])} tiles in {time.perf_counter() - begun:.1f} s")
    shutil.rmtree(pyramid.folder, ignore_errors=True)
    print("| level | nodes | faces | farthest | held vertices | CPU s |\n| --- | --- | --- | --- | --- | --- |")
    for level in range(pyramid.top + 1):
        spent = time.process_time()
        pyramid.build(level)
        spent = time.process_time() - spent
        nodes = [pyramid.node(level, node) for node in sorted(pyramid.keys[level])]
        faces, held = sum(len(n.faces) for n in nodes), sum(len(n.border) for n in nodes) / sum(len(n.vertices) for n in nodes)
        error = max(pyramid.error(level, node) for node in pyramid.keys[level]) * scale
        print(f"| {level} | {len(nodes)} | {faces:,} | {error:.4g} | {held:.1%} | {spent:.1f} |", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
