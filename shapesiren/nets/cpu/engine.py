"""The fused step on CPU cores: `fused_step.py`'s formulas, chunk by chunk, one thread a chunk.

A batch is cut into chunks small enough for a core's own cache. Each chunk goes through all the layers on one thread,
its products in torch, its pointwise passes in `kernels.py`; threads meet twice a step, where torch's own threads
would meet at every operation. Buffers are kept from step to step.

Needs numba; `available` says whether it is there, and `fused_step.py` is the way without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Barrier
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...errors import InputError
from ..siren import Siren

CHUNK = 1400  # samples at most: 700 to 2,800 ran alike on one core
MIN_CHUNK = 350  # at least, if there is a choice: a chunk costs .4 ms of calls, one thread at a time, whatever its size


@cache
def available() -> bool:
    """Whether numba is installed and works with this Python and numpy; loads it."""
    try:
        kernels()
    except Exception:  # an installation that does not fit fails in its own ways; plain torch is there for it
        return False
    return True


def engine_for(backend: Literal["auto", "native", "torch"], device: torch.device) -> Engine | None:
    """What runs the fused steps of a fit on this machine: an engine on CPUs where numba is installed, else plain torch.

    A rule and not a timing, so that a fit repeats: on two cores the engine took .68 of plain torch's time in bfloat16
    and .89 in float32 (`pipelines/bench/step.py`).

    Raises
    ------
    InputError : ``native`` is asked for and cannot be had
    """
    if backend == "native" and (device.type != "cpu" or not available()):
        missing = "numba is not installed" if device.type == "cpu" else "it runs on the CPU alone"
        raise InputError(f"no native backend: {missing}", where="fit.backend", hint="--set fit.backend=auto")
    return Engine() if backend != "torch" and device.type == "cpu" and available() else None


@cache
def kernels() -> Any:
    """The compiled passes, loaded when first needed."""
    from . import kernels

    return kernels


@cache
def pool_of(threads: int) -> ThreadPoolExecutor:
    """Threads whose torch operations do not start more threads."""
    before, started = torch.get_num_threads(), Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="shapesiren", initializer=torch.set_num_threads, initargs=(1,))
    for _ in range(threads):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(before)  # a thread's number becomes that of all threads yet to come
    return pool


def array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The same memory as numpy; bfloat16 as uint16, which numpy lacks."""
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()


