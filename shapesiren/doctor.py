"""What this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib
import os
import platform
from importlib import metadata
from typing import Any

from .errors import ShapesirenError

# package -> what it is needed for, and the command that installs it
NEEDED = {
    "torch": "fitting",
    "numpy": "everything",
    "scipy": "ingest and mesh",
    "scikit-image": "marching cubes",
    "safetensors": "run folders",
    "pydantic": "settings",
    "plyfile": "PLY files",
    "trimesh": "OBJ, STL, OFF, GLB and mesh sampling",
    "open3d": "normals, guide, evaluation",
    "soundfile": "sounds",
    "av": "videos, 16-bit colour PNG",
    "matplotlib": "pictures of signals",
    "plotly": "reports",
    "jinja2": "reports",
}
# package -> what it adds, and the extra that brings it
EXTRAS = {
    "laspy": ("LAS and LAZ files", "survey"),
    "pye57": ("E57 files", "survey"),
    "viser": ("view and --live", "live"),
    "ray": ("batch --engine ray", "ray"),
    "onnx": ("export to ONNX", "onnx"),
    "tensorboard": ("--tensorboard", "tensorboard"),
}


def examine() -> tuple[dict[str, Any], list[str], bool]:
    """Facts as data, the same as lines, and whether everything that is needed is there."""
    facts: dict[str, Any] = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    lines = [f"python {facts['python']}, {facts['system']}, {facts['cores']} cores"]
    healthy = True
    packages: dict[str, str | None] = {}
    for name, purpose in NEEDED.items():
        try:
            packages[name] = metadata.version(name)
            lines.append(f"ok       {name} {packages[name]}")
        except metadata.PackageNotFoundError:
            packages[name] = None
            healthy = False
            lines.append(f"MISSING  {name} (for {purpose}): pip install {name}")
    for name, (purpose, extra) in EXTRAS.items():
        try:
            packages[name] = metadata.version(name)
            lines.append(f"ok       {name} {packages[name]}")
        except metadata.PackageNotFoundError:
            packages[name] = None
            lines.append(f"optional {name} (for {purpose}): pip install 'shapesiren[{extra}]'")
    facts["packages"] = packages
    if packages["open3d"]:
        try:
            importlib.import_module("shapesiren.runtime.open3d_loader").open3d()
            lines.append("ok       open3d loads")
        except ShapesirenError as e:
            healthy = False
            lines.append(f"BROKEN   {e.line()}")
    if packages["torch"]:
        import torch

        from .nets.precision import low_precision
        from .runtime.compiled import numba_works

        facts["native"] = numba_works()
        if not facts["native"]:
            lines.append(
                "note     no numba: steps on the CPU run in plain torch, half as slow again, and meshes have no edges "
                "flipped: pip install numba"
            )
        facts["cuda"] = torch.cuda.is_available()
        facts["threads"] = torch.get_num_threads()
        facts["precision"] = str(low_precision("auto", torch.device("cpu"), 256)).removeprefix("torch.")
        lines.append(f"ok       {facts['threads']} threads; {facts['precision']} is the faster precision on this CPU")
        lines.append("ok       CUDA is there" if facts["cuda"] else "note     no CUDA device; fitting runs on the CPU")
    return facts, lines, healthy
