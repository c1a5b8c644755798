"""How near decoding comes to the machine's rate: an image of N² from a field, beside the bare matrix products of its layers.

python pipelines/bench/decode.py --size 1024
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from shapesiren.media.image import grid
from shapesiren.nets.evaluate import CPU_CHUNK, values
from shapesiren.nets.siren import Siren


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    net = Siren(2, 3, generator=torch.Generator().manual_seed(0))
    points = grid(args.size, args.size, -1, -1, 1, 1).astype("float32")
    layers = [layer.weight.detach() for layer in net.linears]
    buffers = [torch.zeros((CPU_CHUNK, len(w))) for w in layers]
    coordinates = torch.from_numpy(points)

    def products() -> None:
        for start in range(0, len(points), CPU_CHUNK):
            h = coordinates[start : start + CPU_CHUNK]
            for weight, buffer in zip(layers, buffers, strict=True):
                h = torch.mm(h, weight.T, out=buffer[: len(h)])

    times = [(seconds(products), seconds(lambda: values(net, points))) for _ in range(args.repeats)]
    bare, decoded = (min(t[k] for t in times) for k in range(2))
    print(f"{args.size}² samples: products {bare:.2f} s, decoding {decoded:.2f} s, {decoded / bare:.2f} x")


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
