"""Parts that users add from a file of their own: loss terms, samplers, networks, file formats, listeners.

    import shapesiren

    @shapesiren.plugin.loss("thin", weight=2.0)
    def thin(batch):
        return (-50 * batch.elsewhere_values.abs()).exp().mean()

    shapesiren fit scan.ply --plugin thin.py

A plugin is code, and runs as the user who names it: on the command line, in a TOML file given there, or in Python. What a run
folder says of plugins is only compared with what is loaded, and never loaded. See docs/plugins.md.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .errors import InputError, RunError, ShapesirenError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

GROUP = "shapesiren.plugins"  # of entry points, by which installed packages offer plugins
Kind = Literal["network", "loss", "sampler", "reader", "writer", "listener"]
Made = TypeVar("Made", bound=Callable[..., Any])
Draw = Callable[[int, "torch.Generator"], "Tensor"]


# ---- What plugins are given ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Batch:
    """What a loss term of a shape sees at one step, in box coordinates; `values` and `gradients` carry the graph.

    points, normals : (n, 3) samples on the surface
    values, gradients : (n,) and (n, 3), of the field there
    elsewhere, elsewhere_values : (m, 3) and (m,), samples off the surface
    elsewhere_gradients : (k, 3), at the leading k of them
    net : the network, which can be called at other points, (n, 3) -> (n, 1); see also `nets.derivatives`
    progress : share of the fit that is done; generator : the only source of randomness, so that a fit can be resumed
    """

    points: Tensor
    normals: Tensor
    values: Tensor
    gradients: Tensor
    elsewhere: Tensor
    elsewhere_values: Tensor
    elsewhere_gradients: Tensor
    net: nn.Module
    progress: float
    generator: torch.Generator


@dataclass(frozen=True)
class Scan:
    """What a sampler draws from: all points of a scan (n, 3) and their normals (n, 3), in box coordinates, on the CPU."""

    points: Tensor
    normals: Tensor


# ---- What is registered ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Part:
    """One registered part. file, line : where its code stands; digest : of that code; plugin : its name as users gave it

    amount : weight of a loss term, share of a sampler
    """

    kind: Kind
    name: str
    made: Callable[..., Any]
    file: str
    line: int
    digest: str
    plugin: str
    amount: float = 1.0

    @property
    def title(self) -> str:
        """``loss thin (thin.py)``"""
        return f"{self.kind} {self.name} ({Path(self.plugin or self.file).name})"

    def call(self, *given: Any) -> Any:
        """Call it. Raises RunError of one line, with the plugin's file and line, for whatever it raises."""
        return self.answer(self.made, *given)

    def answer(self, function: Callable[..., Any], *given: Any) -> Any:
        """The same of a function that it returned."""
        try:
            return function(*given)
        except ShapesirenError:
            raise
        except Exception as e:
            raise self.error(f"{type(e).__name__}: {e}", e) from e

    def error(self, what: str, at: BaseException | None = None) -> RunError:
        """``what`` is wrong with this part, at the line that ``at`` passed last, or where it begins."""
        line = None if at is None else _line_in(at, self.file)
        return RunError(f"{self.kind} {self.name}: {what}", where=f"{self.file}, line {line or self.line}")


_parts: dict[tuple[Kind, str], Part] = {}
_loaded: dict[str, str] = {}  # name as it was given, files absolute -> digest
_loading: list[tuple[str, str, str]] = []  # of the plugin whose code runs: its name, file and digest


def parts(kind: Kind) -> list[Part]:
    """All parts of a kind, in the order in which they were registered."""
    return [part for (of, _), part in _parts.items() if of == kind]


def part(kind: Kind, name: str) -> Part | None:
    """The part of that name, if there is one."""
    return _parts.get((kind, name))


def loaded() -> list[str]:
    """The plugins that were loaded: files, absolute, and names of entry points."""
    return list(_loaded)


def unregister(name: str | None = None) -> None:
    """Forget the parts of that name, or all parts and plugins: fits that follow in this process go without."""
    for key in [key for key in _parts if name in (None, key[1])]:
        del _parts[key]
    if name is None:
        _loaded.clear()


# ---- Registering -----------------------------------------------------------------------------------------
def network(name: str) -> Callable[[Made], Made]:
    """A network for ``--net NAME``: a subclass of `nets.network.MLP`, whose derivatives are then taken in closed form; or any
    class of torch modules, called with (in_features, out_features, settings of [net]), which maps (n, d) to (n, m)."""
    return _registering("network", name)


