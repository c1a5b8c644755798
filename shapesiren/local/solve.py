"""A local field of a cloud: cells, samples away from the points, heads."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..nets.local import Local
from ..runtime.kdtree import KDTree
from .cells import Cells, cut
from .heads import Rows, Sines, normal_equations, solve
from .sides import winding_numbers
from .sines import draw

Array = NDArray[np.float64]
ROWS = 4096


@dataclass(frozen=True)
class Prior:
    units: int = 256
    length: float = 0.2
    smoothness: float = 1.5
    amplitude: float = 0.3
    support: float = 1.6
    most: int = 500
    target: int = 0
    beside: int = 100
    largest: float = 0.07
    point: float = 1e-4
    normal: float = 0.1
    near: int = 64
    near_spacing: float = 4
    near_share: float = 0.1
    near_direction: float = 1.0
    votes: int = 4
    far: int = 48
    far_units: int = 128
    far_length: float = 0.5
    far_spacing: float = 0.5
    far_share: float = 0.005
    far_direction: float = 0.1


def fit(points: Array, normals: Array, deviation: float, p: Prior, seed: int = 0, laps=None) -> Local:
    laps = {} if laps is None else laps
    rng0 = np.random.default_rng(1)
    clock = time.perf_counter()

    def lap(name):
        nonlocal clock
        laps[name] = round(time.perf_counter() - clock, 2)
        clock = time.perf_counter()

    half = 1.1
    tree = KDTree(points)
    spacing = float(np.median(tree.query(points[:: max(1, len(points) // 2000)], 2)[0][:, 1]))
    if p.target:
        few = points[rng0.choice(len(points), 1000)]
        lo, hi = spacing, 1.0
        for _ in range(20):
            mid = math.sqrt(lo * hi)
            size = np.median(tree.query_ball_point(few, mid * p.support, p=np.inf, return_length=True))
            lo, hi = (mid, hi) if size < p.target else (lo, mid)
        half = lo * 2 ** math.ceil(math.log2(1.1 / lo))
        laps["h"] = round(lo, 4)
    cells = cut(points, half, p.support, p.most, p.largest, 2 * spacing, p.beside)
    lap("cells")
    octree = cells.octree
    net = Local(p.units, len(octree.cells), half, p.support)
    w, b = draw(p.units, p.length, p.smoothness, seed)
    net.frequencies.copy_(torch.from_numpy(w))
    net.phases.copy_(torch.from_numpy(b))
    net.cells.copy_(torch.from_numpy(octree.cells))
    count = np.diff(cells.starts)
    empty = count == 0
    net.zoom.copy_(torch.from_numpy(np.where(empty, p.length / p.far_length, 1.0)))
    reach = (p.support * octree.halves).astype(np.float32)
    centres = octree.centres.astype(np.float32)
    P, N = points.astype(np.float32), normals.astype(np.float32)
    cleared, cleared_tree = denoised(points, normals, tree, deviation, spacing)
    lap("denoise")
    rng = np.random.default_rng(seed)
    pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,))

    def solve_all(which, samples, distances, directions, weights, direction_weights, units, zoom):
        sines = Sines(net.frequencies[:, :units] * zoom, net.phases[:units], math.sqrt(2 / units) * p.amplitude)
        order = np.argsort(count[which], kind="stable")
        batches, start = [], 0
        while start < len(order):
            size = max(1, ROWS // (max(int(count[which[order[min(start + 7, len(order) - 1)]]]), 1) + samples.shape[1]))
            batches.append(order[start : start + size])
            start += size

        def work(batch):
            leaves = which[batch]
            most = max(1, int(count[leaves].max()))
            column = np.arange(most)
            real = column < count[leaves][:, None]
            index = cells.points[np.minimum(cells.starts[leaves][:, None] + column, len(cells.points) - 1)]
            r = reach[leaves][:, None]
            x = (P[index] - centres[leaves][:, None]) / r[..., None]
            x[~real] = 0
            inside = np.sqrt((1 - np.minimum(x * x, 1)).prod(-1).clip(0.02)) * real
            rows = Rows(
                *(torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in (
                    x, N[index], inside * r / math.hypot(p.point, deviation), inside / p.normal,
                    samples[batch], distances[batch], weights[batch], directions[batch], direction_weights[batch],
                ))
            )
            matrix, right = normal_equations(rows, sines)
            head, _ = solve(matrix, right, sines.amplitude)
            head = (head * torch.from_numpy(r)).float()
            net.heads[torch.from_numpy(leaves), :units] = head[:, :units]
            net.heads[torch.from_numpy(leaves), -4:] = head[:, units:]

        with torch.no_grad():
            list(pool.map(work, batches))

    def draw_samples(which, m):
        t = rng.uniform(-1, 1, (len(which), m, 3)).astype(np.float32)
        q = (octree.centres[which][:, None] + t * reach[which][:, None, None]).reshape(-1, 3)
        return t, q

    # near
    which = np.flatnonzero(~empty)
    t, q = draw_samples(which, p.near)
    d, i = cleared_tree.query(q, k=p.votes)
    offset = q[:, None] - cleared[i]
    s = (offset * normals[i]).sum(-1)
    w = 1 / (d**2 + 1e-12)
    total = w.sum(1)
    agree = np.abs((np.sign(s) * w).sum(1) / total) > 0.9
    plane = (s * w).sum(1) / total
    sign = np.sign(plane)
    flat = d[:, 0] ** 2 - s[:, 0] ** 2 < (1.5 * spacing) ** 2
    dq = sign * np.where(flat, np.minimum(np.abs(plane), d[:, 0]), d[:, 0])
    sure = agree & (np.abs(dq) > 2 * spacing + 3 * deviation)
    direction = sign[:, None] * offset[:, 0] / np.maximum(d[:, :1], 1e-12)
    sd = p.near_spacing * spacing + 3 * deviation + p.near_share * np.abs(dq)
    shape, r = (len(which), p.near), reach[which][:, None]
    lap("near")
    solve_all(which, t, dq.reshape(shape) / r, direction.reshape(*shape, 3), (agree / sd).reshape(shape) * r, (sure / p.near_direction).reshape(shape), p.units, 1.0)
    lap("solve near")
    # far
    which = np.flatnonzero(empty)
    t, q = draw_samples(which, p.far)
    d, i = cleared_tree.query(q)
    offset = q - cleared[i]
    side = np.sign((offset * normals[i]).sum(-1))
    shape, r = (len(which), p.far), reach[which][:, None]
    vote = side.reshape(shape).mean(1)
    area = np.pi * tree.query(points, 9)[0][:, -1:] ** 2 / 8
    wind = winding_numbers(octree.centres[which], points, normals * area, octree.leaf_of(points), max(spacing, 2 * deviation))
    on = rng.choice(len(points), min(len(points), 2000), replace=False)
    ws = winding_numbers(points[on], points, normals * area, octree.leaf_of(points), max(spacing, 2 * deviation))
    laps["w_s"] = [round(float(q), 3) for q in np.quantile(ws, [0.01, 0.1, 0.5, 0.9, 0.99])]
    laps["disagree"] = int(((vote > 0) != (wind < 0.5)).sum()), len(which), int((np.abs(vote) < 0.9).sum())
    lap("winding")
    sign = np.repeat(np.where(wind < 0.5, 1.0, -1.0), p.far)
    sd = p.far_spacing * spacing + deviation + p.far_share * d
    direction = sign[:, None] * offset / d[:, None]
    one = np.ones(shape)
    lap("far")
    solve_all(which, t, (sign * d).reshape(shape) / r, direction.reshape(*shape, 3), r / sd.reshape(shape), one / p.far_direction, p.far_units, p.length / p.far_length)
    lap("solve far")
    return net


def denoised(points, normals, tree, deviation, spacing, k=24):
    if deviation < 0.1 * spacing:
        return points, tree
    i = tree.query(points, k)[1]
    same = (normals[i] * normals[:, None]).sum(-1) > 0.3
    off = ((points[i] - points[:, None]) * normals[:, None]).sum(-1)
    same &= np.abs(off) < 6 * deviation
    out = points + normals * ((off * same).sum(1) / np.maximum(same.sum(1), 1))[:, None]
    return out, KDTree(out)
