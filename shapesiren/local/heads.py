"""Heads by ridge regression, a batch of leaves at a time: normal equations, their factors, what they say of each point."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LINEAR_RIDGE = 1e-4  # of constant and slope, beside 1 of the sines: next to nothing


class Rows(NamedTuple):
    """What a batch of B leaves is to fit: up to n points and m samples each, in units of each leaf's reach.

    points, normals : (B, n, 3) where the value is 0 and the gradient is the normal
    value_weight, normal_weight : (B, n) one over the deviation of each, 0 where there is no point
    samples, distances, sample_weight : (B, m, 3), (B, m), (B, m) where the value is a distance, see above
    """

    points: Tensor
    normals: Tensor
    value_weight: Tensor
    normal_weight: Tensor
    samples: Tensor
    distances: Tensor
    sample_weight: Tensor
    directions: Tensor
    direction_weight: Tensor


class Sines(NamedTuple):
    """frequencies (3, U), phases (U,), and the amplitude of each unit whose weight has a deviation of 1 under the prior."""

    frequencies: Tensor
    phases: Tensor
    amplitude: float


def normal_equations(rows: Rows, sines: Sines) -> tuple[Tensor, Tensor]:
    """Matrices (B, U + 4, U + 4) and right sides (B, U + 4), float64, of the least squares of all rows.

    The three gradient rows of a point cost one product: their sum over the axes is ``sum cos_i cos_j`` times ``w_i . w_j``.
    Values are multiplied in float64, because those of clean points are so sure that float32 would lose definiteness.
    """
    w, units = sines.frequencies, sines.frequencies.shape[1]
    points = torch.cat([rows.points, rows.samples], 1)
    weight = torch.cat([rows.normal_weight, rows.direction_weight], 1).unsqueeze(-1)
    n = rows.points.shape[1]
    phase = points @ w + sines.phases
    s = _with_linear(torch.sin(phase) * sines.amplitude, points)
    c = torch.cos(phase) * (weight * sines.amplitude)
    exact = (s[:, :n] * rows.value_weight.unsqueeze(-1)).double()
    away = s[:, n:] * rows.sample_weight.unsqueeze(-1)
    matrix = exact.transpose(1, 2) @ exact
    matrix += away.transpose(1, 2) @ away
    matrix[:, :units, :units] += (c.transpose(1, 2) @ c) * (w.T @ w)
    # the slope's gradient is 1 along its own axis
    along = (c * weight).sum(1).unsqueeze(-1) * w.T  # (B, U, 3)
    matrix[:, :units, units + 1 :] += along
    matrix[:, units + 1 :, :units] += along.transpose(1, 2)
    total = weight.square().sum((1, 2))
    slope = torch.arange(units + 1, units + 4, device=w.device)
    matrix[:, slope, slope] += total.unsqueeze(-1)
    right = (away.transpose(1, 2) @ (rows.distances * rows.sample_weight).unsqueeze(-1))[..., 0].double()
    normals = torch.cat([rows.normals, rows.directions], 1) * weight
    right[:, :units] += ((c.transpose(1, 2) @ normals) * w.T).sum(-1)
    right[:, units + 1 :] += (normals * weight).sum(1)
    return matrix, right


def solve(matrix: Tensor, right: Tensor, amplitude: float) -> tuple[Tensor, Tensor]:
    """Heads (B, U + 4), in units of reach, and the Cholesky factors of the matrices, to which the ridge is added in place."""
    units = matrix.shape[1] - 4
    ridge = torch.full((units + 4,), LINEAR_RIDGE, dtype=matrix.dtype, device=matrix.device)
    ridge[:units] = 1.0
    matrix.diagonal(dim1=1, dim2=2).add_(ridge)
    factor = torch.linalg.cholesky(matrix)
    head = torch.cholesky_solve(right.unsqueeze(-1), factor)[..., 0]
    head[:, :units] *= amplitude
    return head, factor


def _with_linear(s: Tensor, x: Tensor) -> Tensor:
    return torch.cat([s, torch.ones_like(x[..., :1]), x], -1)
