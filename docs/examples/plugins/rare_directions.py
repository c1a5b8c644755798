"""A sampler: half of each batch from where few normals look, so that the small faces of a scan are seen as often as large ones.

shapesiren fit scan.ply --plugin docs/examples/plugins/rare_directions.py
"""

import torch

import shapesiren


@shapesiren.plugin.sampler("rare-directions", share=0.5)
def rare_directions(scan: shapesiren.plugin.Scan) -> shapesiren.plugin.Draw:
    """Points are drawn by one over how many normals lie in the same cell of a 4 x 4 x 4 grid over the sphere of directions."""
    cell = ((scan.normals + 1) * 2).long().clamp(0, 3)
    index = (cell[:, 0] * 4 + cell[:, 1]) * 4 + cell[:, 2]
    ends = (1 / torch.bincount(index, minlength=64)[index].double()).cumsum(0)

    def draw(count: int, generator: torch.Generator) -> torch.Tensor:
        at = torch.rand(count, generator=generator, dtype=torch.float64) * ends[-1]
        return torch.searchsorted(ends, at).clamp(max=len(ends) - 1)

    return draw
