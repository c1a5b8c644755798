"""Scans and models like those that people have: written to files, without normals, seeded."""

from __future__ import annotations

import numpy as np

from shapesiren.header import BoxBounds
from shapesiren.pointcloud.header import CloudHeader
from shapesiren.pointcloud.synthetic.shapes import SHAPES, tessellate
from shapesiren.runtime.kdtree import KDTree
from shapesiren.similarity import Similarity
from shapesiren.surface.support import Support

CORNER = np.array([511_000.0, 5_430_000.0, 310.0])  # somewhere in UTM, metres


def support_of(points, spacing, reach):
    """What a surface stands on: points (n, 3) in the box, their median spacing, and how far each of them reaches at least."""
    bounds = BoxBounds(low=tuple(points.min(0)), high=tuple(points.max(0)))
    header = CloudHeader(frame=Similarity((0.0, 0.0, 0.0), 1.0), bounds=bounds, spacing=spacing, support=reach, open=True)
    return Support(KDTree(points), header)


def write_pcd(path, points, width=None, real="<f8"):
    """(n, 3) points, NaN where nothing was seen, as a binary PCD; in rows of ``width`` if it is one depth frame."""
    width = width or len(points)
    header = f"""# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z
SIZE {np.dtype(real).itemsize} {np.dtype(real).itemsize} {np.dtype(real).itemsize}
TYPE F F F
COUNT 1 1 1
WIDTH {width}
HEIGHT {len(points) // width}
VIEWPOINT 0 0 0 1 0 0 0
POINTS {len(points)}
DATA binary
"""
    path.write_bytes(header.encode() + np.ascontiguousarray(points, real).tobytes())


def write_obj(path, vertices, polygons):
    """(n, 3) vertices and polygons, lists of indices from 0."""
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    lines += ["f " + " ".join(str(i + 1) for i in polygon) for polygon in polygons]
    path.write_text("\n".join(lines) + "\n")


def terrain(path, rng):
    """Hills from the air, in UTM metres: 600 m wide, 40 m of relief, points a few centimetres off."""
    x, y = rng.uniform(0, 600, (2, 20_000))
    height = 15 * np.sin(x / 90) * np.cos(y / 120) + 6 * np.sin((x + y) / 45) + rng.normal(0, 0.05, len(x))
    write_pcd(path, np.stack([x, y, height], 1) + CORNER)


def room(path, rng):
    """A room of 8 x 6 x 3 m from a scanner inside it, which sees a ball and, behind the ball, nothing."""
    away = rng.normal(size=(40_000, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    low, high = np.array([-3.0, -2.5, -1.4]), np.array([5.0, 3.5, 1.6])
    reach = np.where(away > 0, high / away, low / away).min(1)
    centre, radius = np.array([2.0, 1.0, -0.6]), 0.6
    along = away @ centre
    hit = along**2 - centre @ centre + radius**2
    on_ball = (hit > 0) & (along > 0)
    reach[on_ball] = along[on_ball] - np.sqrt(hit[on_ball])
    write_pcd(path, away * (reach + rng.normal(0, 0.003, len(away)))[:, None], real="<f4")


def depth_frame(path, rng):
    """One frame of a depth camera: a ball before a wall, a floor, depths in steps, NaN in the shadow and here and there."""
    width, height, focal = 240, 180, 210.0
    u, v = np.meshgrid(np.arange(width) - width / 2 + 0.5, np.arange(height) - height / 2 + 0.5)
    ray = np.stack([u / focal, v / focal, np.ones_like(u)], -1).reshape(-1, 3)
    wall, floor = np.full(len(ray), 2.6), np.where(ray[:, 1] > 0, 0.7 / np.maximum(ray[:, 1], 1e-9), np.inf)
    depth = np.minimum(wall, floor)
    centre, radius = np.array([0.1, 0.2, 1.6]), 0.35
    squared, along = (ray**2).sum(1), ray @ centre
    hit = along**2 - squared * (centre @ centre - radius**2)
    ball = np.where(hit > 0, (along - np.sqrt(np.maximum(hit, 0))) / squared, np.inf)
    shadow = np.roll(ball.reshape(height, width), 9, axis=1).reshape(-1)  # what the projector beside the camera does not light
    depth = np.where(np.isfinite(shadow) & ~np.isfinite(ball), np.nan, np.minimum(depth, ball))
    depth = 1 / (np.rint(1 / depth * 700) / 700)  # steps of disparity
    depth[rng.random(len(depth)) < 0.02] = np.nan
    write_pcd(path, ray * depth[:, None], width, "<f4")


def vase(path, rng):
    """A surface of revolution in quadrilaterals, open at its top."""
    around, up = 60, 50
    t, a = np.linspace(0, 1, up), np.linspace(0, 2 * np.pi, around, endpoint=False)
    radius = np.maximum(0.25 + 0.18 * np.sin(5.5 * t + 0.3), 0) * np.minimum(1, 6 * t) + 1e-3
    ring = radius[:, None, None] * np.stack([np.cos(a), np.sin(a)], -1)
    vertices = np.concatenate([ring, np.broadcast_to(t[:, None, None], (up, around, 1))], -1).reshape(-1, 3)
    index = np.arange(up * around).reshape(up, around)
    ahead = np.roll(index, -1, axis=1)
    write_obj(path, vertices, np.stack([index[:-1], ahead[:-1], ahead[1:], index[1:]], -1).reshape(-1, 4))


def part(path, rng):
    """A plate with holes: sharp rims, closed, triangles."""
    write_obj(path, *tessellate(SHAPES["holed_plate"], 64))


SCANS = {
    "terrain_utm.pcd": terrain,
    "room.pcd": room,
    "depth_frame.pcd": depth_frame,
    "vase.obj": vase,
    "part.obj": part,
}
