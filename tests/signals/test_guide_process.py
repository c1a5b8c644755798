"""A guide made in another process is the guide, and whatever happens to that process, there is one."""

import subprocess
import sys

import numpy as np
import pytest

from shapesiren import threads
from shapesiren.signals import guide_process
from shapesiren.signals.guide import make_guide


@pytest.fixture
def sphere(rng):
    normals = rng.normal(size=(3000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return normals * 0.5, normals


@pytest.fixture
def free(monkeypatch):
    """As it is in a new process on a machine of several cores."""
    monkeypatch.delitem(sys.modules, "open3d", raising=False)
    monkeypatch.setattr(guide_process, "count", lambda: 2)
    monkeypatch.setenv(threads.VARIABLE, "1")  # of more, a Poisson surface differs from one time to the next


REST = (500, 5, 0.1, 7, 0.0)


@pytest.mark.parametrize("program", [sys.executable, "/bin/false", "/bin/true"], ids=["works", "fails", "says nothing"])
def test_the_guide_is_the_same(sphere, free, program, monkeypatch):
    expected, facts = make_guide(*sphere, *REST)
    monkeypatch.delitem(sys.modules, "open3d", raising=False)
    monkeypatch.setattr(sys, "executable", program)
    with guide_process.guide_maker() as make:
        assert make is not make_guide
        arrays, found = make(*sphere, *REST)
    assert found == facts
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_allclose(arrays[name], array, atol=1e-6)


def test_what_is_needed_soon_is_imported_meanwhile(sphere, free, monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    threads.needed_soon("no_such_module", "this")
    with guide_process.guide_maker() as make:
        assert "this" not in sys.modules
        make(*sphere, *REST)
    assert "this" in sys.modules
    threads.import_meanwhile()  # nothing is left to do


def test_the_process_ends_with_what_asked_for_it(free, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0])
    with pytest.raises(KeyboardInterrupt), guide_process.guide_maker():
        raise KeyboardInterrupt
    assert started[0].poll() is not None


def test_one_core_makes_it_itself(free, monkeypatch):
    monkeypatch.setattr(guide_process, "count", lambda: 1)
    with guide_process.guide_maker() as make:
        assert make is make_guide
