"""Heads by ridge regression, a batch of cells at a time: normal equations and their solution.

The head h of a cell is the minimum of the sum of squares

      sum_i  f(x_i)^2 / sigma_i^2  +  |grad f(x_i) - n_i|^2 / nu_i^2
    + sum_j  (f(y_j) - d_j)^2 / tau_j^2  +  |grad f(y_j) - g_j|^2 / eta_j^2
    + |h|^2 / alpha^2

at points x with normals n and samples y at distances d with directions g: the on-surface, normal and off-surface terms of the
paper (Sitzmann et al. 2020, eq. 6), for sines that stand. As a Gaussian process it is the posterior mean under a Matern prior.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..runtime.compiled import numba_works
from .sines import Sines

LEAST_SEEN = 0.6  # of a sine: below that the noise in its head would be raised too much
LINEAR_RIDGE = 1e-4  # of constant and slope, beside 1 of the sines: next to nothing


class Rows(NamedTuple):
    """What a batch of B cells is to fit, in units of each cell's reach: up to n points each, and m samples at shared places.

    points, normals : (B, n, 3) where the value is 0 and the gradient is the normal
    value_weight, normal_weight : (B, n) one over the deviation of each, 0 where there is no point
    samples : (m, 3)
    distances, sample_weight : (B, m) value there, and one over its deviation
    directions, direction_weight : (B, m, 3), (B, m) gradient there, and one over its deviation
    seen : (B, U) what is left of each sine in the mean over where a point may have been seen, `damping`; of points alone
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
    seen: Tensor


def normal_equations(rows: Rows, sines: Sines) -> tuple[Tensor, Tensor]:
    """Matrices (B, U + 4, U + 4), of which the lower triangle counts, and right sides (B, U + 4), float64, of the least squares
    of all rows.

    The three gradient rows of a point cost one product: their sum over the axes is ``sum cos_i cos_j`` times ``w_i . w_j``.
    Values at points are multiplied in float64, because clean ones are so sure that float32 would lose definiteness.
    """
    w, units = sines.frequencies, sines.frequencies.shape[1]
    value, cosines = design(rows, sines)
    phase = rows.samples @ w + sines.phases
    away = _with_linear(torch.sin(phase) * sines.amplitude, rows.samples) * rows.sample_weight.unsqueeze(-1)
    torch.mul(torch.cos(phase) * sines.amplitude, rows.direction_weight.unsqueeze(-1), out=cosines[:, rows.points.shape[1] :])
    weight = torch.cat([rows.normal_weight, rows.direction_weight], 1).unsqueeze(-1)
    gradients = torch.cat([rows.normals, rows.directions], 1) * weight

    matrix = value.transpose(1, 2) @ value
    matrix += away.transpose(1, 2) @ away
    matrix[:, :units, :units] += (cosines.transpose(1, 2) @ cosines) * (w.T @ w)
    # of the linear part the gradient is 1 along its own axis
    matrix[:, units + 1 :, :units] += (weight.transpose(1, 2) @ cosines) * w
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    diagonal[:, units + 1 :] += weight.square().sum((1, 2)).unsqueeze(-1)
    diagonal[:, :units] += 1
    diagonal[:, units:] += LINEAR_RIDGE
    right = (away.transpose(1, 2) @ (rows.distances * rows.sample_weight).unsqueeze(-1))[..., 0].double()
    right[:, :units] += ((cosines.transpose(1, 2) @ gradients) * w.T).sum(-1)
    right[:, units + 1 :] += (gradients * weight).sum(1)
    return matrix, right


def design(rows: Rows, sines: Sines) -> tuple[Tensor, Tensor]:
    """Of the points: weighted rows of values (B, n, U + 4), float64; and the cosines of gradients, weighted, at the head of
    (B, n + m, U), whose other rows are for the samples."""
    w, b = sines.frequencies, sines.phases
    count, points, units = *rows.points.shape[:2], w.shape[1]
    cosines = rows.points.new_empty((count, points + len(rows.samples), units))
    if rows.points.device.type == "cpu" and numba_works():
        from .design_kernel import design_rows

        value = torch.empty((count, points, units + 4), dtype=torch.float64)
        amplitude = rows.seen * sines.amplitude
        arrays = (t.contiguous().numpy() for t in (rows.points, rows.value_weight, rows.normal_weight, w, b, amplitude))
        design_rows(*arrays, value.numpy(), cosines.numpy())
        return value, cosines
    phase, amplitude = rows.points @ w + b, rows.seen.unsqueeze(1) * sines.amplitude
    torch.mul(torch.cos(phase) * amplitude, rows.normal_weight.unsqueeze(-1), out=cosines[:, :points])
    value = _with_linear(torch.sin(phase) * amplitude, rows.points) * rows.value_weight.unsqueeze(-1)
    return value.double(), cosines


def damping(sines: Sines, blur: Tensor) -> Tensor:
    """(B, U) ``exp(-|w|^2 blur^2 / 2)``: the mean of each sine, as a share of it, over a normal distribution of deviation
    ``blur`` (B,), in half supports.

    Noise moves a point sideways as well, to where the surface is elsewhere and its normal another: what is fitted to noisy
    points as they lie is the surface blurred by their noise. In rows with sines that are blurred so, the heads are those of
    the surface before.
    """
    return torch.exp(-0.5 * (blur[:, None] * sines.frequencies.norm(dim=0)) ** 2).clamp(min=LEAST_SEEN)


def solve(matrix: Tensor, right: Tensor, sines: Sines) -> Tensor:
    """Heads (B, U + 4), in units of reach, of matrices (B, U + 4, U + 4) and right sides (B, U + 4)."""
    head: Tensor = torch.cholesky_solve(right.unsqueeze(-1), torch.linalg.cholesky(matrix))[..., 0]
    head[:, :-4] *= sines.amplitude
    return head


def solution_of_samples(samples: Tensor, sample_weight: float, direction_weight: float, sines: Sines) -> Tensor:
    """Matrix (U + 4, 4 m) that takes distances and directions at m samples, (m + 3 m,), to the head: cells without points that
    trust all their samples alike share it."""
    w, units = sines.frequencies, sines.frequencies.shape[1]
    x = samples.double()
    phase = x @ w.double() + sines.phases
    value = _with_linear(torch.sin(phase) * sines.amplitude, x) * sample_weight
    slope = (torch.cos(phase) * sines.amplitude).unsqueeze(1) * w.double()  # (m, 3, U)
    linear = torch.eye(4, dtype=x.dtype, device=x.device)[1:].expand(len(x), -1, -1)
    gradient = torch.cat([slope, linear], 2).flatten(0, 1) * direction_weight
    rows = torch.cat([value, gradient])
    ridge = torch.cat([torch.ones(units), torch.full((4,), LINEAR_RIDGE)]).to(rows)
    weight = torch.cat([x.new_full((len(x),), sample_weight), x.new_full((3 * len(x),), direction_weight)])
    heads: Tensor = torch.cholesky_solve(rows.T * weight, torch.linalg.cholesky(rows.T @ rows + torch.diag(ridge)))
    heads[:units] *= sines.amplitude
    return heads


def _with_linear(s: Tensor, x: Tensor) -> Tensor:
    return torch.cat([s, torch.ones_like(x[..., :1]), x], -1)