class _Chunk:
    """Buffers of ``n`` samples, the first ``g`` of them with a gradient. ``right[l]`` stacks [s; t], ``left[l]`` [dS/dz; q]."""

    def __init__(self, n: int, g: int, d: int, m: int, width: int, depth: int, dtype: torch.dtype) -> None:
        def buffers(rows: int) -> list[Tensor]:
            return [torch.zeros((rows, width), dtype=dtype) for _ in range(depth)]

        self.n, self.g, self.depth = n, g, depth
        self.right, self.left, self.cosine, self.adjoint, self.bend = (buffers(r) for r in (n + g, n + g, n, g, g))
        self.down, self.product = torch.zeros((n, width), dtype=dtype), torch.zeros((width, width), dtype=dtype)
        self.x = np.zeros((n + g, d), np.float32)  # samples, then directions
        self.value, self.gradient = np.zeros((n, m), np.float32), np.zeros((g, d), np.float32)
        # what one step adds to the gradients of the parameters
        self.weights = [torch.zeros((width, width)) for _ in range(depth - 1)]
        self.biases = np.zeros((depth, width), np.float32)
        self.first, self.head = np.zeros((d, width), np.float32), np.zeros((m, width), np.float32)
        # views of them, made once: a slice costs as much as a short pass
        self.s_rows, self.t_rows = [r[:n] for r in self.right], [r[n:] for r in self.right]
        self.z_rows, self.q_rows = [a[:n] for a in self.left], [a[n:] for a in self.left]
        self.left_turned, self.right_top, self.left_first = (
            [a.T for a in self.left],
            array(self.right[-1]),
            array(self.left[0]),
        )
        self.s, self.t = [array(r[:n]) for r in self.right], [array(r[n:]) for r in self.right]
        self.z, self.q = [array(r[:n]) for r in self.left], [array(r[n:]) for r in self.left]
        self.c, self.c_leading = [array(c) for c in self.cosine], [array(c[:g]) for c in self.cosine]
        self.s_leading = [s[:g] for s in self.s]
        self.v, self.u, self.d = [array(a) for a in self.adjoint], [array(b) for b in self.bend], array(self.down)

    def forward(self, p: Parameters) -> None:
        k, n, top = kernels(), self.n, self.depth - 1
        k.first(self.x[:n], p.first, p.biases[0], self.s[0], self.c[0])
        for i in range(1, self.depth):
            torch.mm(self.s_rows[i - 1], p.turned[i], out=self.z_rows[i])
            k.hidden(self.z[i], p.biases[i], self.s[i], self.c[i])
        k.head_value(self.s[top], p.head, self.value)
        if self.g:
            k.head_adjoint(p.head[0], self.c_leading[top], self.v[top], self.q[top])
            for i in range(top, 0, -1):
                torch.mm(self.q_rows[i], p.low[i], out=self.adjoint[i - 1])
                k.scale(self.v[i - 1], self.c_leading[i - 1], self.q[i - 1])
            k.first_gradient(self.q[0], p.first, self.gradient)

    def backward(self, p: Parameters, a: np.ndarray[Any, Any]) -> None:
        """``a`` (n + g, m): the loss gradient of the values, then ones. That of the gradients lies in ``x[n:]``."""
        k, n, top = kernels(), self.n, self.depth - 1
        for grad in (self.biases, self.first, self.head):
            grad.fill(0)
        if self.g:
            k.first_tangent(self.x[n:], p.first, self.u[0])
            for i in range(self.depth):
                if i:
                    torch.mm(self.t_rows[i - 1], p.turned[i], out=self.bend[i])
                k.tangent(self.u[i], self.v[i], self.c_leading[i], self.s_leading[i], self.t[i])
        k.weighted_sum(self.right_top, a, self.head)
        k.head_down(a[:n], p.head, self.d)
        for i in range(top, -1, -1):
            k.down(self.d, self.c[i], self.u[i], self.z[i], self.biases[i])
            if i:
                torch.mm(self.left_turned[i], self.right[i - 1], out=self.product)
                self.weights[i - 1].copy_(self.product)
                torch.mm(self.z_rows[i], p.low[i], out=self.down)
        k.weighted_sum(self.left_first, self.x, self.first)


class Parameters:
    """A network's weights as the chunks want them: omega folded in, those of products in their precision."""

    def __init__(self, params: tuple[Tensor, ...], omegas: tuple[float, ...], dtype: torch.dtype) -> None:
        folded = [w.detach() * o for w, o in zip(params[0:-2:2], omegas, strict=True)]
        self.biases = [(b.detach() * o).numpy() for b, o in zip(params[1:-2:2], omegas, strict=True)]
        self.first = folded[0].T.contiguous().numpy()
        self.low = [w.to(dtype) for w in folded]
        self.turned = [w.T for w in self.low]
        self.head = params[-2].detach().numpy()


