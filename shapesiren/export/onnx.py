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
from ..nets.network import MLP
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
    layers = list(net.activated_layers()) if isinstance(net, MLP) else []
    if not layers or any(activation not in OPERATORS for *_, activation in layers):
        raise InputError(
            f"a network of kind {net.kind} has no ONNX form here", where=path, hint="siren, relu, tanh, relu-pe, rff do"
        )
    if gradient and net.out_features != 1:
        raise InputError("only fields of one value have a gradient output", where="--gradient", hint="leave it out")
    g = _Graph()
    centred = g.node("Sub", "points", g.constant(np.array(field.frame.centre, np.float64)))
    x = g.node("Cast", g.node("Div", centred, g.constant(np.float64(field.frame.scale))), to=TensorProto.FLOAT)
    trail: list[tuple[str, str]] = []
    for weight, bias, activation in layers:
        own = weight.detach().cpu().numpy()
        z = g.node("Gemm", x, g.constant(own.T), g.constant(bias.detach().cpu().numpy()))
        x = g.activation(activation, z)
        trail.append((g.slope(activation, z, x), g.constant(own)) if gradient else ("", ""))
    head = net.linears[-1]
    last = g.node("Gemm", x, g.constant(head.weight.detach().cpu().numpy().T), g.constant(head.bias.detach().cpu().numpy()))
    values = field.header.values
    scale, offset = (field.frame.scale, 0.0) if values is None else (values.scale, values.offset)
    double = g.node("Cast", last, to=TensorProto.DOUBLE)
    scaled = g.node("Mul", double, g.constant(np.float64(scale)))
    g.node("Add", scaled, g.constant(np.float64(offset)), out="values")
    outputs = [helper.make_tensor_value_info("values", TensorProto.DOUBLE, ["n", net.out_features])]
    if gradient:
        back = g.constant(head.weight.detach().cpu().numpy())
        for slope, w in reversed(trail):
            back = g.node("MatMul", g.node("Mul", back, slope), w)
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
