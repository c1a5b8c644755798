"""What this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata

from .errors import RunError
from .facts import Facts


@dataclass(frozen=True)
class Package:
    """A package that is looked for.

    name : of its distribution
    purpose : what it is for
    extra : the extra of shapesiren that brings it; empty where it comes with every installation
    system, machine : where alone it is asked for, as `platform` names them; empty for everywhere
    needed : whether an installation without it lacks something, but for speed
    """

    name: str
    purpose: str
    extra: str = ""
    system: str = ""
    machine: str = ""
    needed: bool = True

    @property
    def wanted_here(self) -> bool:
        """Whether it is asked for on a machine like this one."""
        return self.system in ("", platform.system()) and self.machine in ("", platform.machine())


# in the order in which they are told; tests/test_doctor.py holds them to pyproject.toml
PACKAGES = (
    Package("torch", "fitting"),
    Package("numpy", "everything"),
    Package("scipy", "ingest and mesh"),
    Package("scikit-image", "marching cubes"),
    Package("safetensors", "run folders"),
    Package("pydantic", "settings"),
    Package("typing_extensions", "settings"),
    Package("typer", "the command line"),
    Package("rich", "progress"),
    Package("numba", "compiled steps on the CPU, flipped edges", needed=False),
    Package("plyfile", "PLY files"),
    Package("trimesh", "OBJ, STL, OFF, GLB and mesh sampling"),
    Package("fast-simplification", "fewer faces"),
    Package("pillow", "images"),
    Package("tifffile", "TIFF images"),
    Package("sympy", "expressions of equations"),
    Package("soundfile", "sounds"),
    Package("av", "videos, 16-bit colour PNG"),
    Package("matplotlib", "pictures of signals"),
    Package("plotly", "reports"),
    Package("jinja2", "reports"),
    Package("laspy", "LAS and LAZ files", "survey"),
    Package("lazrs", "LAZ files", "survey"),
    Package("pye57", "E57 files", "survey", machine="x86_64"),
    Package("viser", "view and --live", "live"),
    Package("ray", "batch --engine ray", "ray"),
    Package("onnx", "export to ONNX", "onnx"),
    Package("tensorboard", "--tensorboard", "tensorboard"),
    Package("manifold3d", "parts for a printer", "print"),
    Package("lib3mf", "3MF files", "print"),
    Package("lxml", "3MF files that are read", "print"),
    Package("networkx", "3MF files that are read", "print"),
    Package("xatlas", "textures", "texture"),
    Package("pyproj", "coordinate systems by their codes", "survey"),
)

MODULES = {"scikit-image": "skimage", "pillow": "PIL"}  # imported by names that are not theirs


class MachineFacts(Facts):
    """What this machine has.

    python : its version
    system : name and version of the operating system, and the processor's architecture
    cores : of the processor, None where the system does not say
    packages : the version of each of `PACKAGES` that is asked for here, None where it is absent
    native : whether steps on the CPU run compiled, by numba; absent without torch, as are the others
    cuda : whether torch finds a CUDA device
    threads : that torch uses
    precision : the faster one of this CPU, float32 or bfloat16
    """

    python: str
    system: str
    cores: int | None
    packages: dict[str, str | None]
    native: bool = False
    cuda: bool = False
    threads: int = 0
    precision: str = ""

    @property
    def healthy(self) -> bool:
        """Whether everything is there that every installation needs."""
        needed = [package.name for package in PACKAGES if package.wanted_here and package.needed and not package.extra]
        return all(self.packages[name] for name in needed)

    def lines(self) -> list[str]:
        """What is there, a line each, and for what is not the command that brings it."""
        lines = [f"python {self.python}, {self.system}, {self.cores} cores"]
        for package in (package for package in PACKAGES if package.wanted_here):
            version = self.packages[package.name]
            if version:
                lines.append(f"ok       {package.name} {version}")
            elif not package.needed:
                continue  # a note says so below
            elif package.extra:
                lines.append(f"optional {package.name} (for {package.purpose}): pip install 'shapesiren[{package.extra}]'")
            else:
                lines.append(f"MISSING  {package.name} (for {package.purpose}): pip install {package.name}")
        if self.packages["torch"]:
            if not self.native:
                lines.append(
                    "note     no numba: steps on the CPU run in plain torch, half as slow again, and meshes have no edges "
                    "flipped: pip install numba"
                )
            lines.append(f"ok       {self.threads} threads; {self.precision} is the faster precision on this CPU")
            lines.append("ok       CUDA is there" if self.cuda else "note     no CUDA device; fitting runs on the CPU")
        return lines


def examine() -> MachineFacts:
    """Look at this machine; loads torch, where it is installed."""
    packages = {package.name: _version(package.name) for package in PACKAGES if package.wanted_here}
    found = MachineFacts(
        python=platform.python_version(),
        system=platform.platform(),
        cores=os.cpu_count(),
        packages=packages,
    )
    if packages["torch"] is None:
        return found
    import torch

    from .nets.precision import low_precision
    from .runtime.compiled import numba_works

    return found.model_copy(
        update={
            "native": numba_works(),
            "cuda": torch.cuda.is_available(),
            "threads": torch.get_num_threads(),
            "precision": str(low_precision("auto", torch.device("cpu"), 256)).removeprefix("torch."),
        }
    )


def _version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def missing(error: ModuleNotFoundError) -> RunError | None:
    """What to say of a package that could not be imported, of those that the project asks for; None of any other."""
    module = (error.name or "").split(".")[0]
    for package in PACKAGES:
        if module == MODULES.get(package.name, package.name.replace("-", "_")):
            brings = f"shapesiren[{package.extra}]" if package.extra else package.name
            return MissingPackage(
                f"the package {package.name} is missing (for {package.purpose})", hint=f"pip install {brings!r}"
            )
    return None


class MissingPackage(RunError):
    """A package that the command needs is not installed."""

    exit_code = 2
