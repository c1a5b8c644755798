"""A loss term: the divergence of the field's gradient, small off the surface (Ben-Shabat et al. 2022, DiGS, eq. 8).

shapesiren fit scan.ply --plugin docs/examples/plugins/divergence.py
shapesiren fit scan.ply --plugin docs/examples/plugins/divergence.py --set loss.plugins.divergence=2
"""

import torch

import shapesiren
from shapesiren.nets.derivatives import value_gradient_laplacian


@shapesiren.plugin.loss("divergence", weight=0.1)
def divergence(batch: shapesiren.plugin.Batch) -> torch.Tensor:
    """Mean |laplacian f| at a few samples off the surface, fading out over the first half of the fit."""
    if batch.progress > 0.5:
        return batch.values.new_zeros(())
    _, _, laplacian = value_gradient_laplacian(batch.net, batch.elsewhere[:128])
    return laplacian.abs().clamp(max=50).mean() * (1 - 2 * batch.progress)
