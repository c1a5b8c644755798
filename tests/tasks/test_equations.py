"""Solutions of equations against solvers that are not ours: asserted is the error, never the loss."""

import json
import re

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import spsolve

import shapesiren
from shapesiren.config import resolve
from shapesiren.equations import solvers
from shapesiren.equations.equation import Equation, equation_from
from shapesiren.equations.expressions import check_expression, function, laplacian
from shapesiren.equations.greens_function import hankel
from shapesiren.equations.problems import Helmholtz, Inversion, Medium, Source, Wave, read_problem
from shapesiren.equations.sampling import refined
from shapesiren.equations.scattering import Scattering
from shapesiren.errors import InputError
from shapesiren.field import Field
from shapesiren.fitting.least_squares import Solver
from shapesiren.fitting.loop import fit_task
from shapesiren.metrics.equations import relative
from shapesiren.nets import derivatives as D
from shapesiren.nets.siren import Siren
from shapesiren.reports.equations import small
from shapesiren.tasks import TASKS
from tests.samples import PROBLEMS, solved


@pytest.mark.parametrize("d", [2, 3])
def test_diagonal_of_the_hessian(d):
    torch.manual_seed(0)
    net = Siren(d, 2, 24, 2, last_width=40).double()
    x = torch.rand(30, d, dtype=torch.float64) * 2 - 1
    value, gradient, diagonal = D.value_gradient_diagonal(net, x)
    v, g, hessian = D.autograd_value_gradient_hessian(net, x)
    for a, b in ((value, v), (gradient, g), (diagonal, hessian.diagonal(dim1=2, dim2=3))):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-9)


