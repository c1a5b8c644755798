"""How near decoding comes to the machine's rate: an image of N² from a field, beside the bare matrix products of its layers.

    python pipelines/bench/decode.py --size 1024          # half a minute on two cores

The field is a SIREN of width 256 with 3 hidden layers, three outputs and random weights. The best of some repeats counts.
"""

from __future__ import annotations

import torch
from common import parser, seconds_of

from shapesiren.media.image import grid
from shapesiren.nets.evaluate import CPU_CHUNK, values
from shapesiren.nets.siren import Siren


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--size", type=int, default=1024)
    arguments.add_argument("--repeats", type=int, default=5)
    args = arguments.parse_args()
    net = Siren(2, 3, generator=torch.Generator().manual_seed(0))
    points = grid(args.size, args.size, -1, -1, 1, 1).astype("float32")
    weights = [layer.weight.detach() for layer in net.linears]
    buffers = [torch.zeros((CPU_CHUNK, len(w))) for w in weights]
    coordinates = torch.from_numpy(points)

    def products() -> None:
        for start in range(0, len(points), CPU_CHUNK):
            h = coordinates[start : start + CPU_CHUNK]
            for weight, buffer in zip(weights, buffers, strict=True):
                h = torch.mm(h, weight.T, out=buffer[: len(h)])

    times = [(seconds_of(products), seconds_of(lambda: values(net, points))) for _ in range(args.repeats)]
    bare, decoded = (min(t[k] for t in times) for k in range(2))
    print(f"{args.size}² samples: products {bare:.2f} s, decoding {decoded:.2f} s, {decoded / bare:.2f} x")


if __name__ == "__main__":
    main()
