"""What receivers measure: read from a file, or simulated for a medium that is known; and the equations of its inversion.

The field of a source is the known one in the background plus a scattered one, ``u = u_0 + v`` with ``L v = -k^2 m (u_0 + v)``,
where L is the Helmholtz operator of the background (speed 1) and m the change of squared slowness. So sources, which a
network would spend itself on, are exact, and what is sought is smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..header import ValueScale
from ..similarity import Similarity
from .equation import Assembled, Equation
from .facts import InversionFacts
from .greens_function import hankel
from .headers import InversionHeader, described
from .helmholtz import helmholtz_operator
from .problems import Inversion, Source
from .sampling import refined
from .settings import IngestSettings

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
TRUTH_CELLS = 40  # of a simulation, to a wave


def read_measurements(path: Path, strength: tuple[float, float]) -> tuple[list[Source], Array, Complex]:
    """Sources, receivers (r, 2) and values (r, sources) of a .mat or .npz file.

    Raises
    ------
    InputError : naming what is missing or does not fit
    """
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path) as held:
                tree: dict[str, Any] = {k: held[k] for k in held.files}
        elif path.suffix.lower() == ".mat":
            from scipy.io import loadmat

            tree = loadmat(path)
        else:
            raise InputError(f"unknown measurements {path.suffix!r}", where=path, hint="known: .mat .npz")
        places, receivers, values = (np.asarray(tree[k]) for k in ("source", "receivers", "rec_val"))
    except FileNotFoundError:
        raise InputError("no such file", where=path) from None
    except KeyError as e:
        raise InputError(f"no array {e} in it", where=path, hint="source (s, 2), receivers (r, 2), rec_val (r, s)") from None
    except InputError:
        raise
    except Exception as e:  # what parsers of damaged files raise
        raise InputError(f"damaged ({' '.join(str(e).split())[:100]})", where=path) from None
    if places.ndim != 2 or receivers.ndim != 2 or values.shape != (len(receivers), len(places)):
        raise InputError(
            f"shapes {places.shape}, {receivers.shape}, {values.shape} do not fit",
            where=path,
            hint="source (s, 2), receivers (r, 2), rec_val (r, s)",
        )
    if not (np.isfinite(values).all() and np.isfinite(places).all() and np.isfinite(receivers).all()):
        raise InputError("values that are not finite", where=path)
    sources = [Source(position=(float(x), float(y)), strength=strength, width=0.0) for x, y in places]
    return sources, receivers.astype(np.float64), values.astype(np.complex128)


def setup(problem: Inversion, folder: Path, seed: int) -> tuple[list[Source], Array, Complex]:
    """Sources, receivers (r, 2) and measurements (r, sources) of a problem."""
    if problem.measurements is not None:
        sources, receivers, values = read_measurements(folder / problem.measurements, problem.strength)
        inner = problem.domain
        for what, points in (("source", [s.position for s in sources]), ("receiver", receivers)):
            outside = [p for p in points if not inner.contains((float(p[0]), float(p[1])), problem.pml.width)]
            if outside:
                at = f"({outside[0][0]:g}, {outside[0][1]:g})"
                raise InputError(f"a {what} at {at} is not inside the layers", where=folder / problem.measurements)
        return sources, receivers, values
    sources = list(problem.source)
    lines = [np.linspace(line.start, line.end, line.count) for line in problem.receivers]
    receivers = np.concatenate(lines)
    values = simulate(problem, sources, receivers, folder)
    if problem.noise:
        rng = np.random.default_rng(seed)
        spread = problem.noise * float(np.sqrt(np.mean(np.abs(values) ** 2))) / np.sqrt(2)
        values = values + spread * (rng.standard_normal(values.shape) + 1j * rng.standard_normal(values.shape))
    return sources, receivers, values


def _points(problem: Inversion, frame: Similarity, count: int, seed: int) -> tuple[Array, Array]:
    """Points (n, 2) of the box and areas: a third of them where the medium is sought, whose part of the domain is small."""
    low, high = (frame.to_box(np.array([c]))[0] for c in (problem.domain.low, problem.domain.high))
    a, b = (frame.to_box(np.array([c]))[0] for c in (problem.unknown.low, problem.unknown.high))
    x, weight = refined(low, high, count * 2 // 3, [], seed)
    outside = ~((x > a) & (x < b)).all(1)
    dense, area = refined(a, b, count // 3, [], seed + 1)
    return np.concatenate([x[outside], dense]), np.concatenate([weight[outside], area])


def simulate(problem: Inversion, sources: Sequence[Source], receivers: Array, folder: Path) -> Complex:
    """What receivers measure of the true medium, (r, sources), by finite differences."""
    from .scattering import Scattering

    assert problem.truth is not None
    side = float(max(np.subtract(problem.domain.high, problem.domain.low)))
    cells = int(min(800, TRUTH_CELLS * side * problem.wavenumber / problem.truth.range()[0] / (2 * np.pi)))
    solver = Scattering(problem, sources, receivers, cells)
    return solver.measured(solver.change_of(problem.truth, folder)) + hankel(sources, problem.wavenumber, receivers)


def inversion(problem: Inversion, frame: Similarity, folder: Path, settings: IngestSettings, seed: int) -> Assembled:
    """The equations of an inversion, what is measured among them."""
    sources, receivers, values = setup(problem, folder, seed)
    low, high = (frame.to_box(np.array([c]))[0] for c in (problem.domain.low, problem.domain.high))
    x, weight = _points(problem, frame, settings.points, seed)
    kappa = problem.wavenumber * frame.scale
    k = np.full(len(x), kappa)
    width = problem.pml.width / frame.scale
    operator = helmholtz_operator(x, k**2, low, high, width, problem.pml.strength) / kappa**2
    scattered = values - hankel(sources, problem.wavenumber, receivers)
    size = float(np.sqrt(np.mean(np.abs(values) ** 2)))
    if size == 0:
        raise InputError("the measurements are all zero", where="inversion")
    user = frame.to_user(x)
    inside = ((user > problem.unknown.low) & (user < problem.unknown.high)).all(1)
    for s in sources:
        if problem.unknown.contains(s.position):
            raise InputError(f"source at {s.position} is in the unknown part", where="unknown", hint="make it smaller")
    count = len(sources)
    interior = Equation(x, operator, np.zeros((len(x), count), np.complex128), weight)
    reading = np.zeros((len(receivers), 5), np.complex128)
    reading[:, 0] = 1
    data = Equation(frame.to_box(receivers), reading, scattered / size, np.full(len(receivers), 1 / len(receivers)))
    incident = np.zeros((len(x), count), np.complex128)
    incident[inside] = hankel(sources, problem.wavenumber, user[inside]) / size
    own: dict[str, NDArray[Any]] = {"incident": incident, "inside": np.asarray(inside)}
    arrays = interior.arrays("interior") | data.arrays("data") | own
    share = float(np.linalg.norm(scattered) / np.linalg.norm(values))
    notes = [f"only {share:.2%} of what is measured comes from the unknown part"] if share < 0.01 else []
    facts = InversionFacts(points=len(x), sources=count, receivers=len(receivers), scattered_share=share, notes=notes)
    header = InversionHeader(
        **described(problem, frame, folder),
        values=ValueScale(offset=0.0, scale=1.0),
        size=size,
        fields=count,
        complex=True,
        sources=tuple(Source.model_validate(s.model_dump(mode="json")) for s in sources),
    )
    return Assembled(arrays, header, facts)
