"""What `shapesiren doctor` looks for is what the project asks for, and what it says follows from what it found."""

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from shapesiren import doctor
from shapesiren.doctor import PACKAGES, examine
from shapesiren.errors import RunError
from shapesiren.runtime import open3d_loader

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {re.match(r"[\w-]+", line)[0] for line in requirements}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_packages_are_those_of_the_project(package):
    asked = PROJECT["optional-dependencies"][package.extra] if package.extra else PROJECT["dependencies"]
    assert package.name in names(asked)


def test_no_package_of_the_project_is_left_out():
    extras = PROJECT["optional-dependencies"]
    asked = [
        *PROJECT["dependencies"],
        *(line for name, lines in extras.items() if name not in ("dev", "bench", "docs") for line in lines),
    ]
    assert names(asked) == {package.name for package in PACKAGES}


def test_only_what_this_machine_is_asked_for(monkeypatch):
    names = {"system": "Darwin", "machine": "arm64", "platform": "macOS", "python_version": "3.12.0"}
    monkeypatch.setattr(
        doctor, "platform", SimpleNamespace(**{name: lambda value=value: value for name, value in names.items()})
    )
    found = without(monkeypatch, "libusb-package", "pye57")
    assert found.healthy
    assert not any("libusb" in line or "pye57" in line for line in found.lines())


def test_numba_is_missed_once_and_is_no_illness(monkeypatch):
    found = without(monkeypatch, "numba").model_copy(update={"native": False})
    assert found.healthy
    assert [line for line in found.lines() if "numba" in line] == [line for line in found.lines() if "no numba" in line] != []


def without(monkeypatch, *absent):
    """`examine` on a machine that lacks some packages."""
    real = doctor.metadata.version

    def version(name):
        if name in absent:
            raise doctor.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    return examine()


def test_a_whole_machine():
    found = examine()
    assert found.healthy
    assert "open3d_error" not in found.tree()
    assert not [line for line in found.lines() if line.startswith(("MISSING", "BROKEN"))]
    assert found.tree()["threads"] > 0


def test_what_is_missing_and_how_to_get_it(monkeypatch):
    found = without(monkeypatch, "plyfile", "laspy", "torch")
    assert not found.healthy
    assert found.tree()["packages"]["plyfile"] is None
    assert "cuda" not in found.tree()
    lines = "\n".join(found.lines())
    assert "MISSING  plyfile (for PLY files): pip install plyfile" in lines
    assert "optional laspy (for LAS and LAZ files): pip install 'shapesiren[survey]'" in lines
    assert "CUDA" not in lines


def test_an_extra_is_no_illness(monkeypatch):
    assert without(monkeypatch, "laspy", "viser").healthy


def test_open3d_that_does_not_load(monkeypatch):
    def broken():
        raise RunError("libX is absent", hint="get it")

    monkeypatch.setattr(open3d_loader, "open3d", broken)
    found = examine()
    assert not found.healthy
    assert "BROKEN   libX is absent; get it" in found.lines()
