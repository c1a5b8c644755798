"""Derivatives of a network with respect to its input, in closed form, each beside its autograd twin.

The closed forms carry the derivatives forward through the layers by the chain rule (for a SIREN: sin -> cos -> -sin).
A loss on them therefore needs one ordinary backward pass; the autograd twins need a double (or triple)
backward and stand here as the reference that the tests hold the closed forms to.

Shapes throughout: ``x`` (n, d), value (n, m), gradient (n, m, d), Laplacian (n, m), Hessian (n, m, d, d).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor

from .local import Local
from .network import Network
from .plugged import Plugged


def value_and_gradient(net: Network, x: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient: ``J_l = a'(z_l) * (W_l J_{l-1})`` for activation a, with ``J_{-1}`` the identity.

    Returns
    -------
    value : (n, m)
    gradient : (n, m, d)
    """
    if isinstance(net, Local):
        return cast(tuple[Tensor, Tensor], net.derivatives(x, 1))
    if isinstance(net, Plugged):
        return _by_autograd(autograd_value_and_gradient, net, x)
    h, jac = x, x
    for i, (weight, bias, activation) in enumerate(net.activated_layers()):
        z = torch.addmm(bias, h, weight.T)
        jz = weight.T.expand(len(x), -1, -1) if i == 0 else jac @ weight.T  # (n, d, width)
        h, slope = activation(z, 1)
        jac = slope.unsqueeze(1) * jz
    head = net.linears[-1]
    return head(h), (jac @ head.weight.T).transpose(1, 2)