def loss(name: str, weight: float = 1.0) -> Callable[[Made], Made]:
    """A loss term of shapes: a function of a `Batch` that returns a scalar. ``--set loss.plugins.NAME=2`` is another weight."""
    if not weight >= 0:
        raise InputError(f"a weight of {weight}", where=f"loss {name}", hint="0 or more")
    return _registering("loss", name, weight)


def sampler(name: str, share: float = 0.5) -> Callable[[Made], Made]:
    """A sampler of a scan's points: a function of a `Scan`, called once, that returns a function ``draw(count, generator)``,
    called each step, of which (count,) int64 rows of the scan come. ``share`` of a batch's points are drawn by it, the others
    evenly."""
    if not 0 < share <= 1:
        raise InputError(f"a share of {share}", where=f"sampler {name}", hint="above 0, up to 1")
    return _registering("sampler", name, share)


def reader(suffix: str) -> Callable[[Made], Made]:
    """A format that can be read: a function of a path that returns an array (n, 3), or (n, 6) with normals; a mapping of such
    names as ``points``, ``normals`` and ``colours`` to arrays; or a `PointCloud`."""
    return _registering("reader", _suffix(suffix))


def writer(suffix: str) -> Callable[[Made], Made]:
    """A format of meshes: a function of a `TriangleMesh` (vertices, faces, normals, colours) that returns bytes or text."""
    return _registering("writer", _suffix(suffix))


def listener(made: Made) -> Made:
    """A function that is told the events of each fit, see `fitting.events`: Started, Progress, RolledBack, Saved."""
    return _registering("listener", getattr(made, "__name__", type(made).__name__))(made)


def _suffix(text: str) -> str:
    if not re.fullmatch(r"\.[a-z0-9]+", text):
        raise InputError(f"{text!r} is no extension", hint="for example .xyzw, in lower case")
    return text


def _registering(kind: Kind, name: str, amount: float = 1.0) -> Callable[[Made], Made]:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise InputError(f"{name!r} is no name of a {kind}", hint="letters, digits, - and _")

    def register(made: Made) -> Made:
        if not callable(made):
            raise InputError(f"the {kind} {name} is no function or class")
        file, line, text = _source(made)
        plugin, _, digest = _loading[-1] if _loading else ("", "", hashlib.sha256(text.encode()).hexdigest())
        new = Part(kind, name, made, file, line, digest, plugin, amount)
        held = _parts.get((kind, name))
        if held is not None and held.plugin != plugin and _loading:
            raise InputError(f"a {kind} {name} is there already, of {held.plugin or held.file}", where=f"{file}, line {line}")
        _parts[kind, name] = new
        return made

    return register


def _source(made: Any) -> tuple[str, int, str]:
    """File, line and text of a function or class; of a callable object those of its class."""
    if not (inspect.isclass(made) or inspect.isroutine(made)):
        made = type(made)
    try:
        lines, line = inspect.getsourcelines(made)
        return inspect.getsourcefile(made) or "<python>", max(1, line), "".join(lines)
    except (OSError, TypeError):  # typed at a prompt: its code is what there is
        code = getattr(made, "__code__", None)
        return "<python>", 1, repr((code.co_code, code.co_consts)) if code else repr(made)


# ---- Loading ---------------------------------------------------------------------------------------------
def load(name: str, base: Path | None = None) -> str:
    """Run a plugin, once: a Python file, or the name of an entry point. Returns its name, of a file the absolute path.

    ``base`` : folder that a relative path counts from; by default the current one

    Raises
    ------
    InputError : there is none of that name, it registers nothing, or its code fails; with the file and the line
    """
    file = name.endswith(".py") or "/" in name or "\\" in name
    path = ((base or Path()) / Path(name).expanduser()).resolve()
    full = str(path) if file else name
    if file:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            raise InputError("no such plugin", where=path if base else name) from None
        except OSError as e:
            raise InputError(f"cannot read it ({e.strerror})", where=path) from None
        if _loaded.get(full) == digest:
            return full
    elif full in _loaded:
        return full
    before = dict(_parts)
    for key in [key for key, held in _parts.items() if held.plugin == full]:
        del _parts[key]  # of the file as it was before: a notebook may change and load it again
    try:
        digest = _run_file(path, digest) if file else _run_entry_point(name)
        if not any(held.plugin == full for held in _parts.values()):
            raise InputError("it registers nothing", where=full, hint="a plugin uses @shapesiren.plugin.loss(...) or the like")
    except BaseException:
        _parts.clear()
        _parts.update(before)
        raise
    _loaded[full] = digest
    return full


