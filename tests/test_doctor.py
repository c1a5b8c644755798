"""What `shapesiren doctor` looks for is what the project asks for, and what it says follows from what it found."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from shapesiren import doctor
from shapesiren.doctor import PACKAGES, examine

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


NEEDED = [package for package in PACKAGES if package.needed and package.wanted_here and not package.extra]
WHOLE = pytest.mark.skipif(
    not all(doctor._version(package.name) for package in NEEDED), reason="the small installation: something is missing"
)


@WHOLE
def test_only_what_this_machine_is_asked_for(monkeypatch):
    names = {"system": "Darwin", "machine": "arm64", "platform": "macOS", "python_version": "3.12.0"}
    monkeypatch.setattr(
        doctor, "platform", SimpleNamespace(**{name: lambda value=value: value for name, value in names.items()})
    )
    found = without(monkeypatch, "pye57")
    assert found.healthy
    assert not any("pye57" in line for line in found.lines())


@WHOLE
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


@WHOLE
def test_a_whole_machine():
    found = examine()
    assert found.healthy
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


@WHOLE
def test_an_extra_is_no_illness(monkeypatch):
    assert without(monkeypatch, "laspy", "viser").healthy


def test_a_missing_package_is_named_with_what_brings_it():
    """By the names that modules are imported by, of all packages that are asked for."""
    for package in PACKAGES:
        module = doctor.MODULES.get(package.name, package.name.replace("-", "_"))
        said = doctor.missing(ModuleNotFoundError("no", name=f"{module}.part"))
        assert said.exit_code == 2 and package.name in said.line()
        assert f"pip install '{f'shapesiren[{package.extra}]' if package.extra else package.name}'" in said.line()
        if metadata_of(package.name):
            importlib.util.find_spec(module)
            assert importlib.util.find_spec(module) is not None, module
    assert doctor.missing(ModuleNotFoundError("no", name="my_plugin")) is None


def metadata_of(name):
    return doctor._version(name)


def test_the_small_installation_is_part_of_the_whole():
    asked = {line.split(";")[0] for line in PROJECT["dependencies"]}
    lines = (Path(__file__).parents[1] / "requirements-slim.txt").read_text().splitlines()
    slim = {line for line in lines if line and not line.startswith("#")}
    assert slim < asked
    assert {re.match(r"[\w-]+", line)[0] for line in asked - slim} == {
        "torch", "numba", "sympy", "tifffile", "soundfile", "av", "matplotlib", "plotly"
    }  # fmt: skip
