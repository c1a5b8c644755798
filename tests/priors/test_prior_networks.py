"""The networks of priors: what they make at their start, what they are blind to, and that what they make is ordinary."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from shapesiren.config import NetSettings
from shapesiren.errors import InputError
from shapesiren.field import Field
from shapesiren.header import Header
from shapesiren.nets.build import from_spec
from shapesiren.nets.derivatives import autograd_value_and_gradient, value_and_gradient
from shapesiren.nets.siren import Siren
from shapesiren.priors.base import Batch, Context
from shapesiren.priors.conv import on_grid
from shapesiren.priors.examples import ImageExamples, codes_of, random_context
from shapesiren.priors.kinds import PRIORS, build_prior
from shapesiren.priors.procedural import procedural_images
from shapesiren.priors.settings import PriorBatchSettings, PriorLossSettings, PriorSettings
from shapesiren.similarity import Similarity

SMALL = {"latent": 12, "width": 16, "encoder_layers": 1, "channels": 8, "grid": 8}
TARGET = NetSettings(width=10, hidden_layers=2)


def small(kind, **more):
    return build_prior(PriorSettings(kind=kind, **SMALL | more), TARGET, 2, 3, 0)


@pytest.fixture(scope="module")
def examples():
    return ImageExamples(procedural_images(20, 8), torch.device("cpu"))


def contexts(examples, count=5):
    return random_context(examples.points, examples.values(torch.arange(count)), 3, 9, torch.Generator().manual_seed(0))


def pre_activations(net, x):
    """The input of each sine of a network at points (n, d), (n, width)."""
    h, out = x, []
    for weight, bias, activation in net.activated_layers():
        z = h @ weight.T + bias
        out.append(z)
        h = activation(z, 0)[0]
    return out


@pytest.mark.parametrize("width", [64, 256])
def test_a_hypernetwork_starts_as_a_siren(width, examples):
    """Sines behind the first layer have inputs N(0, 1) and outputs of arcsine distribution (paper, theorem 1.8), for the
    networks of real contexts, and as those of a SIREN that is drawn without biases there."""
    prior = build_prior(PriorSettings(kind="set"), NetSettings(width=width, hidden_layers=3), 2, 3, 1)
    with torch.no_grad():
        codes = prior.encode(contexts(examples, 2))
        x = torch.rand((400, 2), generator=torch.Generator().manual_seed(1)) * 2 - 1
        drawn = Siren(2, 3, width, 3, generator=torch.Generator().manual_seed(2))
        for layer in drawn.linears[1:]:
            layer.bias.zero_()
        reference = pre_activations(drawn, x)
        for code in codes:
            found = pre_activations(prior.target(code), x)
            spread = [z.std().item() / r.std().item() for z, r in zip(found, reference, strict=True)]
            assert spread == pytest.approx([1.0] * 4, abs=0.25)
            for z in found[1:]:
                assert z.std().item() == pytest.approx(1.0, abs=0.2)
                assert abs(z.mean().item()) < 0.1
                assert abs(stats.kurtosis(z.ravel())) < 0.35  # a normal distribution has 0, a uniform one -1.2
            arcsine = stats.arcsine(loc=-1, scale=2)
            for z in found:  # sines of N(0, 1) are arcsine up to this, as the paper's figure 2 shows
                off = stats.ks_1samp(torch.sin(z[:, :32]).ravel().numpy(), arcsine.cdf).statistic
                assert off < 0.09


def test_the_start_of_the_authors_code_is_wider(examples):
    """+-1 / fan-in and Kaiming / 100: at width 256 the inputs of its sines are normal, but about three times as wide."""
    prior = build_prior(PriorSettings(kind="set", start="fan-in"), NetSettings(width=256, hidden_layers=3), 2, 3, 1)
    with torch.no_grad():
        net = prior.target(prior.encode(contexts(examples, 1))[0])
        found = pre_activations(net, torch.rand((500, 2), generator=torch.Generator().manual_seed(1)) * 2 - 1)
    for z in found[1:]:
        assert z.std().item() == pytest.approx(3.0, abs=0.6)
        assert abs(stats.kurtosis(z.ravel())) < 0.35


@pytest.mark.parametrize("kind", PRIORS)
def test_what_it_makes_is_an_ordinary_network(kind, examples, tmp_path):
    """Batches of networks give what each gives alone; its derivatives have closed forms; it survives its file."""
    prior = small(kind)
    with torch.no_grad():
        codes = prior.encode(contexts(examples))
        together = prior.run(prior.weights(codes), examples.points)
    net = prior.target(codes[3]).double()
    alone = net(examples.points.double())
    torch.testing.assert_close(together[3].double(), alone, atol=2e-5, rtol=1e-4)
    x = examples.points.double()
    for closed, twin in zip(value_and_gradient(net, x), autograd_value_and_gradient(net, x), strict=True):
        torch.testing.assert_close(closed, twin, atol=1e-10, rtol=1e-8)
    prior.remember(codes)
    (tmp_path / "p.safetensors").write_bytes(Field(prior, "prior", Header(frame=Similarity((4.0, 4.0), 4.0))).to_bytes())
    back = Field.load(tmp_path / "p.safetensors").net
    assert type(back) is PRIORS[kind]
    with torch.no_grad():
        torch.testing.assert_close(back(examples.points), prior(examples.points), atol=0, rtol=0)
        torch.testing.assert_close(prior(examples.points), prior.target(codes.mean(0))(examples.points), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", PRIORS)
def test_padding_and_order_are_nothing_to_it(kind, examples):
    prior = small(kind)
    held = contexts(examples)
    assert not held.present.all()
    junk = torch.where(held.present[..., None], held.values, torch.full_like(held.values, 7.0))
    turned = torch.randperm(held.points.shape[1], generator=torch.Generator().manual_seed(3))
    other = Context(held.points[:, turned], junk[:, turned], held.present[:, turned])
    with torch.no_grad():
        torch.testing.assert_close(prior.encode(other), prior.encode(held), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", PRIORS)
def test_it_learns_a_handful_of_images(kind, examples):
    """Eighty steps halve the error: all of it is reached by gradients."""
    prior = small(kind)
    optimizer = torch.optim.Adam(prior.parameters(), {"cnp": 1e-2, "meta": 1e-3}.get(kind, 3e-3))
    settings, generator = PriorBatchSettings(context_most=30, targets=None), torch.Generator().manual_seed(0)
    batch = examples.batch(torch.arange(6), settings, generator)

    def error():
        with torch.no_grad():
            return prior.misfit(prior.weights(prior.encode(batch.context)), batch).item()

    before = error()
    for _ in range(80):
        optimizer.zero_grad()
        torch.stack(list(prior.losses(batch, PriorLossSettings(weights=0)).values())).sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in prior.parameters())
        optimizer.step()
    assert error() < 0.5 * before


def test_the_inner_steps_of_meta_are_gradient_steps(examples):
    """The code equals one found by hand; its gradient equals differences, so that second derivatives are in it."""
    prior = small("meta", inner_steps=2, inner_rate=1.0).double()
    held = contexts(examples, 2)
    held = Context(held.points.double(), held.values.double(), held.present)
    z = torch.zeros((2, 12), dtype=torch.float64, requires_grad=True)
    for _ in range(2):
        total = 0.0
        for b in range(2):
            known = held.present[b]
            found = prior.target(z[b].detach()).double()(held.points[b, known])
            assert found.shape == (int(known.sum()), 3)
            made = prior.run(prior.weights(z), held.points)[b, known]
            torch.testing.assert_close(made, found, atol=1e-5, rtol=1e-4)
            total = total + (made - held.values[b, known]).square().mean()
        z = z - torch.autograd.grad(total, z, create_graph=True)[0]
    torch.testing.assert_close(prior.encode(held), z, atol=1e-9, rtol=1e-7)

    def loss():
        return prior.encode(held).square().sum()

    weight = prior.shifts
    (slope,) = torch.autograd.grad(loss(), weight)
    step = 1e-5
    with torch.no_grad():
        weight[3, 4] += step
        above = loss()
        weight[3, 4] -= 2 * step
        below = loss()
    assert slope[3, 4].item() == pytest.approx(((above - below) / (2 * step)).item(), rel=1e-4)


def test_pixels_fall_into_their_cells():
    points = torch.tensor([[[-0.9, -0.9], [-0.8, -0.95], [0.9, -0.1], [0.1, 0.9]]])
    values = torch.tensor([[[1.0], [3.0], [5.0], [9.0]]])
    image = on_grid(Context(points, values, torch.tensor([[True, True, True, False]])), 2)
    assert image[0, 0].tolist() == [[2.0, 5.0], [0.0, 0.0]]  # row, column: y, x
    assert image[0, 1].tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_contexts_are_as_many_as_asked_each_once(examples):
    values = examples.values(torch.arange(20))
    held = random_context(examples.points, values, 3, 9, torch.Generator().manual_seed(5))
    counts = held.present.sum(1)
    assert counts.min() >= 3
    assert counts.max() <= 9
    assert len(counts.unique()) > 3
    place = ((held.points + 1) * 4).long()
    for b in range(20):
        known = place[b, held.present[b]]
        assert len(known.unique(dim=0)) == counts[b]
        torch.testing.assert_close(held.values[b, held.present[b]], values[b, known[:, 1] * 8 + known[:, 0]])


def test_samples_are_spread_as_the_codes(examples):
    prior = small("set")
    codes = codes_of(prior, examples)
    prior.remember(codes)
    drawn = prior.sample(20_000, torch.Generator().manual_seed(0))
    spread = np.cov(codes.numpy().T)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=4 * math.sqrt(spread.max() / 20_000))
    np.testing.assert_allclose(np.cov(drawn.numpy().T), spread, atol=0.05 * spread.max())


def test_terms_of_the_loss(examples):
    """The paper's three, with their weights; networks that share their weights have no penalty on these."""
    batch = examples.batch(torch.arange(4), PriorBatchSettings(targets=20), torch.Generator().manual_seed(0))
    assert batch.points.shape == (4, 20, 2)
    prior = small("set")
    plain = prior.losses(batch, PriorLossSettings(latent=1, weights=1))
    z = prior.encode(batch.context)
    flat = torch.cat([t.reshape(4, -1) for pair in prior.weights(z) for t in pair], 1)
    assert plain["weights"].item() == pytest.approx(flat.square().mean().item(), rel=1e-5)
    assert plain["latent"].item() == pytest.approx(z.square().mean().item(), rel=1e-5)
    assert prior.losses(batch, PriorLossSettings(weights=50))["weights"].item() == pytest.approx(50 * plain["weights"].item())
    assert set(small("meta").losses(batch, PriorLossSettings())) == {"data", "latent"}
    assert set(small("cnp").losses(batch, PriorLossSettings())) == {"likelihood"}


