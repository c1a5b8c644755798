"""A part of a large run's tiles, for job arrays: many jobs on one folder, none of which waits for another.

Nothing is locked and no manifest is written: each tile is a file that appears whole. The stage itself, run afterwards, finds
the tiles done.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ..config import Tree
from ..errors import InputError
from ..pointcloud.header import CloudHeader
from ..runtime.workers import Workers, part_of, with_workers
from ..tasks.base import Signal
from ..tasks.shape import ShapeTask
from ..tasks.shape_settings import ShapeConfig
from .fit import torch_device
from .ingest import unpack
from .stage import Context, require


@dataclass(frozen=True)
class PartDone:
    """shard : which part; tiles : in it; made : of them now, the others were there already; all : tiles of the run"""

    shard: str
    tiles: int
    made: int
    all: int

    def line(self, what: str, run: Path) -> str:
        command = "fit" if what == "solved" else "mesh"
        said = f"part {self.shard}: {self.made:,} of its {self.tiles:,} tiles {what} now, the run has {self.all:,}"
        return f"{said}; after all parts: shapesiren {command} {run}"

    def tree(self) -> Tree:
        return asdict(self)


def fit_part(context: Context, shard: str, workers: Workers) -> PartDone:
    """Solve a part of the tiles of a run that is ingested. Raises InputError if it is not, or is not in tiles."""
    from ..large.engines import fit_each
    from ..large.fit import make_plan, todo_of
    from ..large.fit_tile import fit_tile
    from ..large.tiles import Tiles

    run, config = context.run, context.config
    require(run, "ingest", "fit")
    header, signal = _in_tiles(context)
    assert isinstance(config, ShapeConfig)
    task = ShapeTask(signal, config, torch_device("cpu"))
    settings, noisy = task.of_tiles()
    points, normals = signal.arrays["points"], signal.arrays["normals"]
    make_plan(run.folder, header, settings, config.ingest, config.seed, points, normals, noisy)
    every = sorted(Tiles.open(run.folder).counts)
    own = part_of(every, shard)
    todo = sorted(set(own) & set(todo_of(run.folder)))
    with with_workers(workers):
        each = fit_each(run.folder)
    for _ in each(todo) if each is not None else map(lambda tile: fit_tile(run.folder, tile), todo):
        pass
    return PartDone(shard, len(own), len(todo), len(every))


def mesh_part(context: Context, shard: str, workers: Workers) -> PartDone:
    """Mesh a part of the tiles of a run that is fitted. What leaves a tile where no point is comes with the stage.

    Raises InputError if it is not fitted, or not in tiles.
    """
    from ..large.engines import mesh_each
    from ..large.mesh import plan_of, unmeshed
    from ..large.settings import Plan
    from ..large.tile_mesh import mesh_tile
    from ..large.tiles import Tiles, name_of

    run, config = context.run, context.config
    require(run, "ingest", "fit")
    require(run, "fit", "fit")
    header, _ = _in_tiles(context)
    assert isinstance(config, ShapeConfig)
    tiles = Tiles.open(run.folder)
    plan = plan_of(tiles, Plan.open(run.folder), config.mesh, header)
    plan.save(run.folder)
    wanted = sorted(tiles.counts) if plan.only is None else [t for t in sorted(tiles.counts) if name_of(t) in set(plan.only)]
    own = part_of(wanted, shard)
    with with_workers(workers):
        each = mesh_each(run.folder)
    todo = unmeshed(run.folder, own)
    for _ in each(todo) if each is not None else map(lambda tile: mesh_tile(run.folder, tile), todo):
        pass
    return PartDone(shard, len(own), len(todo), len(wanted))


def _in_tiles(context: Context) -> tuple[CloudHeader, Signal]:
    run = context.run
    signal = unpack(run.folder / context.task.cache)
    if context.task.output != "mesh" or not (header := CloudHeader.of(signal.header)).tiles:
        hint = "shapesiren ingest SCAN --large true makes tiles"
        raise InputError("the run is not in tiles, there are no parts of it", where="--shard", hint=hint)
    return header, signal
