"""On which side of an open surface a place is, far from all points: votes that spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..nets.octree import Octree

Array = NDArray[np.float64]

TOUCHING = 1.01  # cells across within which one touches another
HELD, FREE = 1e3, 1e-6  # how firmly votes are held, and 0 where there is none, beside the firmest tie to a neighbour


def spread(octree: Octree, leaves: NDArray[np.int64], votes: Array, sure: NDArray[np.bool_]) -> Array:
    """From -1, inside, to 1, outside, of leaves (c,) of the octree: those that are ``sure`` keep their votes, any other is the
    mean of those that touch it, weighed by the smaller one's face and the distance of their centres.

    A harmonic function, as the winding number is one, but with values that are known on both sides of an open surface. Beyond
    its borders it goes from one to the other once, and evenly. Other leaves, those with points, let nothing through.
    """
    from scipy.sparse import csr_matrix, diags
    from scipy.sparse.linalg import cg

    starts, members = octree.reaching_into(TOUCHING)
    place = np.full(len(octree.cells), -1)
    place[leaves] = np.arange(len(leaves))
    row, col = place[np.repeat(np.arange(len(octree.cells)), np.diff(starts))], place[members]
    both = (row >= 0) & (col >= 0) & (row != col)
    row, col = row[both], col[both]
    half, centres = octree.halves[leaves], octree.centres[leaves]
    faces = np.minimum(half[row], half[col]) ** 2 / np.linalg.norm(centres[row] - centres[col], axis=1)
    graph = csr_matrix((faces, (row, col)), (len(leaves), len(leaves)))
    graph = graph.maximum(graph.T)
    fixed = np.where(sure, HELD, FREE) * faces.max()
    matrix = diags(np.asarray(graph.sum(1))[:, 0] + fixed) - graph
    start = np.where(sure, votes, 0)
    found: Array = cg(matrix, fixed * start, x0=start, rtol=1e-4, maxiter=1000, M=diags(1 / matrix.diagonal()))[0]
    return np.clip(found, -1, 1)
