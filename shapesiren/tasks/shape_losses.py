"""Loss terms of a signed distance field, in torch. Each returns one value per sample; the task averages and weighs.

This is the readable twin of `shape_losses_cpu.py`, which takes the same terms in machine code.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, huber_loss

# Box units from the points within which a known side counts less: an unsigned distance is to a point, not to the surface.
KNOWN_SIDE_WIDTH = 0.01


def on_surface(value: Tensor, tolerance: Tensor | float = 0.0) -> Tensor:
    """``|f(x)|`` for x on the surface (Sitzmann et al. 2020, eq. 6, second integral). (n,) -> (n,)

    Below ``tolerance``, a number or (n,), it is quadratic (Huber 1964, scaled so that the slope beyond is still 1): of points
    with normal noise the mean is a better guess than the median, and what lies far out still counts no more than its
    distance. Of exact points a small one quiets the gradient, whose size is else the same however small the residual.
    """
    return _absolute(value, tolerance)


def normal(gradient: Tensor, normals: Tensor, signed: bool = True) -> Tensor:
    """``1 - <grad f(x), n(x)>``, as the paper's code has it: the cosine of the angle between the two
    (eq. 6, second integral); off the surface, n is the direction of the guide's distance. (n, 3), (n, 3) -> (n,)

    Not ``signed``: of the angle to the line along n, whichever way n looks.
    """
    cosine = cosine_similarity(gradient, normals, dim=-1)
    return 1 - (cosine if signed else cosine.abs())


def eikonal(gradient: Tensor, power: int = 1) -> Tensor:
    """``| |grad f(x)| - 1 |^power`` anywhere (eq. 6, first integral; power 2: Gropp et al. 2020, eq. 4).
    (n, 3) -> (n,)
    """
    deviation = gradient.norm(dim=-1) - 1
    return deviation.abs() if power == 1 else deviation.square()


def off_surface(value: Tensor, sharpness: float) -> Tensor:
    """``psi(f(x)) = exp(-sharpness |f(x)|)`` for x off the surface (eq. 6, third integral): pushes other
    points' values away from zero. (n,) -> (n,)
    """
    return torch.exp(-sharpness * value.abs())


def distance(value: Tensor, target: Tensor, tolerance: float = 0.0) -> Tensor:
    """``|f(x) - d(x)|`` against the guide's signed distance d off the surface (DeepSDF, Park et al. 2019,
    eq. 4, without its clamp); quadratic below ``tolerance``, as in `on_surface`. (n,), (n,) -> (n,)
    """
    return _absolute(value - target, tolerance)


def trust(distance: Tensor, width: float) -> Tensor:
    """Weight of a guide sample: 1, falling to 0 at the guide's own surface within ``width`` (box units), where the scan knows
    better. (n,) -> (n,)
    """
    return (distance.abs() / width).clamp(max=1.0)


def sides(value: Tensor, distance: Tensor, known: Tensor, weight: Tensor, begins: bool) -> tuple[Tensor, Tensor]:
    """On which side of the surface samples with unsigned distances are, and how far that is trusted.

    Where the outside is known, it is outside. Elsewhere it is the field's own side, so that ``|f - side d| = | |f| - d |``
    (sign agnostic learning, Atzmon and Lipman 2020), once the field has one: as a fit begins, where no outside was reached is
    taken as inside, and what is in between does not count.

    Parameters
    ----------
    value : (n,) of the field
    distance : (n,) unsigned, box units
    known : (n,) 1 outside, -1 where no outside was reached, 0 in between
    weight : (n,) how far a side is trusted that is not known
    begins : whether the field has no sides of its own yet

    Returns
    -------
    side : (n,) 1 outside, -1 inside
    trust : (n,) from 0 to 1
    """
    outside = known > 0
    sure = trust(distance, KNOWN_SIDE_WIDTH)
    if begins:
        return torch.where(outside, 1.0, -1.0), torch.where(known == 0, 0.0, sure)
    return torch.where(outside, 1.0, torch.sign(value.detach())), torch.where(outside, sure, weight)


def _absolute(value: Tensor, tolerance: Tensor | float) -> Tensor:
    """``|value|``, quadratic below ``tolerance``."""
    if isinstance(tolerance, float):
        return huber_loss(value, torch.zeros_like(value), "none", tolerance) / tolerance if tolerance else value.abs()
    size = value.abs()
    return torch.where(size < tolerance, value.square() / (2 * tolerance.clamp(min=1e-9)), size - tolerance / 2)
