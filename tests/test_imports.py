"""Imports point one way, and fitting needs torch and numpy alone."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import shapesiren

ROOT = Path(shapesiren.__file__).parent
# Lowest first; a module may import its own layer and those above it in this list. `tasks.base` says what a task is, for
# those who work with any task; the tasks themselves know how they are fitted and reported.
LAYERS = [
    {"errors", "config", "plugins", "profiles", "settings_file", "version", "lengths"},
    {"runtime", "similarity", "facts"},
    {"header", "reports.page", "reports.figure_file"},
    {"nets"},
    {"field"},
    {"pointcloud", "media"},
    {"local"},
    {"equations"},
    {"surface"},
    {"metrics"},
    {"large"},
    {"export", "tasks.base", "tasks.fitted"},
    {"fitting", "reports"},
    {"tasks"},
    {"stages"},
    {"api", "batch", "view", "doctor"},
    {"__init__"},
    {"cli"},
    {"__main__"},
]


def rank(module: str) -> int:
    """The layer of a module, named from the package on: ``surface.trim``; of the most exact name in `LAYERS`."""
    parts = module.split(".")
    for length in (2, 1):
        name = ".".join(parts[:length])
        for i, layer in enumerate(LAYERS):
            if name in layer:
                return i
    raise AssertionError(f"{module} has no layer: enter it in LAYERS")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(module: str) -> dict[str, int]:
    """Modules of the package that a module imports anywhere in it, functions and type checks included -> line."""
    own = module.split(".")[:-1]  # the folder
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = own[: len(own) - node.level + 1] + (node.module.split(".") if node.module else [])
        elif (node.module or "").split(".")[0] == "shapesiren":
            base = node.module.split(".")[1:]
        else:
            continue
        for alias in node.names:
            for name in (".".join([*base, alias.name]), ".".join(base), ".".join([*base, "__init__"])):
                if name in MODULES:
                    if name != module:
                        found.setdefault(name, node.lineno)
                    break
    return found


GRAPH = {module: imported(module) for module in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    for name, line in GRAPH[module].items():
        assert rank(name) <= rank(module), f"{MODULES[module]}:{line}: {module} imports {name}, which is above it"


def test_no_module_imports_itself_in_a_circle():
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for name in GRAPH[module]:
                walk(name, (*way, module))
            done.add(module)

    for module in MODULES:
        walk(module, ())


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_training_needs_torch_and_numpy_alone(torus_scan, tmp_path):
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["fit", "missing.ply"], {"torch", "open3d", "trimesh", "scipy"}),
        (["fit", "pyproject.toml", "--set", "fit.speed=3"], {"torch", "open3d", "trimesh", "scipy"}),
        (["ingest", "SCAN", "--out", "OUT", "--set", "ingest.guide_samples=1000", "--quiet"], {"torch"}),
    ],
)
def test_torch_is_not_loaded_before_a_fit(torus_scan, tmp_path, words, heavy):
    """An error comes at once, and a first step sooner: torch is loaded while the guide is made."""
    words = [{"SCAN": str(torus_scan), "OUT": str(tmp_path / "run")}.get(word, word) for word in words]
    done = run(
        f"import sys\nfrom shapesiren.cli import app\nfrom shapesiren.errors import ShapesirenError\ntry:\n app({words!r})\n"
        f"except (SystemExit, ShapesirenError): pass\nprint(sorted({heavy!r} & set(sys.modules)))"
    )
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
    assert (tmp_path / "run" / "cloud.npz").exists() == (words[0] == "ingest")
