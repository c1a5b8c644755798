"""A guide made in another process is the guide, and whatever happens to that process, there is one."""

import subprocess
import sys

import numpy as np
import pytest

from shapesiren.pointcloud.guide import process
from shapesiren.pointcloud.guide.samples import make_guide
from shapesiren.runtime import threads


@pytest.fixture
def sphere(rng):
    normals = rng.normal(size=(3000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return normals * 0.5, normals


@pytest.fixture
def free(monkeypatch):
    """A machine of several cores."""
    monkeypatch.setattr(process, "count", lambda: 2)
    monkeypatch.setenv(threads.VARIABLE, "1")  # of more, a Poisson surface differs from one time to the next


def nothing() -> None:
    """To be done meanwhile."""


REST = (500, 5, 0.1, 7, 0.0)


@pytest.mark.parametrize("says", [None, "exit 1", "exit 0", "printf nonsense", r"printf 'PK\003\004nonsense'"])
def test_the_guide_is_the_same(sphere, free, says, monkeypatch, tmp_path):
    expected, facts = make_guide(*sphere, *REST)
    if says is not None:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{says}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
    with process.guide_maker(nothing) as make:
        assert make is not make_guide
        arrays, found = make(*sphere, *REST)
    assert found == facts
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_allclose(arrays[name], array, atol=1e-6)


def test_something_is_done_meanwhile(sphere, free):
    done = []
    with process.guide_maker(lambda: done.append("here")) as make:
        assert not done
        make(*sphere, *REST)
    assert done == ["here"]


def test_a_module_that_does_not_import_shows_when_it_is_needed(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    threads.import_modules("no_such_module", "this")
    assert "this" in sys.modules


def test_the_process_ends_with_what_asked_for_it(free, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0])
    with pytest.raises(KeyboardInterrupt), process.guide_maker(nothing):
        raise KeyboardInterrupt
    assert started[0].poll() is not None


def test_one_core_or_nothing_to_do_makes_it_here(free, monkeypatch):
    with process.guide_maker(None) as make:
        assert make is make_guide
    monkeypatch.setattr(process, "count", lambda: 1)
    with process.guide_maker(nothing) as make:
        assert make is make_guide
