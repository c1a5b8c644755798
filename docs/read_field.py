"""Reads field.safetensors and evaluates it, with numpy alone: a page to port to any language.

    python docs/read_field.py runs/scan/field.safetensors 0.1 0.2 0.3

The file (huggingface.co/docs/safetensors): 8 bytes, the little-endian length of a JSON header; the header; the tensors.
``header["__metadata__"]["shapesiren"]`` is JSON again: ``format`` 1, ``task``, ``net`` (kind, widths, omegas), and
``header`` with the ``frame`` {centre, scale} and, for images, sounds and videos, ``values`` {scale, offset}.
Of a SIREN tensors ``layers.K.weight`` (out, in) and ``layers.K.bias`` (out,) are float32; the last layer is linear. Of a local
network, many small ones in the cells of an octree: ``frequencies`` (3, U) and ``phases`` (U,) that they share, ``heads``
(L, U + 4), ``zoom`` (L,), and ``cells`` (L, 4), int32: level and coordinates of each cell.
"""

import json
import sys

import numpy as np

TYPES = {"F32": "<f4", "I32": "<i4"}


def read_field(path):
    """A field file -> its description, and its tensors by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    description = json.loads(header.pop("__metadata__")["shapesiren"])
    if description["format"] != 1 or description["net"]["kind"] not in ("siren", "local"):
        raise ValueError(f"not a SIREN of format 1: {description['format']}, {description['net']['kind']}")
    return description, {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


def evaluate(description, tensors, points):
    """Values (n, m) and gradients (n, m, d) at (n, d) points, in the user's coordinates and units."""
    frame, values = description["header"]["frame"], description["header"].get("values")
    net = description["net"]
    x = ((np.asarray(points, np.float64) - frame["centre"]) / frame["scale"]).astype(np.float32)
    value, gradient = {"siren": siren, "local": local}[net["kind"]](net, tensors, x)
    scale, offset = (frame["scale"], 0.0) if values is None else (values["scale"], values["offset"])
    return value.astype(np.float64) * scale + offset, gradient.astype(np.float64) * (scale / frame["scale"])


def siren(net, tensors, x):
    count = net["hidden_layers"] + 2
    layers = [(tensors[f"layers.{k}.weight"], tensors[f"layers.{k}.bias"]) for k in range(count)]
    jacobian = np.broadcast_to(np.eye(x.shape[1], dtype=np.float32), (len(x), x.shape[1], x.shape[1]))  # (n, units, d)
    for k, (weight, bias) in enumerate(layers[:-1]):
        omega = np.float32(net["omega_first"] if k == 0 else net["omega_hidden"])
        z = x @ (omega * weight).T + omega * bias
        jacobian = np.cos(z)[:, :, None] * ((omega * weight) @ jacobian)
        x = np.sin(z)
    weight, bias = layers[-1]
    return x @ weight.T + bias, weight @ jacobian


def local(net, tensors, x):
    """f = sum of w_a f_a / sum of w_a over the cells a whose support, ``support`` times as wide as the cell, holds x; f_a is a
    layer of sines with a linear head, in coordinates t from -1 to 1 across the support; w_a = prod (1 - t^2)^3 / side^2."""
    w, b, heads, zoom = (tensors[name] for name in ("frequencies", "phases", "heads", "zoom"))
    level, at = tensors["cells"][:, 0], tensors["cells"][:, 1:]
    half = net["half"] / 2.0**level  # of each cell
    centre, reach = (2 * at + 1) * half[:, None] - net["half"], net["support"] * half
    inside = np.clip(x, -net["half"], net["half"])
    value, gradient = np.empty((len(x), 1)), np.empty((len(x), 1, 3))
    for i, y in enumerate(inside):
        a = np.flatnonzero((np.abs(y - centre) < reach[:, None]).all(1))
        t, r = (y - centre[a]) / reach[a, None], reach[a, None]
        phase = zoom[a, None] * (t @ w) + b
        f = (np.sin(phase) * heads[a, :-4]).sum(1) + heads[a, -4] + (t * heads[a, -3:]).sum(1)
        slope = (zoom[a, None] * ((np.cos(phase) * heads[a, :-4]) @ w.T) + heads[a, -3:]) / r
        weight = (1 - t * t).prod(1) ** 3 * (half.min() / half[a]) ** 2
        steep = -6 * t / (1 - t * t) * weight[:, None] / r
        total = weight.sum()
        value[i] = (weight * f).sum() / total
        gradient[i] = (steep * f[:, None] + weight[:, None] * slope).sum(0) / total - value[i] * steep.sum(0) / total
    away = x - inside  # beyond the octree's cube: its value there, and the distance to it
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    gradient[:, 0] = np.where(away == 0, gradient[:, 0], 0) + away / np.maximum(distance, 1e-30)
    return value + distance, gradient


if __name__ == "__main__":
    field = read_field(sys.argv[1])
    value, gradient = evaluate(*field, [[float(v) for v in sys.argv[2:]]])
    print("value", *value[0])
    print("gradient", *gradient[0].ravel())
