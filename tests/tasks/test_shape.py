"""The loss terms, one by one, and the paper's recipe."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from shapesiren.config import resolve
from shapesiren.header import BoxBounds
from shapesiren.nets.cpu.engine import Engine
from shapesiren.nets.derivatives import autograd_value_and_gradient
from shapesiren.pointcloud.guide.samples import draw_samples
from shapesiren.pointcloud.header import CloudHeader
from shapesiren.similarity import Similarity
from shapesiren.tasks import shape_losses
from shapesiren.tasks.base import Moment, Signal
from shapesiren.tasks.shape import ShapeTask
from shapesiren.tasks.shape_settings import ShapeConfig


def test_terms_by_hand():
    g = torch.tensor([[2.0, 0, 0], [0, 0.5, 0], [0, 0, 1.0]])
    n = torch.tensor([[1.0, 0, 0], [0, -1.0, 0], [1.0, 0, 0]])
    f = torch.tensor([0.1, -0.2, 0.0])
    torch.testing.assert_close(shape_losses.on_surface(f), torch.tensor([0.1, 0.2, 0.0]))
    torch.testing.assert_close(shape_losses.normal(g, n), torch.tensor([0.0, 2.0, 1.0]))
    torch.testing.assert_close(shape_losses.eikonal(g, 1), torch.tensor([1.0, 0.5, 0.0]))
    torch.testing.assert_close(shape_losses.eikonal(g, 2), torch.tensor([1.0, 0.25, 0.0]))
    torch.testing.assert_close(shape_losses.off_surface(f, 100.0), torch.exp(torch.tensor([-10.0, -20.0, 0.0])))
    torch.testing.assert_close(shape_losses.distance(f, torch.tensor([0.0, 0.2, 1.0])), torch.tensor([0.1, 0.4, 1.0]))


def test_terms_without_sides_by_hand():
    g, n = torch.tensor([[2.0, 0, 0], [0, 0.5, 0], [0, 0, 1.0]]), torch.tensor([[1.0, 0, 0], [0, -1.0, 0], [1.0, 0, 0]])
    torch.testing.assert_close(shape_losses.normal(g, n, signed=False), torch.tensor([0.0, 0.0, 1.0]))
    value, distance = torch.tensor([-0.3, -0.2, 0.1, 0.2]), torch.tensor([0.1, 0.1, 0.005, 0.002])
    known, trust = torch.tensor([1.0, -1.0, 0.0, 1.0]), torch.tensor([0.5, 0.6, 0.7, 0.8])
    side, sure = shape_losses.sides(value, distance, known, trust, begins=True)
    torch.testing.assert_close(side, torch.tensor([1.0, -1.0, -1.0, 1.0]))
    torch.testing.assert_close(sure, torch.tensor([1.0, 1.0, 0.0, 0.2]))
    side, sure = shape_losses.sides(value, distance, known, trust, begins=False)
    torch.testing.assert_close(side, torch.tensor([1.0, -1.0, 1.0, 1.0]))
    torch.testing.assert_close(sure, torch.tensor([1.0, 0.6, 0.7, 0.2]))


def sphere_signal(n=500, guide=True):
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    arrays = {"points": (normals * 0.5).astype(np.float32), "normals": normals.astype(np.float32)}
    if guide:
        x = rng.uniform(-1, 1, (1000, 3)).astype(np.float32)
        arrays |= {"guide_points": x, "guide_distances": np.linalg.norm(x, axis=1) - np.float32(0.5)}
        arrays["guide_directions"] = x / np.linalg.norm(x, axis=1, keepdims=True)
    bounds = BoxBounds(low=(-0.5,) * 3, high=(0.5,) * 3)
    return Signal(arrays, CloudHeader(frame=Similarity((0.0, 0.0, 0.0), 1.0), bounds=bounds, spacing=0.03, support=0.2))


def with_header(signal, **changed):
    """The signal with some of its header changed."""
    return replace(signal, header=signal.header.model_copy(update=changed))


def test_preset_paper_is_the_papers_recipe():
    config = resolve(ShapeConfig, ShapeTask.presets, [("test", {"preset": "paper"})])
    fit, batch, net = config.fit, config.batch, config.net
    assert (fit.learning_rate, fit.beta2, fit.decay, fit.warmup, fit.clip) == (1e-4, 0.999, "none", 0, 1.0)
    assert (fit.epochs, fit.steps, fit.seconds, fit.derivatives, fit.precision) == (10_000, None, None, "autograd", "float32")
    assert (batch.on_surface, batch.off_surface) == (1400, 1400)
    assert (net.width, net.hidden_layers, net.omega_first, net.omega_hidden) == (256, 3, 30, 30)

    # The authors' loss, written out from loss_functions.sdf: every term is a mean over all 2,800 samples.
    task = ShapeTask(sphere_signal(guide=False), config, torch.device("cpu"))
    terms = task.losses(torch.Generator().manual_seed(3), Moment(0, 0.0, torch.float32))
    generator = torch.Generator().manual_seed(3)
    i = torch.randint(len(task.training.points), (1400,), generator=generator)
    x = torch.cat([task.training.points[i, :3], torch.rand((1400, 3), generator=generator) * 2 - 1])
    on = torch.arange(2800) < 1400
    f, g = autograd_value_and_gradient(task.net, x)
    f, g = f[:, 0], g[:, 0]
    normals = torch.cat([task.training.points[i, 3:], torch.full((1400, 3), -1.0)])
    zero = torch.zeros(())
    cosine = torch.nn.functional.cosine_similarity(g, normals, dim=-1)
    expected = {
        "on_surface": 3e3 * torch.where(on, f, zero).abs().mean(),
        "off_surface": 1e2 * torch.where(on, zero, torch.exp(-1e2 * f.abs())).mean(),
        "normal": 1e2 * torch.where(on, 1 - cosine, zero).mean(),
        "eikonal": 5e1 * (g.norm(dim=-1) - 1).abs().mean(),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, msg=name)


@pytest.mark.parametrize("derivatives", ["fused", "closed", "autograd"])
def test_the_ways_to_derive_agree(derivatives):
    base = {"net": {"kind": "siren", "width": 32}, "batch": {"on_surface": 100, "off_surface": 80, "eikonal": 30}}
    terms = []
    for way in ("autograd", derivatives):
        config = resolve(ShapeConfig, ShapeTask.presets, [("test", base | {"fit": {"derivatives": way}})])
        task = ShapeTask(sphere_signal(), config, torch.device("cpu"))
        terms.append(task.losses(torch.Generator().manual_seed(0), Moment(0, 0.0, torch.float32)))
    assert terms[0].keys() == {"on_surface", "normal", "eikonal", "distance", "direction"}
    for name in terms[0]:
        torch.testing.assert_close(terms[0][name], terms[1][name], rtol=1e-4, atol=1e-5)


EVERY_TERM = {"off_surface": 40.0, "eikonal_power": 1, "mean_over_all": True, "tolerance": 0.0, "guide_tolerance": 0.0}


@pytest.mark.parametrize("loss", [{}, EVERY_TERM], ids=["default", "every term"])
@pytest.mark.parametrize("signal", ["guided", "deviations", "no guide"])
def test_the_compiled_terms_and_their_gradients_are_torchs(loss, signal, rng):
    """Also where a length or a value is zero, and an absolute value has no derivative."""
    arrays = (made := sphere_signal(guide=signal != "no guide")).arrays
    if signal == "deviations":
        arrays["deviation"] = rng.uniform(0, 0.01, len(arrays["points"])).astype(np.float32)
    if signal != "no guide":
        arrays["guide_directions"][::3] = 0
    size = {"on_surface": 100, "off_surface": 80, "eikonal": 30}
    tree = {"net": {"kind": "siren", "width": 8}, "batch": size, "loss": loss}
    if signal == "no guide":
        tree["ingest"] = {"guide_samples": 0}
    config = resolve(ShapeConfig, ShapeTask.presets, [("test", tree)])
    task = ShapeTask(made, config, torch.device("cpu"))
    value, gradient = rng.normal(0, 0.01, (180, 1)).astype(np.float32), rng.normal(size=(130, 1, 3)).astype(np.float32)
    value[::7], gradient[::5] = 0, 0
    found = []
    for engine in (None, Engine()):
        given = [torch.tensor(a, requires_grad=True) for a in (value, gradient)]
        task.values_and_gradients = lambda *_, given=given: tuple(given)
        terms = task.losses(torch.Generator().manual_seed(0), Moment(0, 0.8, torch.float32, engine))
        # other than evenly, as nothing says that whoever adds them up does
        sum((i + 1) * term for i, term in enumerate(terms.values())).backward()
        found.append((terms, [a.grad for a in given]))
    (expected, slopes), (terms, compiled) = found
    assert list(terms) == list(expected)
    assert len(terms) == {"guided": 5, "deviations": 5, "no guide": 3}[signal] + bool(loss)
    for name in expected:
        torch.testing.assert_close(terms[name], expected[name], msg=name)
    for a, b in zip(compiled, slopes, strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_tolerance_on_the_surface_follows_the_noise():
    config = resolve(ShapeConfig, ShapeTask.presets, [("test", {"net": {"kind": "siren"}})])
    signal = sphere_signal()
    tolerances = []
    for noise in (0.0, 0.0005, 0.004, 0.009):
        tolerances.append(ShapeTask(with_header(signal, noise=noise), config, torch.device("cpu")).training.tolerance)
    assert tolerances == pytest.approx([config.loss.tolerance] * 2 + [0.008, 0.018])


def test_fidelity_follows_the_noise_of_points_without_normals():
    signal = sphere_signal()

    def weights(sigma, origin, **loss):
        config = resolve(ShapeConfig, ShapeTask.presets, [("test", {"net": {"kind": "siren"}, "loss": loss})])
        training = ShapeTask(with_header(signal, noise_floor=sigma, normals=origin), config, torch.device("cpu")).training
        return training.point_weight / config.loss.on_surface, training.normal_weight / config.loss.normal

    assert weights(0.009, "given") == (1, 1)
    assert weights(0.0005, "estimated") == (1, 0.25)
    assert weights(0.0015, "estimated") == pytest.approx((0.523, 0.25), rel=2e-3)
    assert weights(0.1, "estimated") == pytest.approx((0.3, 0.25))  # never nothing
    assert weights(0.0045, "estimated", fidelity=1.0) == (1, 0.25)
    assert weights(0.0045, "estimated", noise="ignore") == (1, 0.25)


def test_a_tolerance_is_quadratic_inside_and_as_steep_outside():
    f = torch.tensor([0.0, 0.1, -0.2, 1.0], requires_grad=True)
    term = shape_losses.on_surface(f, 0.2)
    torch.testing.assert_close(term.detach(), torch.tensor([0.0, 0.025, 0.1, 0.9]))
    term.sum().backward()
    torch.testing.assert_close(f.grad, torch.tensor([0.0, 0.5, -1.0, 1.0]))
    d = shape_losses.distance(torch.tensor([0.1, 0.4, 1.0]), torch.tensor([0.0, 0.6, 0.0]), 0.2)
    torch.testing.assert_close(d, torch.tensor([0.025, 0.1, 0.9]))
    torch.testing.assert_close(shape_losses.trust(torch.tensor([0.0, -0.01, 0.5]), 0.04), torch.tensor([0.0, 0.25, 1.0]))


def test_guide_samples_reach_beyond_the_box(rng):
    """A network is worst at the border of its samples, and questions are asked in all of the box."""
    samples = draw_samples(rng.uniform(-0.9, 0.9, (1000, 3)), 5000, rng)
    uniform = np.abs(samples[:2500])
    assert 1.04 < uniform.max() <= 1.05
    assert (uniform.max(1) > 1).mean() == pytest.approx(1 - 1.05**-3, abs=0.03)


def test_clean_points_count_more_towards_the_end():
    signal = sphere_signal()

    def terms(progress, **loss):
        config = resolve(ShapeConfig, ShapeTask.presets, [("test", {"net": {"kind": "siren"}, "loss": loss})])
        task = ShapeTask(signal, config, torch.device("cpu"))
        found = task.losses(torch.Generator().manual_seed(0), Moment(0, progress, torch.float32))
        return {name: float(term.detach()) for name, term in found.items()}

    even, last = terms(1.0, focus=1), terms(1.0, focus=3)
    assert last == pytest.approx({name: v / (1 if name == "on_surface" else 3) for name, v in even.items()})
    assert terms(0.5, focus=3) == even
    assert terms(0.75, focus=3)["normal"] == pytest.approx(even["normal"] / 2)
    signal = with_header(signal, noise=0.004)  # which would be followed
    assert terms(1.0, focus=3) == terms(1.0, focus=1)
