"""A field as an ONNX graph, from the user's coordinates to the user's values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..facts import Facts
from ..field import Field
from ..nets.activations import Activation, relu, sine, tanh
from ..nets.local import Local
from ..nets.network import MLP, Network
from ..runtime.files import write_atomically
from ..version import __version__

OPSET, IR = 17, 8  # versions of the operators and of the file: onnxruntime 1.13 and later read them
OPERATORS: dict[Activation, str] = {sine: "Sin", relu: "Relu", tanh: "Tanh"}


class OnnxFacts(Facts):
    """What an ONNX file holds.

    inputs, outputs : names of the graph's
    opset : version of the operators
    """

    inputs: list[str]
    outputs: list[str]
    opset: int


class _Graph:
    """Nodes and constants under construction; every method returns the name of the tensor that it made."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self.helper, self.numpy = helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """An array that is part of the graph."""
        name = f"c{len(self.constants)}"
        self.constants.append(self.numpy.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """The output of an ONNX operator ``kind``, called ``out`` if that is given."""
        name = out or f"n{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def two(self, kind: str, *inputs: str) -> tuple[str, str]:
        """The two outputs of an operator that has so many."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name, f"{name}b"]))
        return name, f"{name}b"

    def activation(self, kind: Activation, z: str) -> str:
        """The activation at ``z``."""
        return self.node(OPERATORS[kind], z)

    def slope(self, kind: Activation, z: str, h: str) -> str:
        """The activation's derivative at ``z``, whose value there is ``h``."""
        if kind is sine:
            return self.node("Cos", z)
        if kind is tanh:
            return self.node("Sub", self.constant(np.float32(1)), self.node("Mul", h, h))
        from onnx import TensorProto

        return self.node("Cast", self.node("Greater", z, self.constant(np.float32(0))), to=TensorProto.FLOAT)


