"""A peer as a command, for `all.py`: read a PLY with normals, reconstruct, write a PLY.

    python pipelines/bench/peer.py poissonrecon scan.ply mesh.ply --depth 9 --samples 1.5 --weight 10
    python pipelines/bench/peer.py open3d scan.ply mesh.ply --depth 8

Where the scan has no normals, they are estimated and oriented as a user of open3d would (`peers.usual_normals`).
The points are scaled into a box for it, as both programs do themselves, and the mesh is in the scan's coordinates.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import peers

from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.similarity import Similarity
from shapesiren.surface.io import write_mesh
from shapesiren.surface.mesh import TriangleMesh


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program", choices=("poissonrecon", "open3d"))
    arguments.add_argument("input", type=Path)
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--depth", type=int, default=8)
    arguments.add_argument("--samples", type=float, default=1.5)
    arguments.add_argument("--weight", type=float, default=4.0)
    args = arguments.parse_args()
    cloud = read_cloud(args.input)
    frame = Similarity.of_bounds(cloud.points.min(0), cloud.points.max(0), 1.8)
    points = frame.to_box(cloud.points)
    normals = cloud.normals if cloud.normals is not None else peers.usual_normals(points)
    if args.program == "open3d":
        made = next(peers.open3d_poisson(points, normals, [args.depth]))
    else:
        made = next(peers.tuned(points, normals, [peers.Setting(args.depth, args.samples, args.weight)]), None)
    if made is None:
        raise SystemExit("error: no surface with these settings")
    normals_of_mesh = np.zeros(made.vertices.shape, np.float32)  # nobody asks for them
    write_mesh(args.output, TriangleMesh(frame.to_user(made.vertices), made.faces, normals_of_mesh), frame, 2**args.depth)


if __name__ == "__main__":
    main()