def _run_file(path: Path, digest: str) -> str:
    name = "_".join(["shapesiren_plugin", re.sub(r"\W", "_", path.stem), digest[:8]])
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("no Python file", where=path, hint="its name ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        _guarded(str(path), str(path), digest, lambda: _execute(module, path))
    except BaseException:
        del sys.modules[name]
        raise
    return digest


def _execute(module: ModuleType, path: Path) -> None:
    """The file as it is now: not what Python may hold compiled of it, which goes by its second and size."""
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)


def _run_entry_point(name: str) -> str:
    found = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in found:
        known = f"installed: {', '.join(sorted(found))}" if found else "a file ends with .py; no plugins are installed"
        raise InputError(f"no plugin {name!r}", where="--plugin", hint=known)
    module = found[name].module
    spec = _guarded(name, name, "", lambda: importlib.util.find_spec(module))
    file = Path(spec.origin) if spec is not None and spec.origin else None
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file is not None and file.is_file() else ""
    sys.modules.pop(module, None)  # what it registers at its import is this plugin's
    _guarded(name, str(file or name), digest, found[name].load)
    return digest


def _guarded(plugin: str, file: str, digest: str, run: Callable[[], Any]) -> Any:
    """Run a plugin's code, whatever it raises being one line with its file and line."""
    _loading.append((plugin, file, digest))
    try:
        return run()
    except SyntaxError as e:
        raise InputError(f"{e.msg}", where=f"{e.filename or file}, line {e.lineno}") from e
    except InputError as e:
        where = e.where if e.where is not None else f"{file}, line {_line_in(e, file) or 1}"
        raise InputError(e.what, where=where, hint=e.hint) from e
    except Exception as e:
        raise InputError(f"{type(e).__name__}: {e}", where=f"{file}, line {_line_in(e, file) or 1}") from e
    finally:
        _loading.pop()


def _line_in(error: BaseException, file: str) -> int | None:
    """The line of ``file`` that an error passed last."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None


# ---- Plugins in settings ---------------------------------------------------------------------------------
def load_named(tree: Mapping[str, Any], origin: str | Path | None, base: Path | None = None) -> dict[str, Any]:
    """A tree of settings that the user gave, its plugins loaded and their names full. ``base`` as of `load`."""
    if "plugins" not in tree:
        return dict(tree)
    names = tree["plugins"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError("setting 'plugins': not a list of files and names", where=origin, hint='plugins = ["my.py"]')
    return {**tree, "plugins": [load(name, base) for name in names]}


def layers() -> list[tuple[str, dict[str, Any]]]:
    """What is loaded, as a layer of settings, so that a run tells of what it was made with."""
    return [("--plugin", {"plugins": loaded()})] if _loaded else []


def require(names: Sequence[str], where: object) -> None:
    """Raise InputError for the first plugin of a run's settings, ``names``, that is not loaded."""
    held = {Path(name).name for name in _loaded}
    for name in names:
        if Path(name).name not in held:
            raise InputError(f"this run needs the plugin {name}", where=where, hint=missing(name))


def missing(name: str) -> str:
    """What to try where plugin ``name`` is not loaded."""
    return f"--plugin {name} loads it, if you trust its code; --set plugins=[] goes without"


def digests(stage: str, net: str, shape: bool) -> list[str]:
    """What the result of a stage depends on, of all that is registered: titles and digests; ``net`` is the network's kind,
    ``shape`` whether the task has losses and samplers of plugins."""
    counted = [*parts("loss"), *parts("sampler")] if stage == "fit" and shape else []
    chosen = part("network", net)
    if chosen is not None and stage != "ingest":
        counted.append(chosen)
    return [f"{p.kind} {p.name} {p.amount} {p.digest}" for p in counted]


def trained_terms() -> list[Part]:
    """Parts that need a network which is trained."""
    return [*parts("loss"), *parts("sampler")]


def told() -> str:
    """What is registered, for the user."""
    return "plugins: " + ", ".join(p.title for p in _parts.values())


__all__ = ["Batch", "Part", "Scan", "listener", "load", "loss", "network", "reader", "sampler", "unregister", "writer"]
