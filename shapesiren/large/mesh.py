"""The mesh of a large run: tile by tile, until no surface leaves one into another that does not know of it; then joined."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RunError
from ..pointcloud.header import CloudHeader
from ..pointcloud.region import corners
from ..runtime.working import working_at
from ..surface.cell_tables import LEAF
from ..surface.facts import InputDistances, MeshFacts
from ..surface.settings import MeshSettings
from .copies import coarse_level
from .engines import Each, mesh_each
from .lattice import MeshPlan
from .level_mesh import LevelMesh
from .pyramid import Pyramid
from .settings import Plan
from .shard import told_of
from .tile_mesh import CoarseField, TileMesh, coarse_field, keys_of_fits, mesh_key, mesh_tile_of
from .tiles import Tile, Tiles, name_of, tile_of
from .weld import LEAST_CELLS, Weld

Say = Callable[[str], None]

SPACINGS = 3.0  # side of a lattice cell, if no resolution is asked for
MOST_CELLS = 1024  # of it along a tile's side
WAVES = 64  # of tiles that are meshed again, at most
KEPT = 256  # tiles of which is known, at a time, where they have looked
TILES_SHARE = 0.9  # of the time of the stage, until the tiles are meshed


def plan_of(tiles: Tiles, plan: Plan, settings: MeshSettings, header: CloudHeader) -> MeshPlan:
    """How the settings of a mesh are met by a lattice of whole cells in a tile."""
    side, only, box = 2 * tiles.half, None, None
    step = SPACINGS * plan.spacing
    low, high = header.box_bounds()
    if settings.box is not None:
        first, last = (header.frame.to_box(corner[None])[0] for corner in corners(settings.box))
        low, high = np.maximum(low, first), np.minimum(high, last)
        box = [*first.tolist(), *last.tolist()]
        only = [name_of(t) for t in sorted(tiles.counts) if _meets(tiles, t, first, last)]
        if not (low < high).all() or not only:
            raise RunError("the box lies beside the scan", where="mesh.box", hint="inspect tells where that is")
    if settings.resolution is not None:
        step = float((high - low).max()) / settings.resolution
    cells = LEAF * max(4, math.ceil(side / step / LEAF - 1e-9))
    if cells > MOST_CELLS:
        raise RunError(
            f"{cells:,} cells along the side of a tile are too many to hold",
            where="mesh.resolution",
            hint="a lower resolution, or smaller tiles: --set ingest.tile_points=...",
        )
    trim = settings.trim == "on" or (settings.trim == "auto" and header.open)
    return MeshPlan(cells, settings.refine, settings.facets == "fitted", trim, tiles.level, only, box)


def _meets(tiles: Tiles, tile: Tile, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    centre = tiles.centre(tile)
    return bool((centre + tiles.half > low).all() and (centre - tiles.half < high).all())


def unmeshed(run: Path, wanted: list[Tile]) -> list[Tile]:
    """Of some tiles those whose mesh is not there, or of other cells or another `MeshPlan` than there are now.

    Raises InputError if they, or those beside them, are not solved.
    """
    tiles, plan, mesh, coarse = Tiles.open(run), Plan.open(run), MeshPlan.open(run), coarse_field(run).digest
    fits = keys_of_fits(run, tiles, sorted({o for t in wanted for o in tiles.beside(t)}))
    keys = {tile: mesh_key(tiles, tile, plan, mesh, coarse, fits) for tile in wanted}
    return [tile for tile, key in keys.items() if told_of(tiles.path(tile, "mesh.safetensors"))[0] != key]


@dataclass
class Meshing:
    """The tiles of a run as they are meshed. ``mesh_of`` makes one, if it is not there as it has to be; several at a time where
    an engine has it so."""

    run: Path
    tiles: Tiles
    plan: Plan
    mesh: MeshPlan
    coarse: CoarseField

    def meshed(self, each: Each | None = None) -> list[Tile]:
        """All tiles that hold a part of the surface, meshed, in order.

        Raises
        ------
        RunError : the surface goes on into further tiles after `WAVES` rounds
        """
        wanted = set(self.tiles.counts) if self.mesh.only is None else set(map(tile_of, self.mesh.only))
        fits = keys_of_fits(self.run, self.tiles, sorted({o for t in wanted for o in self.tiles.beside(t)}))
        todo = sorted(wanted)
        for _ in range(WAVES):
            self.mesh.save(self.run)
            self._each(todo, fits, each)
            missing = self._missing(wanted)
            if not missing:
                return sorted(wanted)
            entered = dict(self.mesh.entered)
            for tile, leaves in missing.items():
                held = {tuple(leaf) for leaf in entered.get(name_of(tile), [])} | leaves
                entered[name_of(tile)] = sorted(list(leaf) for leaf in held)
            self.mesh = replace(self.mesh, entered=entered)
            todo = sorted(missing)
            wanted |= missing.keys()
            fits |= keys_of_fits(self.run, self.tiles, sorted({o for t in todo for o in self.tiles.beside(t)}))
        hint = "end it where the points do: --set mesh.trim=on, or mesh a --box"
        raise RunError(f"the surface still goes on after {WAVES} rounds of tiles", where=self.run, hint=hint)

    def _each(self, todo: list[Tile], fits: dict[Tile, str], each: Each | None) -> None:
        begun = time.perf_counter()
        if each is not None:
            ended = 0
            for tile in each(todo):
                ended += tile is not None
                working_at(f"tile {ended} of {len(todo)}", TILES_SHARE * ended / len(todo))
            return
        for i, tile in enumerate(todo):
            mesh_tile_of(self.tiles, self.plan, self.mesh, tile, self.coarse, fits)
            left = (time.perf_counter() - begun) / (i + 1) * (len(todo) - i - 1)
            working_at(f"tile {i + 1} of {len(todo)}, {left:.0f} s left", TILES_SHARE * (i + 1) / len(todo))

    def _missing(self, meshed: set[Tile]) -> dict[Tile, set[tuple[int, ...]]]:
        """Leaves through which a surface goes on into a tile that has not looked there, by that tile."""
        leaves, last = self.mesh.cells // LEAF, 2**self.tiles.level - 1
        out: dict[Tile, set[tuple[int, ...]]] = {}

        @lru_cache(maxsize=KEPT)
        def held(tile: Tile) -> NDArray[np.int64]:
            """Codes of what a tile has looked at, and of what it was told to."""
            told = np.array(self.mesh.entered.get(name_of(tile), []), np.int64).reshape(-1, 3)
            if tile in meshed:
                told = np.concatenate([told, TileMesh.open(self.tiles.path(tile, "mesh.safetensors"), "held").held])
            return _codes(told, leaves * (last + 1))

        for tile in sorted(meshed):
            exits = TileMesh.open(self.tiles.path(tile, "mesh.safetensors"), "exits").exits.astype(np.int64)
            exits = exits[((exits >= 0) & (exits < leaves * (last + 1))).all(1)]
            for x, y, z in np.unique(exits // leaves, axis=0).tolist():
                into = (x, y, z)
                some = exits[(exits // leaves == into).all(1)]
                some = some[~np.isin(_codes(some, leaves * (last + 1)), held(into))]
                if len(some) and self._may_hold(into, meshed):
                    out.setdefault(into, set()).update(map(tuple, some.tolist()))
        return out

    def _may_hold(self, tile: Tile, meshed: set[Tile]) -> bool:
        """Whether a surface is followed into a tile: not beyond the box that was asked for."""
        return self.mesh.only is None or tile in meshed or tile not in self.tiles.counts


def _codes(leaves: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """(n,) A number for each of (n, 3) leaves of a lattice with ``side`` of them along a side."""
    codes: NDArray[np.int64] = (leaves[:, 0] * side + leaves[:, 1]) * side + leaves[:, 2]
    return codes


def mesh_large(run: Path, settings: MeshSettings, header: CloudHeader, output: Path, say: Say) -> MeshFacts:
    """Mesh a large run and write the mesh of all tiles, and what was found about it.

    Raises
    ------
    InputError : a part to print is asked for
    RunError : there is no surface, or no end of it; or the box lies beside the scan
    """
    if settings.printing:
        hint = "fit the body alone with --box, or fewer points with --every, into a run of its own"
        raise InputError("a scan in tiles makes no part to print", where="mesh", hint=hint)
    begun = time.perf_counter()
    tiles, plan, frame = Tiles.open(run), Plan.open(run), header.frame
    say_ignored(settings, say)
    meshing = Meshing(run, tiles, plan, plan_of(tiles, plan, settings, header), coarse_field(run))
    meshed = meshing.meshed(mesh_each(run))
    mesh = meshing.mesh
    working_at("joining the tiles", TILES_SHARE)
    least = settings.min_component
    areas = (LEAST_CELLS * mesh.step) ** 2
    weld = Weld(tiles, meshed, 0.0 if least == 0 else areas)
    if not weld.faces:
        raise RunError("the field has no zero level set here", where="mesh", hint="fit longer, or a larger box")
    resolution = round(float(np.subtract(*header.box_bounds()[::-1]).max()) / mesh.step)
    double = frame.needs_float64(mesh.step * frame.scale)
    level = None
    if settings.tiles:
        pyramid = Pyramid(run, weld)
        level = coarse_level(pyramid)
        LevelMesh(pyramid, level, frame).write_ply(output, double)
    else:
        weld.write_ply(output, frame, double)
    checked = weld.verification(frame.scale)
    mean, p95 = (weighed(weld.facts, name, "points") for name in ("mean", "p95"))
    most = max((f["max"] for f in weld.facts if "max" in f), default=0.0)
    _forget(tiles, meshed)
    return MeshFacts(
        resolution=resolution,
        cell=mesh.step * frame.scale,
        evaluations=sum(f["evaluations"] for f in weld.facts),
        residual=weighed(weld.facts, "residual", "vertices") * frame.scale,
        flipped_edges=sum(f["flipped"] for f in weld.facts) if mesh.fitted else None,
        dropped_components=weld.dropped,
        verification=checked,
        input_distance=InputDistances(mean=mean * frame.scale, p95=p95 * frame.scale, max=most * frame.scale),
        touches_boundary=False,
        tiles=len(meshed),
        level=level,
        seconds=time.perf_counter() - begun,
        **({} if settings.box is None else {"box": list(settings.box)}),
        **({} if header.units is None else {"length_units": header.units}),
    )


def weighed(facts: list[dict[str, Any]], name: str, by: str) -> float:
    """The mean of what the facts of tiles have under ``name``, by the number that they have under ``by``; 0 if none has it."""
    told = [f for f in facts if name in f and f[by]]
    return float(np.average([f[name] for f in told], weights=[f[by] for f in told])) if told else 0.0


def say_ignored(settings: MeshSettings, say: Say) -> None:
    """What of the settings the mesh of a large run does not have."""
    plain = MeshSettings()
    refining = ("sharp", "faces", "max_error", "smooth", "uncertainty", "texture")
    shaping = ("trim_distance", "fill_holes", "largest", "watertight")
    ignored = [f"mesh.{name}" for name in refining + shaping if getattr(settings, name) != getattr(plain, name)]
    if settings.min_component:  # 0 has one: every component stays
        ignored.append("mesh.min_component")
    if ignored:
        say(f"without effect on a large run: {', '.join(ignored)}")


def _forget(tiles: Tiles, meshed: list[Tile]) -> None:
    """Remove meshes of tiles that are no part of this one."""
    kept = {tiles.path(tile, "mesh.safetensors").name for tile in meshed}
    for path in (tiles.folder).glob("*.mesh.safetensors"):
        if path.name not in kept:
            path.unlink()
