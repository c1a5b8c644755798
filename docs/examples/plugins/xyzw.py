"""A file format: ``.xyzw``, lines of x y z and a weight, of which points without weight are left out; and meshes as ``.tri``.

shapesiren fit scan.xyzw --plugin docs/examples/plugins/xyzw.py
shapesiren mesh runs/scan --plugin docs/examples/plugins/xyzw.py -o scan.tri
"""

from pathlib import Path

import numpy as np

import shapesiren
from shapesiren.surface.mesh import TriangleMesh


@shapesiren.plugin.reader(".xyzw")
def read(path: Path) -> dict[str, np.ndarray]:
    table = np.loadtxt(path, ndmin=2)
    return {"points": table[table[:, 3] > 0, :3]}


@shapesiren.plugin.writer(".tri")
def write(mesh: TriangleMesh) -> str:
    """Each triangle as a line of its nine coordinates."""
    return "".join(" ".join(f"{v:.9g}" for v in corner) + "\n" for corner in mesh.vertices[mesh.faces].reshape(-1, 9))
