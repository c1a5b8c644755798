"""Imports point one way, and fitting needs torch and numpy alone."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import shapesiren

ROOT = Path(shapesiren.__file__).parent
# DESIGN: errors, config <- nets, signals <- tasks, surface, metrics <- fitting, report <- stages <- batch, view <- cli
RANK = {
    "errors": 0, "config": 0, "files": 0, "threads": 0, "neighbours": 1, "nets": 1, "signals": 1, "field": 2, "surface": 3,
    "resample": 3, "metrics": 3, "tasks": 3, "fitting": 4, "reports": 4, "export": 4, "stages": 5, "api": 6, "batch": 6,
    "view": 6, "doctor": 6, "cli": 7, "__init__": 6, "__main__": 8,
}  # fmt: skip


def imports(path):
    """(top-level part of the package, line) of each import inside the package."""
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level < depth:
                continue  # inside its own folder
            names = [node.module.split(".")[0]] if node.module else [a.name for a in node.names]
            yield from ((name, node.lineno) for name in names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shapesiren"):
            yield ([*node.module.split("."), ""])[1], node.lineno


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name, line in imports(path):
        if name in RANK:
            assert RANK[name] <= RANK[own], f"{path}:{line}: {own} imports {name}"


def test_files_stay_readable():
    for path in ROOT.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 420, path


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def test_fitting_needs_torch_and_numpy_alone(torus_scan, tmp_path):
    """Ingest here, then fit in a process in which open3d, trimesh, scikit-image, scipy, plyfile and numba do not exist."""
    import shapesiren
    from tests.conftest import QUICK

    shapesiren.ingest(torus_scan, tmp_path / "run", settings=QUICK)
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("open3d", "trimesh", "skimage", "scipy", "plyfile", "PIL", "numba", "llvmlite"):
            raise ImportError(name + " is not on this node")
sys.meta_path.insert(0, Absent())
from shapesiren.cli import app
app(["fit", {str(tmp_path / "run")!r}, "--steps", "20", "--json", "-q"])
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fit"]["steps"] == 20


def test_help_imports_nothing_heavy():
    done = run(
        "import sys\nfrom shapesiren.cli import app\ntry:\n app(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'open3d', 'trimesh', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


@pytest.mark.parametrize(("words", "heavy"), [
    (["fit", "missing.ply"], {"torch", "open3d", "trimesh", "scipy"}),
    (["fit", "pyproject.toml", "--set", "fit.speed=3"], {"torch", "open3d", "trimesh", "scipy"}),
    (["ingest", "SCAN", "--out", "OUT", "--set", "ingest.guide_samples=1000", "--quiet"], {"torch"}),
])  # fmt: skip
def test_torch_is_not_loaded_before_a_fit(torus_scan, tmp_path, words, heavy):
    """An error comes at once, and a first step sooner: torch is loaded while the guide is made."""
    words = [{"SCAN": str(torus_scan), "OUT": str(tmp_path / "run")}.get(word, word) for word in words]
    done = run(
        f"import sys\nfrom shapesiren.cli import app\nfrom shapesiren.errors import ShapesirenError\ntry:\n app({words!r})\n"
        f"except (SystemExit, ShapesirenError): pass\nprint(sorted({heavy!r} & set(sys.modules)))"
    )
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
    assert (tmp_path / "run" / "cloud.npz").exists() == (words[0] == "ingest")
