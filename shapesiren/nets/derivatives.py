"""Derivatives of a SIREN with respect to its input, in closed form, each beside its autograd twin.

The closed forms carry the derivatives forward through the layers by the chain rule (sin -> cos -> -sin).
A loss on them therefore needs one ordinary backward pass; the autograd twins need a double (or triple)
backward and stand here as the reference that the tests hold the closed forms to.

Shapes throughout: ``x`` (n, d), value (n, m), gradient (n, m, d), Laplacian (n, m), Hessian (n, m, d, d).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .siren import Siren


def _sine_layers(net: Siren) -> Iterator[tuple[Tensor, Tensor]]:
    """(weight, bias) of each sine layer with omega folded in: ``h = sin(W h + b)``."""
    for layer, omega in zip(net.linears[:-1], net.omegas(), strict=True):
        yield omega * layer.weight, omega * layer.bias


def value_and_gradient(net: Siren, x: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient: ``J_l = cos(z_l) * (W_l J_{l-1})``, with ``J_{-1}`` the identity.

    Returns
    -------
    value : (n, m)
    gradient : (n, m, d)
    """
    h, jac = x, x
    for i, (weight, bias) in enumerate(_sine_layers(net)):
        z = torch.addmm(bias, h, weight.T)
        jz = weight.T.expand(len(x), -1, -1) if i == 0 else jac @ weight.T  # (n, d, width)
        h, jac = torch.sin(z), torch.cos(z).unsqueeze(1) * jz
    head = net.linears[-1]
    return head(h), (jac @ head.weight.T).transpose(1, 2)


def value_gradient_laplacian(net: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value, gradient and Laplacian in one pass (a forward Laplacian).

    ``L_l = cos(z_l) (W_l L_{l-1}) - sin(z_l) sum_k (W_l J_{l-1})_k^2``.

    Returns
    -------
    value : (n, m)
    gradient : (n, m, d)
    laplacian : (n, m)
    """
    h, jac, lap = x, x, x
    for i, (weight, bias) in enumerate(_sine_layers(net)):
        z = torch.addmm(bias, h, weight.T)
        s, c = torch.sin(z), torch.cos(z)
        jz = weight.T.expand(len(x), -1, -1) if i == 0 else jac @ weight.T
        bend = -s * jz.square().sum(1)
        lap = bend if i == 0 else torch.addcmul(bend, c, lap @ weight.T)
        h, jac = s, c.unsqueeze(1) * jz
    head = net.linears[-1]
    return head(h), (jac @ head.weight.T).transpose(1, 2), lap @ head.weight.T


def value_gradient_hessian(net: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value, gradient and full Hessian: ``H_l = cos(z) (W H) - sin(z) (W J) (W J)^T``.

    Returns
    -------
    value : (n, m)
    gradient : (n, m, d)
    hessian : (n, m, d, d), symmetric
    """
    h, jac, hes = x, x, x
    for i, (weight, bias) in enumerate(_sine_layers(net)):
        z = torch.addmm(bias, h, weight.T)
        s, c = torch.sin(z), torch.cos(z)
        jz = weight.T.expand(len(x), -1, -1) if i == 0 else jac @ weight.T
        bend = -s[:, None, None] * (jz.unsqueeze(1) * jz.unsqueeze(2))  # (n, d, d, width)
        hes = bend if i == 0 else bend + c[:, None, None] * (hes @ weight.T)
        h, jac = s, c.unsqueeze(1) * jz
    head = net.linears[-1]
    hessian = (hes @ head.weight.T).permute(0, 3, 1, 2)
    return head(h), (jac @ head.weight.T).transpose(1, 2), hessian


def _gradient_of(y: Tensor, x: Tensor, keep: bool) -> Tensor:
    """(n,) outputs, (n, d) inputs -> (n, d); samples are independent, so summing separates them."""
    return torch.autograd.grad(y.sum(), x, create_graph=keep)[0]


def autograd_value_and_gradient(net: Siren, x: Tensor, create_graph: bool = True) -> tuple[Tensor, Tensor]:
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


def autograd_value_gradient_hessian(net: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Twin of `value_gradient_hessian` by repeated autograd."""
    x = x.detach().requires_grad_()
    value, gradient = autograd_value_and_gradient(net, x)
    rows = [
        torch.stack([_gradient_of(gradient[:, m, k], x, True) for k in range(x.shape[1])], 1) for m in range(value.shape[1])
    ]
    return value, gradient, torch.stack(rows, 1)


def autograd_value_gradient_laplacian(net: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Twin of `value_gradient_laplacian`: the trace of the autograd Hessian."""
    value, gradient, hessian = autograd_value_gradient_hessian(net, x)
    return value, gradient, hessian.diagonal(dim1=2, dim2=3).sum(-1)
