"""The peers of the benchmark: the best of many settings counts, and what is missing is said in a line."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def peers():
    path = Path(__file__).parents[1] / "pipelines" / "bench" / "peers.py"
    spec = importlib.util.spec_from_file_location("peers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_best_setting_counts(peers, monkeypatch):
    def reconstruct(points, normals, depth, samples_per_node, point_weight):
        if depth == 9:
            raise RuntimeError("not with these points")
        return np.full((3, 3), depth + samples_per_node), np.zeros((int(depth < 10), 3), int)

    monkeypatch.setitem(sys.modules, "poisson", ModuleType("poisson"))
    sys.modules["poisson"].poisson_reconstruction = reconstruct
    settings = [peers.Setting(d, s, 4) for d in (7, 8, 9, 10) for s in (1.5, 5)]
    made = list(peers.tuned(np.zeros((4, 3)), np.zeros((4, 3)), settings))
    assert [p.name for p in made] == [
        f"PoissonRecon 18.74, depth {d}, {s:g} a node, weight 4" for d in (7, 8) for s in (1.5, 5)
    ]
    peer, error = peers.best(iter(made), lambda p: abs(p.vertices[0, 0] - 9.6))
    assert peer.name.startswith("PoissonRecon 18.74, depth 8, 1.5 a node") and error == pytest.approx(0.1)


def test_what_is_missing_is_said(peers, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "poisson", None)
    with pytest.raises(SystemExit) as end:
        peers.poissonrecon()
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: PoissonRecon is not installed; pip install 'shapesiren[bench]'\n"
