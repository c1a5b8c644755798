"""Reads field.safetensors and evaluates it, with numpy alone: a page to port to any language.

    python docs/read_field.py runs/scan/field.safetensors 0.1 0.2 0.3

The file (huggingface.co/docs/safetensors): 8 bytes, the little-endian length of a JSON header; the header; the tensors.
``header["__metadata__"]["shapesiren"]`` is JSON again: ``format`` 1, ``task``, ``net`` (kind, widths, omegas), and
``header`` with the ``frame`` {centre, scale} and, for images, sounds and videos, ``values`` {scale, offset}.
Tensors ``layers.K.weight`` (out, in) and ``layers.K.bias`` (out,) are float32; the last layer is linear.
"""

import json
import sys

import numpy as np


def read_field(path):
    """A field file -> its description, and its layers as pairs (weight, bias)."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    description = json.loads(header.pop("__metadata__")["shapesiren"])
    if description["format"] != 1 or description["net"]["kind"] != "siren":
        raise ValueError(f"not a SIREN of format 1: {description['format']}, {description['net']['kind']}")
    tensors = {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
    }
    count = description["net"]["hidden_layers"] + 2
    return description, [(tensors[f"layers.{k}.weight"], tensors[f"layers.{k}.bias"]) for k in range(count)]


def evaluate(description, layers, points):
    """Values (n, m) and gradients (n, m, d) at (n, d) points, in the user's coordinates and units."""
    frame, values = description["header"]["frame"], description["header"].get("values")
    net = description["net"]
    x = ((np.asarray(points, np.float64) - frame["centre"]) / frame["scale"]).astype(np.float32)
    jacobian = np.broadcast_to(np.eye(x.shape[1], dtype=np.float32), (len(x), x.shape[1], x.shape[1]))  # (n, units, d)
    for k, (weight, bias) in enumerate(layers[:-1]):
        omega = np.float32(net["omega_first"] if k == 0 else net["omega_hidden"])
        z = x @ (omega * weight).T + omega * bias
        jacobian = np.cos(z)[:, :, None] * ((omega * weight) @ jacobian)
        x = np.sin(z)
    weight, bias = layers[-1]
    scale, offset = (frame["scale"], 0.0) if values is None else (values["scale"], values["offset"])
    value = (x @ weight.T + bias).astype(np.float64) * scale + offset
    return value, (weight @ jacobian).astype(np.float64) * (scale / frame["scale"])


if __name__ == "__main__":
    field = read_field(sys.argv[1])
    value, gradient = evaluate(*field, [[float(v) for v in sys.argv[2:]]])
    print("value", *value[0])
    print("gradient", *gradient[0].ravel())