def test_the_rival_predicts_how_sure_it_is(examples):
    """Its likelihood is that of a normal distribution, at least a tenth wide, beyond the least that this can be: by a loss of
    less than nothing the fit could not tell whether it rises."""
    prior = small("cnp")
    batch = examples.batch(torch.arange(4), PriorBatchSettings(targets=None), torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = prior.losses(Batch(batch.context, batch.points, batch.values), PriorLossSettings())["likelihood"].item()
        mean, raw = prior.run(prior.all_weights(prior.encode(batch.context)), batch.points).chunk(2, 2)
        wide = 0.1 + 0.9 * torch.log1p(raw.exp())
        density = stats.norm(mean.numpy(), wide.numpy()).logpdf(batch.values.numpy())
    assert wide.min() >= 0.1
    assert found >= 0
    assert found == pytest.approx(-density.mean() - np.log(2 * np.pi) / 2 - np.log(0.1), rel=1e-4)


def test_wrong_combinations_are_refused():
    with pytest.raises(InputError, match="convolutions are for images"):
        build_prior(PriorSettings(kind="conv"), TARGET, 3, 1, 0)
    with pytest.raises(InputError, match="priors make SIRENs"):
        build_prior(PriorSettings(), NetSettings(kind="relu", width=10), 2, 3, 0)
    with pytest.raises(KeyError):
        from_spec({"kind": "prior", "variant": "none"})