class Engine:
    """Runs steps of one network's shape on ``threads`` threads. A step's buffers go back once its backward is done."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or torch.get_num_threads()
        self._free: dict[tuple[Any, ...], list[list[Any]]] = {}

    def each(self, work: list[Callable[[], None]]) -> None:
        """Do all of it at once."""
        if self.threads == 1 or len(work) == 1:
            for w in work:
                w()
        else:
            for future in [pool_of(self.threads).submit(w) for w in work]:
                future.result()

    def buffers(self, key: tuple[Any, ...], make: Callable[[], list[Any]]) -> list[Any]:
        """Buffers of a step of this kind, kept from an earlier one or made; `give` takes them back."""
        free = self._free.setdefault(key, [])
        return free.pop() if free else make()

    def chunks(self, n: int, g: int, d: int, m: int, width: int, depth: int, dtype: torch.dtype) -> list[_Chunk]:
        """Chunks of a batch, each with its share of the samples that have a gradient."""
        threads = max(1, min(self.threads, n // MIN_CHUNK))
        count = threads * max(1, -(-n // (threads * CHUNK)))
        shares = [(size(g, i, count), size(n - g, i, count)) for i in range(count)]
        return [_Chunk(a + b, a, d, m, width, depth, dtype) for a, b in shares if a + b]

    def give(self, key: tuple[Any, ...], chunks: list[Any]) -> None:
        self._free[key].append(chunks)

    def value_and_gradient(self, net: Siren, x: Tensor, g: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """As `fused.fused_value_and_gradient`: of one output, or of several without gradients."""
        params = [p for layer in net.linears for p in (layer.weight, layer.bias)]
        value, gradient = _Native.apply(x, g, dtype, tuple(net.omegas()), self, *params)
        return value, gradient.unsqueeze(1).expand(-1, net.out_features, -1)


def size(total: int, part: int, parts: int) -> int:
    """Size of one of ``parts`` nearly equal parts."""
    return total * (part + 1) // parts - total * part // parts


def _ranges(chunks: list[_Chunk], g: int) -> Iterator[tuple[_Chunk, slice, slice]]:
    """Each chunk with its rows of the batch: those with a gradient, then the others."""
    lead, rest = 0, g
    for c in chunks:
        yield c, slice(lead, lead + c.g), slice(rest, rest + c.n - c.g)
        lead, rest = lead + c.g, rest + c.n - c.g


def parameter_gradients(parts: list[Any], omegas: tuple[float, ...]) -> list[Tensor]:
    """The sum over chunks of what each adds: weight and bias of the sine layers, first to last, then the head's weight."""

    def total(name: str) -> Tensor:
        return torch.from_numpy(np.sum([getattr(part, name) for part in parts], axis=0))

    first, biases = total("first"), total("biases")
    grads = [first.T * omegas[0], biases[0] * omegas[0]]
    for i in range(1, len(omegas)):
        weight = parts[0].weights[i - 1]
        for part in parts[1:]:
            weight += part.weights[i - 1]
        grads += [weight * omegas[i], biases[i] * omegas[i]]
    return [*grads, total("head")]


class _Native(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, g: int, dtype: torch.dtype, omegas: tuple[float, ...], engine: Engine, *params: Tensor
    ) -> tuple[Tensor, Tensor]:
        n, d, m, width, depth = len(x), x.shape[1], len(params[-1]), params[0].shape[0], len(omegas)
        key = (n, g, d, m, width, depth, dtype)
        chunks, weights = engine.buffers(key, lambda: engine.chunks(*key)), Parameters(params, omegas, dtype)
        source = x.detach().numpy()
        for c, lead, rest in _ranges(chunks, g):
            c.x[: c.g], c.x[c.g : c.n] = source[lead], source[rest]
        engine.each([lambda c=c: c.forward(weights) for c in chunks])  # type: ignore[misc]
        value, gradient = np.empty((n, m), np.float32), np.empty((g, d), np.float32)
        for c, lead, rest in _ranges(chunks, g):
            value[lead], value[rest], gradient[lead] = c.value[: c.g], c.value[c.g :], c.gradient
        ctx.saved = (engine, key, chunks, weights, omegas)
        return torch.from_numpy(value) + params[-1], torch.from_numpy(gradient)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_value: Tensor, grad_gradient: Tensor) -> tuple[Tensor | None, ...]:
        engine, key, chunks, weights, omegas = ctx.saved
        ctx.saved = None
        above, directions = grad_value.numpy(), grad_gradient.numpy()
        work = []
        for c, lead, rest in _ranges(chunks, key[1]):
            c.x[c.n :] = directions[lead]
            a = np.concatenate([above[lead], above[rest], np.ones((c.g, above.shape[1]), np.float32)])
            work.append(lambda c=c, a=a: c.backward(weights, a))
        engine.each(work)

        grads = parameter_gradients(chunks, omegas)
        engine.give(key, chunks)
        return None, None, None, None, None, *grads, grad_value.sum(0)


@contextmanager
def threads_for(engine: Engine | None) -> Iterator[None]:
    """One torch thread in the caller while an engine runs its steps.

    Torch's own threads wait busily for work after each operation, on the cores that the chunks need: 9.4 ms a step
    instead of 7.6 on two cores.
    """
    before = torch.get_num_threads()
    if engine is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