def write_onnx(field: Field, path: Path, gradient: bool) -> OnnxFacts:
    """Input ``points`` (n, d) float64; outputs ``values`` (n, m) and, if asked for, ``gradient`` (n, d), float64.

    The centre is taken off in float64, so that large coordinates keep their digits; the network runs in float32. The gradient
    is the chain rule written out: the head's weights, times each layer's slope and weights from the last one to the first.

    Raises
    ------
    InputError : the network has no such form, a gradient is asked of several values, or the package onnx is missing
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError:
        raise InputError("the package onnx is missing", where=path, hint="pip install 'shapesiren[onnx]'") from None
    net = field.net
    plain = isinstance(net, MLP) and all(activation in OPERATORS for *_, activation in net.activated_layers())
    if not plain and not isinstance(net, Local):
        hint = "siren, local, relu, tanh, relu-pe, rff do"
        raise InputError(f"a network of kind {net.kind} has no ONNX form here", where=path, hint=hint)
    if gradient and net.out_features != 1:
        raise InputError("only fields of one value have a gradient output", where="--gradient", hint="leave it out")
    g = _Graph()
    centred = g.node("Sub", "points", g.constant(np.array(field.frame.centre, np.float64)))
    x = g.node("Cast", g.node("Div", centred, g.constant(np.float64(field.frame.scale))), to=TensorProto.FLOAT)
    last, back = _local(g, net, x, gradient) if isinstance(net, Local) else _layers(g, net, x, gradient)
    values = field.header.values
    scale, offset = (field.frame.scale, 0.0) if values is None else (values.scale, values.offset)
    double = g.node("Cast", last, to=TensorProto.DOUBLE)
    scaled = g.node("Mul", double, g.constant(np.float64(scale)))
    g.node("Add", scaled, g.constant(np.float64(offset)), out="values")
    outputs = [helper.make_tensor_value_info("values", TensorProto.DOUBLE, ["n", net.out_features])]
    if gradient:
        up = g.node("Cast", back, to=TensorProto.DOUBLE)
        g.node("Mul", up, g.constant(np.float64(scale / field.frame.scale)), out="gradient")
        outputs.append(helper.make_tensor_value_info("gradient", TensorProto.DOUBLE, ["n", net.in_features]))
    inputs = [helper.make_tensor_value_info("points", TensorProto.DOUBLE, ["n", net.in_features])]
    graph = helper.make_graph(g.nodes, field.task, inputs, outputs, g.constants)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="shapesiren",
        producer_version=__version__,
    )
    helper.set_model_props(model, {"task": field.task, "header": json.dumps(field.header.tree())})
    checker.check_model(model)
    write_atomically(path, model.SerializeToString())
    return OnnxFacts(inputs=["points"], outputs=[o.name for o in outputs], opset=OPSET)


def _layers(g: _Graph, net: Network, x: str, gradient: bool) -> tuple[str, str]:
    """Values (n, m) of a network of layers at ``x`` (n, d), and its gradient (n, d) if asked for."""
    trail: list[tuple[str, str]] = []
    for weight, bias, activation in net.activated_layers():
        own = weight.detach().cpu().numpy()
        z = g.node("Gemm", x, g.constant(own.T), g.constant(bias.detach().cpu().numpy()))
        x = g.activation(activation, z)
        trail.append((g.slope(activation, z, x), g.constant(own)) if gradient else ("", ""))
    head, constant = (t.detach().cpu().numpy() for t in (net.linears[-1].weight, net.linears[-1].bias))
    last, back = g.node("Gemm", x, g.constant(head.T), g.constant(constant)), g.constant(head)
    for slope, w in reversed(trail):
        if gradient:
            back = g.node("MatMul", g.node("Mul", back, slope), w)
    return last, back


def _local(g: _Graph, net: Local, x: str, gradient: bool) -> tuple[str, str]:
    """The same of many networks in cells, by the formulas of ``nets/local.py``.

    ONNX has no octree: the weights of all cells are looked at, and as many of the largest are taken as cells reach anywhere.
    Memory is that of a few arrays of points x cells.
    """
    places = net.places.astype(np.float32)  # centre, reach, factor, zoom
    w, b, heads = (t.detach().cpu().numpy() for t in (net.frequencies, net.phases, net.heads))
    most = min(int(np.diff(net.neighbours[0]).max()), len(places))
    one, last = g.constant(np.float32(1)), g.constant(np.array([-1]))

    def total(a: str, axis: str, keep: int = 0) -> str:
        return g.node("ReduceSum", a, axis, keepdims=keep)

    inside = g.node("Clip", x, g.constant(np.float32(-net.half_side)), g.constant(np.float32(net.half_side)))
    weights = g.constant(places[:, 4] ** (1 / 3))
    for k in range(3):
        along = g.node("Gather", inside, g.constant(np.array([k])), axis=1)  # (n, 1)
        t = g.node("Div", g.node("Sub", along, g.constant(places[:, k])), g.constant(places[:, 3]))
        weights = g.node("Mul", weights, g.node("Relu", g.node("Sub", one, g.node("Mul", t, t))))
    cubed = g.node("Mul", weights, g.node("Mul", weights, weights))
    weight, index = g.two("TopK", cubed, g.constant(np.array([most])))  # (n, K)

    def of(columns: NDArray[Any]) -> str:
        return g.node("Gather", g.constant(columns), index, axis=0)

    reach, zoom, waves, slope = of(places[:, 3:4]), of(places[:, 5:6]), of(heads[:, :-4]), of(heads[:, -3:])
    t = g.node("Div", g.node("Sub", g.node("Unsqueeze", inside, g.constant(np.array([1]))), of(places[:, :3])), reach)
    phase = g.node("Add", g.node("Mul", g.node("MatMul", t, g.constant(w)), zoom), g.constant(b))
    value = g.node("Add", total(g.node("Mul", g.node("Sin", phase), waves), last), of(heads[:, -4]))
    value = g.node("Add", value, total(g.node("Mul", t, slope), last))  # (n, K)
    sure = total(weight, last, 1)
    mean = g.node("Div", total(g.node("Mul", weight, value), last, 1), sure)  # (n, 1)
    away = g.node("Sub", x, inside)
    distance = g.node("Sqrt", total(g.node("Mul", away, away), last, 1))
    out = g.node("Add", mean, distance)
    if not gradient:
        return out, ""
    rows = g.constant(np.array([1]))
    bent = g.node("MatMul", g.node("Mul", g.node("Cos", phase), waves), g.constant(np.ascontiguousarray(w.T)))
    own = g.node("Div", g.node("Add", g.node("Mul", bent, zoom), slope), reach)
    u = g.node("Max", g.node("Sub", one, g.node("Mul", t, t)), g.constant(np.float32(1e-12)))
    each = g.node("Unsqueeze", weight, last)  # (n, K, 1)
    steep = g.node("Div", g.node("Mul", g.node("Mul", t, each), g.constant(np.float32(-6))), g.node("Mul", u, reach))
    moved = g.node("Add", g.node("Mul", steep, g.node("Unsqueeze", value, last)), g.node("Mul", each, own))
    top = g.node("Sub", total(moved, rows), g.node("Mul", mean, total(steep, rows)))
    still = g.node("Cast", g.node("Equal", away, g.constant(np.float32(0))), to=1)  # 1 is float32
    beyond = g.node("Div", away, g.node("Max", distance, g.constant(np.float32(1e-30))))
    return out, g.node("Add", g.node("Mul", g.node("Div", top, sure), still), beyond)
