"""The contract that every kind of network keeps, over all that are registered."""

import json

import pytest
import torch

from shapesiren import config
from shapesiren.config import NetSettings
from shapesiren.nets.build import NETWORKS, build, build_windows, from_spec
from shapesiren.nets.derivatives import value_and_gradient


def settings_of(kind):
    return NetSettings(kind=kind, width=16, hidden_layers=2, octaves=3, sigma=2.0, scale=3.0, first_bias=2.0)


def test_the_settings_offer_every_network():
    """Adding a network is a file, a line in the registry and its name here."""
    assert ("siren", "local", "auto", *list(NETWORKS)[1:]) == config.NETWORKS


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_description_rebuilds_it(kind):
    net = build(settings_of(kind), 2, 3, seed=7)
    again = from_spec(json.loads(json.dumps(net.spec())))
    assert type(again) is type(net) and again.spec() == net.spec()
    again.load_state_dict(net.state_dict())
    x = torch.rand((20, 2)) * 2 - 1
    assert torch.equal(again(x), net(x))
    assert net(x).shape == (20, 3)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_seed_fixes_it_and_torchs_own_randomness_stays(kind):
    before = torch.get_rng_state()
    nets = [build(settings_of(kind), 2, 1, seed) for seed in (5, 5, 6)]
    assert torch.equal(before, torch.get_rng_state())
    first, same, other = ([p.flatten() for p in net.parameters() if p.requires_grad] for net in nets)
    assert torch.equal(torch.cat(first), torch.cat(same))
    assert not torch.equal(torch.cat(first), torch.cat(other))


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_layers_that_it_names_are_what_it_computes(kind):
    net = build(settings_of(kind), 2, 2, seed=0).double()
    x = torch.rand((20, 2), dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(value_and_gradient(net, x)[0], net(x))


def test_windows_are_rebuilt_with_their_parts():
    net = build_windows(settings_of("siren"), 2, 0, 3, 1.0, 0.2)
    again = from_spec(json.loads(json.dumps(net.spec())))
    again.load_state_dict(net.state_dict())
    x = torch.linspace(-3, 3, 50)[:, None]
    assert torch.equal(again(x), net(x))


@pytest.mark.parametrize("wrong", [{}, {"kind": "nothing"}, {"kind": "siren", "in_features": 3, "depth": 4}])
def test_a_wrong_description_is_refused(wrong):
    with pytest.raises((KeyError, TypeError)):
        from_spec(wrong)
