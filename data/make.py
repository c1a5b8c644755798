"""Makes the example signals of this folder: python data/make.py"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.pointcloud.synthetic.shapes import trefoil_curve

HERE = Path(__file__).parent


def trefoil() -> None:
    """A knot whose colour goes round the circle of hues once along the curve."""
    cloud = scan("trefoil", Scanner(points=40_000, seed=7))
    table = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    along = table[cKDTree(trefoil_curve(table)).query(cloud.points)[1]]
    colours = np.stack([0.5 + 0.42 * np.cos(along - shift) for shift in (0.0, 2.1, 4.2)], 1)
    write_scan(HERE / "trefoil.ply", replace(cloud, colours=np.rint(colours * 255).astype(np.uint8)))


if __name__ == "__main__":
    trefoil()
