"""Evaluating a fitted network at many points, from numpy to numpy: no graph, chunks of points, buffers reused.

This is the readable twin of ``cpu/evaluate.py``, in which many points of a SIREN go through machine code, where there is numba.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from .activations import sine
from .cpu import evaluate as on_cpu
from .cpu import local_evaluate as local_on_cpu
from .derivatives import value_and_gradient, value_gradient_hessian, value_gradient_laplacian
from .local import Local
from .network import Network
from .plugged import Plugged
from .windows import Windows

CPU_CHUNK = 2048  # points of one pass: 2 MiB of float32 activations at width 256, a core's L2 cache
GPU_CHUNK = 1 << 18  # points of one pass: 256 MiB of float32 activations of each layer at width 256


@torch.no_grad()
def values(net: Network, points: NDArray[np.floating], chunk: int | None = None) -> NDArray[np.float32]:
    """``points`` : (n, d) box coordinates -> (n, m) float32.

    ``chunk`` : if given, torch evaluates so many points at a time, also where ``cpu/evaluate.py`` could do it.
    """
    if isinstance(net, Windows):
        return _over_windows(net, points, False)[0]
    if isinstance(net, Local):
        return local_on_cpu.evaluate(net, points, False)[0][:, None]
    if isinstance(net, Plugged):
        return _in_chunks(lambda of, x: (of(x),), net, points, chunk, CPU_CHUNK)[0].astype(np.float32, copy=False)
    done = on_cpu.evaluate(net, points, False) if chunk is None else None
    if done is not None:
        return done[0]
    head, device = net.linears[-1], net.linears[-1].weight.device
    chunk = chunk or (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK)
    layers = list(net.activated_layers())
    out = np.empty((len(points), net.out_features), np.float32)
    buffers = [torch.empty((min(chunk, len(points)), len(bias)), device=device) for _, bias, _ in layers]
    for start in range(0, len(points), chunk):
        h = torch.as_tensor(np.ascontiguousarray(points[start : start + chunk], np.float32), device=device)
        for (weight, bias, activation), buffer in zip(layers, buffers, strict=True):
            z = torch.addmm(bias, h, weight.T, out=buffer[: len(h)])
            h = z.sin_() if activation is sine else activation(z, 0)[0]
        out[start : start + len(h)] = torch.addmm(head.bias, h, head.weight.T).cpu().numpy()
    return out


@torch.no_grad()
def rough_values(net: Network, points: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """`values` by products in bfloat16, to some three digits: half the time on CPUs that multiply them.

    None where ``cpu/evaluate.py`` cannot do it.
    """
    if isinstance(net, (Windows, Local, Plugged)):
        return None
    done = on_cpu.evaluate(net, points, False, torch.bfloat16, min_points=1)
    return None if done is None else done[0]


@torch.no_grad()
def values_and_gradients(
    net: Network, points: NDArray[np.floating], chunk: int | None = None, dtype: torch.dtype = torch.float32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``points`` : (n, d) box coordinates -> values (n, m), gradients (n, m, d), float32.

    ``dtype`` : of the gradients' own products where ``cpu/evaluate.py`` does them; in bfloat16 a fitted field's normals are
    .04 degrees off in the median, .24 at most.

    One output is differentiated by a reverse sweep, 2 products a layer instead of the 1 + d of the tangent
    form in `derivatives`.
    """
    if isinstance(net, Windows):
        return _over_windows(net, points, True)
    if isinstance(net, Local):
        value, gradient = local_on_cpu.evaluate(net, points, True)
        return value[:, None], gradient[:, None]
    if isinstance(net, Plugged):
        value, gradient = _in_chunks(value_and_gradient, net, points, chunk, CPU_CHUNK)
        return value, gradient
    done = on_cpu.evaluate(net, points, True, dtype) if chunk is None else None
    if done is not None:
        return done[0], done[1][:, None]
    head, device = net.linears[-1], net.linears[-1].weight.device
    chunk = chunk or (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK) // 2
    n, d, m = len(points), net.in_features, net.out_features
    layers = list(net.activated_layers())
    value, gradient = np.empty((n, m), np.float32), np.empty((n, m, d), np.float32)
    for start in range(0, n, chunk):
        x = torch.as_tensor(np.ascontiguousarray(points[start : start + chunk], np.float32), device=device)
        if m != 1:
            v, g = value_and_gradient(net, x)
        else:
            h, slopes = x, []
            for weight, bias, activation in layers:
                h, slope = activation(torch.addmm(bias, h, weight.T), 1)
                slopes.append(slope)
            v = torch.addmm(head.bias, h, head.weight.T)
            g = head.weight
            for (weight, _, _), slope in zip(reversed(layers), reversed(slopes), strict=True):
                g = slope.mul_(g) @ weight
            g = g.unsqueeze(1)
        value[start : start + len(x)] = v.cpu().numpy()
        gradient[start : start + len(x)] = g.cpu().numpy()
    return value, gradient


@torch.no_grad()
def values_gradients_laplacians(
    net: Network, points: NDArray[np.floating], chunk: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """``points`` : (n, d) box coordinates -> values (n, m), gradients (n, m, d), Laplacians (n, m), float32."""
    value, gradient, laplacian = _in_chunks(value_gradient_laplacian, net, points, chunk, CPU_CHUNK // 2)
    return value, gradient, laplacian


@torch.no_grad()
def values_gradients_hessians(
    net: Network, points: NDArray[np.floating], chunk: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """``points`` : (n, d) box coordinates -> values (n, m), gradients (n, m, d), Hessians (n, m, d, d), float32."""
    value, gradient, hessian = _in_chunks(value_gradient_hessian, net, points, chunk, CPU_CHUNK // 4)
    return value, gradient, hessian


def _in_chunks(
    function: Callable[[Network, torch.Tensor], tuple[torch.Tensor, ...]],
    net: Network,
    points: NDArray[np.floating],
    chunk: int | None,
    cpu_chunk: int,
) -> list[NDArray[np.float32]]:
    """What ``function`` gives at all the points, evaluated ``chunk`` at a time, on CPUs ``cpu_chunk`` if that is not given.

    No points at all make one empty chunk.
    """
    device = net.device
    chunk = chunk or (cpu_chunk if device.type == "cpu" else GPU_CHUNK // 8)
    parts = []
    for start in range(0, max(1, len(points)), chunk):
        x = torch.as_tensor(np.ascontiguousarray(points[start : start + chunk], np.float32), device=device)
        parts.append([t.cpu().numpy() for t in function(net, x)])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _over_windows(net: Windows, points: NDArray[np.floating], slopes: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values (n, m) and, if asked for, gradients (n, m, 1) of networks side by side."""
    value = np.zeros((len(points), net.out_features), np.float32)
    gradient = np.zeros((len(points) if slopes else 0, net.out_features, 1), np.float32)
    for part, index, at, weight, slope in net.parts_at(torch.from_numpy(np.asarray(points, np.float64))):
        i, w, local = index.numpy(), weight.numpy().astype(np.float32), at.numpy()
        if slopes:
            v, g = values_and_gradients(part, local)
            gradient[i] += w[:, None] * g + (slope.numpy().astype(np.float32) * v)[:, :, None]
        else:
            v = values(part, local)
        value[i] += w * v
    return value, gradient