def test_the_solver_is_least_squares():
    """Against numpy's on the rows written out, complex, with cells of several points."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = Siren(2, 4, 16, 1, omega_first=5.0, last_width=30)
    a = Equation(rng.uniform(-1, 1, (240, 2)), rng.standard_normal((240, 5)) + 1j, rng.standard_normal((80, 2)), rng.random(80))
    b = Equation(rng.uniform(-1, 1, (50, 2)), rng.standard_normal((50, 5)), rng.standard_normal((50, 2)) * 1j, rng.random(50))
    solver = Solver(net, 0.0, lambda share: None)
    found, left = solver.solve([a, b], [1.0, 3.0])
    rows, targets = [], []
    for e, weight in ((a, 1.0), (b, 3.0)):
        scale = np.sqrt(e.weight * weight)[:, None]
        rows.append(solver.rows(e.points, e.operator).reshape(len(e.weight), e.group, -1).sum(1) * scale)
        targets.append(e.target * scale)
    exact = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)[0]
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-7)
    assert left == pytest.approx(np.sum(np.abs(np.concatenate(rows) @ exact - np.concatenate(targets)) ** 2), rel=1e-8)
    solver.write(found, slice(None))
    value = solver.values(a.points)
    np.testing.assert_allclose(
        value[:, 0] + 1j * value[:, 1], (solver.rows(a.points, np.eye(1, 5).repeat(240, 0)) @ found)[:, 0]
    )


@pytest.mark.slow
def test_helmholtz_in_a_uniform_medium(tmp_path):
    found = solved(tmp_path, "helmholtz")
    assert found["relative_error"] < 0.02
    assert all(share < 0.5 for share in found["residual"].values())  # of the sources' own size
    assert found["correlation"] > 0.999


@pytest.mark.slow
def test_helmholtz_where_the_medium_jumps(tmp_path):
    text = PROBLEMS["helmholtz"][0] + '[[medium.inclusion]]\nshape = "disc"\ncentre = [0.1, 0.1]\nsize = 0.25\nspeed = 1.6\n'
    assert solved(tmp_path, "helmholtz", text)["relative_error"] < 0.05


def test_a_medium_from_an_image(tmp_path):
    """Black is the slowest, white the fastest, the first row the top."""
    from PIL import Image

    pixels = np.zeros((20, 20), np.uint8)
    pixels[:10] = 255
    Image.fromarray(pixels).save(tmp_path / "v.png")
    (tmp_path / "p.toml").write_text(PROBLEMS["helmholtz"][0] + '[medium]\nimage = "v.png"\nslowest = 1.0\nfastest = 2.0\n')
    from shapesiren.equations.problems import speeds

    problem = read_problem(tmp_path / "p.toml")
    points = np.array([[0.0, 0.8], [0.0, -0.8]])
    np.testing.assert_allclose(speeds(problem.medium, points, problem.domain, tmp_path), [2, 1])


@pytest.mark.slow
def test_descent_on_the_same_equations(tmp_path):
    """Adam lowers what least squares minimise, and the two agree on what it is."""
    text, quick = PROBLEMS["helmholtz"]
    (tmp_path / "p.toml").write_text(text)
    task = TASKS["helmholtz"]
    config = resolve(task.config_type, task.presets, [("t", quick), ("t", {"fit": {"optimizer": "adam", "steps": 30}})])
    fitted = task(task.ingest(tmp_path / "p.toml", config, print), config, torch.device("cpu"))
    first = fit_task(fitted, config.fit, seed=0, device=torch.device("cpu")).losses
    assert all(np.isfinite(v) for v in first.values())
    assert {"interior", "sources"} == set(first)


@pytest.mark.parametrize("name", list(PROBLEMS))
def test_small_pictures(tmp_path, name):
    """Of every kind of problem, for the page of a batch."""
    text, quick = PROBLEMS[name]
    (tmp_path / "p.toml").write_text(text)
    shapesiren.fit(tmp_path / "p.toml", out=tmp_path / "run", settings=quick)
    picture = small(Field.load(tmp_path / "run" / "field.safetensors"), 60)
    assert picture.shape == (60, 60, 3)
    red, blue = ((picture[..., channel] < 150).any() for channel in (2, 0))
    assert blue and (red or name == "inversion")  # both signs; its disc is faster than the rest


def test_poisson_with_values_and_fluxes(tmp_path):
    assert solved(tmp_path, "poisson")["relative_error"] < 1e-4


def test_poisson_without_a_known_solution(tmp_path):
    """Against finite differences."""
    text = 'problem = "poisson"\nright_hand_side = "exp(x) * y"\n[border]\nvalue = "x*y"\n[top]\nflux = "x"\n'
    found = solved(tmp_path, "poisson", text)
    assert found["relative_error"] < 3 * found["reference_error"] + 1e-3


def test_poisson_in_a_mask(tmp_path):
    from PIL import Image

    y, x = np.mgrid[0:200, 0:200] / 100 - 0.995
    Image.fromarray(((np.hypot(x, y) < 0.8) * 255).astype(np.uint8)).resize((400, 400)).save(tmp_path / "disc.png")
    text = 'problem = "poisson"\nexact = "sin(3*x) * exp(y/2)"\nmask = "disc.png"\n'
    assert solved(tmp_path, "poisson", text)["relative_error"] < 1e-3


@pytest.mark.slow
def test_inversion_finds_the_disc(tmp_path):
    found = solved(tmp_path, "inversion")
    assert found["centre_off"] < 0.05  # of a domain 2 wide
    assert 0.5 < found["contrast_ratio"] < 1.3
    assert found["correlation"] > 0.7
    assert found["adjoint_centre_off"] < 0.05  # the baseline finds it as well


@pytest.mark.slow
def test_measurements_from_a_file(tmp_path):
    problem, folder = read_problem_text(tmp_path, PROBLEMS["inversion"][0]), tmp_path
    from shapesiren.equations.measurements import setup

    sources, receivers, values = setup(problem, folder, 0)
    np.savez(folder / "m.npz", source=[s.position for s in sources], receivers=receivers, rec_val=values)
    text = (
        'problem = "inversion"\nwavenumber = 10.0\nmeasurements = "m.npz"\n[unknown]\nlow = [-0.3, -0.3]\nhigh = [0.3, 0.3]\n'
    )
    found = solved(folder, "inversion", text)
    assert found["misfit"] < 0.5 and "correlation" not in found
    np.savez(folder / "m.npz", source=[s.position for s in sources], receivers=receivers[:5], rec_val=values)
    with pytest.raises(InputError, match="measurements|m.npz"):
        setup(read_problem_text(tmp_path, text), folder, 0)


@pytest.mark.slow
def test_a_stopped_inversion_goes_on(tmp_path):
    text, quick = PROBLEMS["inversion"]
    (tmp_path / "p.toml").write_text(text)
    task = TASKS["inversion"]
    config = resolve(task.config_type, task.presets, [("t", quick)])
    signal = task.ingest(tmp_path / "p.toml", config, print)

    def run(until):
        fitted = task(signal, config, torch.device("cpu"))
        asked = iter(range(10**9))
        outcome = fit_task(
            fitted,
            config.fit,
            seed=0,
            device=torch.device("cpu"),
            key="k",
            checkpoint=tmp_path / "c",
            should_stop=lambda: next(asked) >= until,
        )
        return outcome, [p.detach().clone() for p in fitted.net.parameters()]

    stopped, _ = run(2)
    assert not stopped.finished and 0 < stopped.step < 4
    ended, ours = run(10**8)
    assert ended.finished and ended.resumed == stopped.step
    (tmp_path / "c").unlink()
    _, whole = run(10**8)
    for a, b in zip(ours, whole, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.slow
def test_a_changed_image_is_another_input(tmp_path):
    from PIL import Image

    def paint(level):
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(tmp_path / "v.png")

    text = PROBLEMS["helmholtz"][0] + '[medium]\nimage = "v.png"\nslowest = 1.0\nfastest = 2.0\n'
    paint(0)
    (tmp_path / "p.toml").write_text(text)
    settings = PROBLEMS["helmholtz"][1]
    shapesiren.fit(tmp_path / "p.toml", out=tmp_path / "run", settings=settings)
    paint(90)
    before = (tmp_path / "run" / "field.safetensors").read_bytes()
    with pytest.raises(InputError, match="p.toml"):
        shapesiren.fit(tmp_path / "p.toml", out=tmp_path / "run", settings=settings)
    assert (tmp_path / "run" / "field.safetensors").read_bytes() == before


def test_wide_sources_take_no_fine_cells(tmp_path):
    (tmp_path / "p.toml").write_text(PROBLEMS["helmholtz"][0].replace("width = 0.05", "width = 0.3"))
    task = TASKS["helmholtz"]
    config = resolve(task.config_type, task.presets, [("t", PROBLEMS["helmholtz"][1])])
    arrays = task.ingest(tmp_path / "p.toml", config, print).arrays
    assert "sources.weight" not in arrays and len(arrays["interior.weight"]) == 400


@pytest.mark.slow
def test_least_squares_need_equations(tmp_path, torus_scan):
    with pytest.raises(InputError, match="shape"):
        shapesiren.fit(torus_scan, out=tmp_path / "run", settings={"fit": {"optimizer": "least-squares"}})


# ---- The references ------------------------------------------------------------------------------------
def test_finite_differences_converge_to_hankel():
    problem = Helmholtz(wavenumber=10.0, source=(Source(position=(0.05, 0.0), width=0.05),))
    x = np.linspace(-0.45, 0.45, 40)
    points = np.stack(np.meshgrid(x, x), -1).reshape(-1, 2)
    points = points[np.linalg.norm(points - [0.05, 0], axis=1) > 0.25]
    exact = hankel(problem.source, 10.0, points).sum(1)
    errors = []
    for n in (80, 160):
        grid, u = solvers.helmholtz(problem, n, None)
        errors.append(relative(grid.at(u, points), exact))
    assert errors[1] < 0.02 and errors[0] > 3 * errors[1]


def test_steps_in_time_agree_with_exact_ones():
    """A medium that is all but uniform goes the other way through the solver."""
    from pathlib import Path

    times = np.linspace(0, 0.6, 4)
    pulse = {"duration": 0.6, "pulse": ({"width": 0.1},)}
    _, exact = solvers.wave(Wave(**pulse), times, 60, Path())
    almost = Medium(speed=1.0, inclusion=({"shape": "disc", "centre": (0.9, 0.9), "size": 0.01, "speed": 1.0001},))
    _, steps = solvers.wave(Wave(medium=almost, **pulse), times, 60, Path())
    assert relative(steps, exact) < 2e-3


def read_problem_text(folder, text):
    (folder / "q.toml").write_text(text)
    return read_problem(folder / "q.toml")


def test_the_adjoint_gradient(tmp_path):
    """Against differences of the misfit itself."""
    problem = read_problem_text(tmp_path, PROBLEMS["inversion"][0])
    assert isinstance(problem, Inversion)
    receivers = np.array([[-0.2, 0.4], [0.3, 0.4], [0.4, 0.0]])
    solver = Scattering(problem, problem.source, receivers, 50)
    rng = np.random.default_rng(0)
    truth = 0.2 * rng.random(len(solver.inside))
    seen = {}

    def spy(function, start, **_):
        seen["f"] = function
        return type("R", (), {"x": start})()

    import scipy.optimize

    kept, scipy.optimize.minimize = scipy.optimize.minimize, spy
    try:
        solver.invert(solver.measured(truth), 1e-3, 1)
    finally:
        scipy.optimize.minimize = kept
    at, direction = 0.1 * rng.random(len(truth)), rng.standard_normal(len(truth))
    _, gradient = seen["f"](at)
    step = 1e-5
    numeric = (seen["f"](at + step * direction)[0] - seen["f"](at - step * direction)[0]) / (2 * step)
    assert gradient @ direction == pytest.approx(numeric, rel=1e-5)
    factors, v = solver.solve(at)
    np.testing.assert_allclose(v[:, 0], spsolve(solver.background + _diagonal(solver, at), _right(solver, at)), atol=1e-12)


def _diagonal(solver, change):
    import scipy.sparse as sp

    d = np.zeros(solver.background.shape[0])
    d[solver.inside] = solver.square * change
    return sp.diags(d)


def _right(solver, change):
    b = np.zeros(solver.background.shape[0], complex)
    b[solver.inside] = -solver.square * change * solver.incident[:, 0]
    return b


def test_areas_add_up():
    for spots in ([], [(np.zeros(2), 0.1), (np.array([0.12, 0.0]), 0.1)]):
        x, weight = refined(np.array([-1.0, -1]), np.array([1.0, 1]), 20_000, spots, 0)
        assert weight.sum() == pytest.approx(4, rel=2e-3)
        assert (weight * x[:, 0] ** 2).sum() == pytest.approx(4 / 3, rel=5e-3)


# ---- Problems that make no sense -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wavenumber = 3", "problem"),
        ('problem = "heat"', "'heat'"),
        ('problem = "helmholtz"\nwavenumber = 5\n[[source]]\nposition = [0.8, 0]', "source 1 at (0.8, 0.0)"),
        ('problem = "helmholtz"\nwavenumber = 5\n[[source]]\nposition = [0, 0]\n[medium]\nspeed = -1', "'medium.speed'"),
        ('problem = "helmholtz"\nwavenumber = 5', "'source'"),
        ('problem = "helmholtz"\n[[source]]\nposition = [0, 0]', "'wavenumber'"),
        ('problem = "helmholtz"\nwavenumber = 5\n[pml]\nwidth = 1.0\n[[source]]\nposition = [0, 0]', "layers 1 wide"),
        ('problem = "helmholtz"\nwavenumber = 5\n[[source]]\nposition = [0, 0]\nwidht = 1', "'source.0.widht'"),
        ('problem = "poisson"\nright_hand_side = "x"', "border"),
        ('problem = "poisson"\nright_hand_side = "x"\n[border]\nflux = 0.0', "fluxes"),
        ('problem = "poisson"\nexact = "__import__(1)"', "'__import__'"),
        ('problem = "poisson"\nexact = "x +"', "'x +'"),
        ('problem = "wave"\nduration = 1\n[[pulse]]\nposition = [3, 0]', "pulse 1 at (3.0, 0.0)"),
        ('problem = "inversion"\nwavenumber = 5', "measurements"),
    ],
)
def test_problems_that_make_no_sense(tmp_path, text, named):
    """One line that names the file and what is wrong in it."""
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(InputError) as e:
        read_problem(tmp_path / "p.toml")
    (line,) = e.value.line().splitlines()
    assert named in line and "p.toml" in line


def test_too_few_points_to_a_wave_are_warned_of(tmp_path):
    (tmp_path / "p.toml").write_text(PROBLEMS["helmholtz"][0].replace("8.0", "60.0"))
    task = TASKS["helmholtz"]

    def notes(cells):
        config = resolve(task.config_type, task.presets, [("t", {"ingest": {"cells": cells}})])
        return task.ingest(tmp_path / "p.toml", config, print).facts.notes

    (note,) = notes(40)
    enough = int(re.search(r"ingest\.cells = (\d+)", note)[1])
    assert enough > 40
    assert not notes(enough)  # what it says to try is enough


@pytest.mark.parametrize("text", ["x.__class__", "lambda x: x", "[x]", "x; y", "9**999", "'a'", "open(1)", "x if y else 1"])
def test_only_formulas_are_evaluated(text):
    with pytest.raises(ValueError, match=r"formula|power"):
        check_expression(text)


def test_formulas():
    points = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    x, y = points.T
    np.testing.assert_allclose(function("sin(2*x) + y**2/3 - 1.5e-1")(points), np.sin(2 * x) + y**2 / 3 - 0.15)
    np.testing.assert_allclose(laplacian("sin(2*x) + y**2")(points), -4 * np.sin(2 * x) + 2)
    np.testing.assert_allclose(function("2")(points), np.full(20, 2.0))


def test_what_is_written(tmp_path):
    """A field, its solution file and its report's facts say the same."""
    found = solved(tmp_path, "poisson")
    with np.load(tmp_path / "run" / "solution.npz") as held:
        u, x, y = held["u"], held["x"], held["y"]
    exact = np.sin(3 * x)[None, :] * np.exp(y / 2)[:, None]
    assert relative(u, exact) == pytest.approx(found["relative_error"], rel=1e-6)
    field = Field.load(tmp_path / "run" / "field.safetensors")
    assert field(np.array([[0.3, -0.2]]))[0, 0] == pytest.approx(np.sin(0.9) * np.exp(-0.1), abs=1e-3)
    json.dumps(found)
    assert equation_from(shapesiren.stages.ingest.unpack(tmp_path / "run" / "poisson.npz").arrays, "interior").group == 1