def value_gradient_laplacian(net: Network, x: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Value, gradient and Laplacian in one pass (a forward Laplacian).

    ``L_l = a'(z_l) (W_l L_{l-1}) + a''(z_l) sum_k g_k (W_l J_{l-1})_k^2``, with g = 1, or ``weights`` (n, d) for any other sum
    of second derivatives along the coordinates, such as a wave operator.

    Returns
    -------
    value : (n, m)
    gradient : (n, m, d)
    laplacian : (n, m)
    """
    if isinstance(net, Local):
        value, gradient, hessian = net.derivatives(x, 2)
        diagonal = hessian.diagonal(dim1=2, dim2=3)
        return value, gradient, (diagonal if weights is None else diagonal * weights.unsqueeze(1)).sum(2)
    if isinstance(net, Plugged):
        value, gradient, hessian = _by_autograd(autograd_value_gradient_hessian, net, x)
        diagonal = hessian.diagonal(dim1=2, dim2=3)
        return value, gradient, (diagonal if weights is None else diagonal * weights.unsqueeze(1)).sum(2)
    h, jac, lap = x, x, x
    for i, (weight, bias, activation) in enumerate(net.activated_layers()):
        z = torch.addmm(bias, h, weight.T)
        h_next, slope, second = activation(z, 2)
        jz = weight.T.expand(len(x), -1, -1) if i == 0 else jac @ weight.T
        squares = jz.square()
        bend = second * (squares if weights is None else squares * weights.unsqueeze(2)).sum(1)
        lap = bend if i == 0 else torch.addcmul(bend, slope, lap @ weight.T)
        h, jac = h_next, slope.unsqueeze(1) * jz
    head = net.linears[-1]
    return head(h), (jac @ head.weight.T).transpose(1, 2), lap @ head.weight.T


def value_gradient_diagonal(net: Network, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value (n, m), gradient (n, m, d) and the Hessian's diagonal (n, m, d), for operators that weigh its entries."""
    head = net.linears[-1]
    h, jac, diagonal = hidden_derivatives(net, x)
    return head(h), (jac @ head.weight.T).transpose(1, 2), (diagonal @ head.weight.T).transpose(1, 2)


def hidden_derivatives(net: Network, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the head is given, (n, width), with its gradient and its Hessian's diagonal, (n, d, width) each.

    ``D_l = a'(z) (W D) + a''(z) (W J)^2``. In the precision of the network's weights, which must be that of x.
    """
    h, jac, diagonal = x, x, x
    for i, (weight, bias, activation) in enumerate(net.activated_layers()):
        z = torch.addmm(bias, h, weight.T)
        h_next, slope, second = activation(z, 2)
        jz = weight.T.expand(len(x), -1, -1) if i == 0 else jac @ weight.T
        bend = second.unsqueeze(1) * jz.square()
        diagonal = bend if i == 0 else torch.addcmul(bend, slope.unsqueeze(1), diagonal @ weight.T)
        h, jac = h_next, slope.unsqueeze(1) * jz
    return h, jac, diagonal


def value_gradient_hessian(net: Network, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value, gradient and full Hessian: ``H_l = a'(z) (W H) + a''(z) (W J) (W J)^T``.

    Returns
    -------
    value : (n, m)
    gradient : (n, m, d)
    hessian : (n, m, d, d), symmetric
    """
    if isinstance(net, Local):
        return cast(tuple[Tensor, Tensor, Tensor], net.derivatives(x, 2))
    if isinstance(net, Plugged):
        return _by_autograd(autograd_value_gradient_hessian, net, x)
    h, jac, hes = x, x, x
    for i, (weight, bias, activation) in enumerate(net.activated_layers()):
        z = torch.addmm(bias, h, weight.T)
        h_next, slope, second = activation(z, 2)
        jz = weight.T.expand(len(x), -1, -1) if i == 0 else jac @ weight.T
        bend = second[:, None, None] * (jz.unsqueeze(1) * jz.unsqueeze(2))  # (n, d, d, width)
        hes = bend if i == 0 else bend + slope[:, None, None] * (hes @ weight.T)
        h, jac = h_next, slope.unsqueeze(1) * jz
    head = net.linears[-1]
    hessian = (hes @ head.weight.T).permute(0, 3, 1, 2)
    return head(h), (jac @ head.weight.T).transpose(1, 2), hessian


T = TypeVar("T", bound=tuple[Tensor, ...])


def _by_autograd(twin: Callable[[Network, Tensor], T], net: Network, x: Tensor) -> T:
    """What a twin gives of a network that has no closed forms; with its graph only where one is wanted."""
    wanted = torch.is_grad_enabled()
    with torch.enable_grad():
        made = twin(net, x)
    return made if wanted else cast(T, tuple(t.detach() for t in made))


def _gradient_of(y: Tensor, x: Tensor, keep: bool) -> Tensor:
    """(n,) outputs, (n, d) inputs -> (n, d); samples are independent, so summing separates them."""
    return torch.autograd.grad(y.sum(), x, create_graph=keep)[0]


def autograd_value_and_gradient(net: Network, x: Tensor, create_graph: bool = True) -> tuple[Tensor, Tensor]:
    """Twin of `value_and_gradient` by reverse-mode autograd; the way the paper's code takes it."""
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    value = net(x)
    columns = range(value.shape[1])
    grads = []
    for m in columns:
        keep = create_graph or m < len(columns) - 1
        grads.append(torch.autograd.grad(value[:, m].sum(), x, create_graph=create_graph, retain_graph=keep)[0])
    return value, torch.stack(grads, 1)


def autograd_value_gradient_hessian(net: Network, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Twin of `value_gradient_hessian` by repeated autograd."""
    x = x.detach().requires_grad_()
    value, gradient = autograd_value_and_gradient(net, x)
    rows = [
        torch.stack([_gradient_of(gradient[:, m, k], x, True) for k in range(x.shape[1])], 1) for m in range(value.shape[1])
    ]
    return value, gradient, torch.stack(rows, 1)


def autograd_value_gradient_laplacian(net: Network, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Twin of `value_gradient_laplacian`: the trace of the autograd Hessian."""
    value, gradient, hessian = autograd_value_gradient_hessian(net, x)
    return value, gradient, hessian.diagonal(dim1=2, dim2=3).sum(-1)
