"""Settings: frozen pydantic models, merged from preset, TOML file and command line.

What every task shares is here. A task's own sections (losses, batches, meshing ...) stand in its file under
``tasks/``, as a subclass of `Config`, beside its presets.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from . import plugins
from .errors import InputError
from .profiles import profile

Tree = dict[str, Any]

Precision = Literal["auto", "float32", "bfloat16"]  # auto: bfloat16 where the machine is quicker at it


class Settings(BaseModel):
    """Base of all settings: immutable, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Settings that came later. Where they are not given, the keys of runs are those of the versions before them.
    later: ClassVar[tuple[str, ...]] = ()
    # Settings of copies for others alone, which no stage's result depends on.
    of_copies: ClassVar[tuple[str, ...]] = ()


NETWORKS = ("siren", "local", "auto", "relu", "tanh", "relu-pe", "rff", "finer", "wire", "gaussian")


def known_network(kind: str) -> str:
    """A kind of network that there is, of ours or of a plugin. Raises ValueError."""
    known = [*NETWORKS, *(part.name for part in plugins.parts("network"))]
    if kind not in known:
        raise ValueError(f"input should be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}")
    return kind


# Here and not in nets/, where all stands on this file, because every task's `Config` has them.
class NetSettings(Settings):
    """The network."""

    kind: Annotated[str, AfterValidator(known_network)] = Field(
        "siren",
        examples=list(NETWORKS),
        description="local: many small ones, solved; auto: local where that is as good; the rest are there to be compared",
    )
    width: int = Field(256, ge=2, description="units of each layer")
    hidden_layers: int = Field(3, ge=0, description="layers after the first; only a SIREN may have none")
    last_width: int | None = Field(None, ge=2, description="units of a SIREN's last layer, if not as many as of the others")
    omega_first: float = Field(30.0, gt=0, description="frequency factor of a SIREN's first layer")
    omega_hidden: float = Field(30.0, gt=0, description="frequency factor of its other layers, and of finer and wire")
    scale: float = Field(10.0, gt=0, description="of the Gaussian of gaussian and wire")
    octaves: int = Field(8, ge=1, le=24, description="of relu-pe's positional encoding")
    sigma: float = Field(10.0, gt=0, description="of the random frequencies of rff, cycles per box unit")
    first_bias: float = Field(1.0, gt=0, description="reach of finer's first biases")

    @model_validator(mode="after")
    def _layers_fit(self) -> NetSettings:
        if self.kind in NETWORKS[3:] and (self.hidden_layers < 1 or self.last_width is not None):
            raise ValueError("only a siren may have no hidden layers, or a last one of its own width")
        return self


class FitSettings(Settings):
    """The loop. It ends after ``seconds`` if given, else ``steps``, else ``epochs``."""

    later: ClassVar[tuple[str, ...]] = ("prior",)

    optimizer: Literal["adam", "least-squares"] = Field(
        "adam", description="least-squares: solve for the last layer of a field that its equations are linear in"
    )
    steps: int | None = Field(None, ge=1, description="optimizer steps; of least-squares: rounds")
    seconds: float | None = Field(None, gt=0, description="wall-clock time; the schedule follows it")
    epochs: int | None = Field(None, ge=1, description="passes over the input's samples")
    learning_rate: float = Field(5e-4, gt=0, description="Adam's peak rate")
    beta2: float = Field(0.99, gt=0, lt=1, description="Adam's decay of the second moment")
    warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    decay: Literal["cosine", "none"] = Field("cosine", description="schedule after the warm-up")
    final_rate: float = Field(0.002, ge=0, le=1, description="last rate as a share of the peak")
    divergence: float | None = Field(
        1.3, gt=1, description="rise of the average loss over its best that, if it stays, is undone"
    )
    clip: float | None = Field(None, gt=0, description="bound on the gradient's norm")
    derivatives: Literal["fused", "closed", "autograd"] = Field("fused", description="how input gradients are taken")
    backend: Literal["auto", "native", "torch"] = Field("auto", description="of the fused step; native: CPU, with numba")
    precision: Precision = Field("auto", description="of the matrix products")
    low_precision_share: float = Field(0.95, ge=0, le=1, description="share of the fit run in bfloat16, if at all")
    prior: str | None = Field(
        None, description="completes a signal of which little is known: a run of task prior, its file, or builtin (shapes)"
    )
    ridge: float = Field(1e-13, ge=0, description="of least-squares: added to the diagonal of the scaled normal matrix")
    checkpoint_seconds: float = Field(5.0, gt=0, description="time between checkpoints")

    @model_validator(mode="after")
    def _has_an_end(self) -> FitSettings:
        if self.steps is None and self.seconds is None and self.epochs is None:
            raise ValueError("one of steps, seconds and epochs must be given")
        return self


class ReportSettings(Settings):
    """The page."""

    faces: int = Field(60_000, ge=1000, description="of the mesh in the page; the mesh itself stays as it is")
    points: int = Field(30_000, ge=0, description="of the scan in the page")
    size: int = Field(360, ge=64, le=2048, description="pixels of each picture")
    up: Literal["auto", "x", "y", "z"] = Field(
        "auto", description="the vertical axis; auto: z of open scans, terrain and maps, else y"
    )


ENDS = {"steps", "seconds", "epochs"}  # of a fit


class OutputSettings(Settings):
    """What is written beside a run's own mesh or signal, and kept of those before it. No stage depends on it."""

    formats: list[str] = Field([], description="also write the result in these, into the run: e.g. stl, glb")
    keep: int = Field(3, ge=0, description="results that were replaced and are kept, as mesh.1.ply and so on; 0 for none")


class Config(Settings):
    """What every task's settings share."""

    # (section, name) of settings whose value, if it is given, picks "preset/value" on top of "preset"
    variants: ClassVar[tuple[tuple[str, str], ...]] = ()

    task: str
    preset: str = Field("default", description="how fine, and how long; fast, default, fine or paper")
    profile: str | None = Field(None, description="what the result is for; print, survey, museum or research")
    plugins: list[str] = Field([], description="Python files of your own and names of installed plugins, see docs/plugins.md")
    seed: int = Field(0, ge=0, lt=2**63, description="of everything random")
    net: NetSettings = NetSettings()
    fit: FitSettings = FitSettings(steps=1000)
    report: ReportSettings = ReportSettings()
    output: OutputSettings = OutputSettings()

    def present(self, names: Sequence[str]) -> list[str]:
        """Those of the sections that these settings have, each once."""
        return [name for name in dict.fromkeys(names) if name in type(self).model_fields]

    def section(self, name: str) -> Tree:
        """One section as plain data, for a stage's key and the manifest."""
        value = getattr(self, name)
        if not isinstance(value, BaseModel):
            return {name: value}
        later, of_copies = getattr(value, "later", ()), getattr(value, "of_copies", ())
        tree = {k: v for k, v in value.model_dump(mode="json").items() if k not in of_copies}
        return {k: v for k, v in tree.items() if v is not None or k not in later}

    def for_copies(self, name: str) -> Tree:
        """Of a section, the settings that are of files for others alone, those that are given."""
        value = getattr(self, name)
        held = {k: getattr(value, k) for k in getattr(value, "of_copies", ())}
        return {k: v for k, v in held.items() if v is not None}


AnyConfig = TypeVar("AnyConfig", bound=Config)


def resolve(
    model: type[AnyConfig],
    presets: Mapping[str, Tree],
    layers: Sequence[tuple[str, Tree]],
) -> AnyConfig:
    """Merge a preset with the given layers, later ones winning, and validate.

    Parameters
    ----------
    model : the task's Config class
    presets : preset name -> settings tree
    layers : (origin, tree) pairs; the origin (a file, ``--set``) is named in errors

    Raises
    ------
    InputError : unknown preset or setting, or a value that does not fit, named with its path and origin
    """
    layers = trained(model, with_profile(model, layers))
    preset = next((tree["preset"] for _, tree in reversed(layers) if "preset" in tree), "default")
    names = [name for name in presets if "/" not in name]
    if preset not in names:
        raise InputError(f"no preset {preset!r}", where=_origin(layers, ("preset",)), hint=f"one of {', '.join(names)}")
    merged: Tree = {"preset": preset}
    merge(merged, presets[preset])
    for section, name in model.variants:
        chosen = [tree[section][name] for _, tree in layers if isinstance(tree.get(section), dict) and name in tree[section]]
        if chosen:  # a plugin's network is trained as a SIREN is
            plugged = section == "net" and isinstance(chosen[-1], str) and plugins.part("network", chosen[-1]) is not None
            merge(merged, presets.get(f"{preset}/{'siren' if plugged else chosen[-1]}", {}))
    for _, tree in layers:
        # an explicit end of the fit replaces the preset's, whichever kind it was
        if ends := ENDS & (tree.get("fit") or {}).keys() if isinstance(tree.get("fit"), dict) else None:
            for other in ENDS - ends:
                merged.get("fit", {}).pop(other, None)
        merge(merged, tree)
    if isinstance(fit := merged.get("fit"), dict) and not ENDS & fit.keys():  # e.g. [fit] with a rate alone, or empty
        merged["fit"] = model.model_fields["fit"].default.model_dump(include=ENDS, exclude_none=True) | fit
    return validated(model, merged, lambda path: _origin(layers, path))


def with_profile(model: type[Config], layers: Sequence[tuple[str, Tree]]) -> list[tuple[str, Tree]]:
    """The layers with the profile that the last of them names, if one does, before all of them: over the preset alone."""
    named = [(origin, tree["profile"]) for origin, tree in layers if tree.get("profile") is not None]
    if not named:
        return list(layers)
    origin, name = named[-1]
    task = str(model.model_fields["task"].default)
    return [(f"profile {name}", profile(str(name), task, origin)), *layers]


def trained(model: type[Config], layers: Sequence[tuple[str, Tree]]) -> list[tuple[str, Tree]]:
    """The layers, before them a network that is trained where plugins need one and none was chosen."""
    terms = plugins.trained_terms() if "local" in model.model_fields else []
    if not terms or any("kind" in tree["net"] for _, tree in layers if isinstance(tree.get("net"), dict)):
        return list(layers)
    return [(terms[0].title, {"net": {"kind": "siren"}}), *layers]


AnySettings = TypeVar("AnySettings", bound=BaseModel)


def validated(model: type[AnySettings], tree: Tree, origin: Callable[[Sequence[str]], str | Path | None]) -> AnySettings:
    """A tree as a model. Raises InputError of one line that names the first thing wrong and its ``origin``."""
    try:
        return model.model_validate(tree)
    except ValidationError as e:
        first = e.errors()[0]
        path = tuple(str(p) for p in first["loc"])
        dotted = ".".join(path)
        if first["type"] == "extra_forbidden":
            known = _names(model, path[:-1])
            near = difflib.get_close_matches(path[-1], known, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}" if known else None
            raise InputError(f"unknown setting {dotted!r}", where=origin(path), hint=hint) from None
        message = first["msg"].removeprefix("Value error, ")
        given = "" if isinstance(first["input"], dict) or first["type"] == "missing" else f" (given: {first['input']!r})"
        name = f"setting {dotted!r}: " if dotted else ""
        raise InputError(f"{name}{message[0].lower()}{message[1:]}{given}", where=origin(path)) from None


def _names(model: Any, path: Sequence[str]) -> list[str]:
    """The settings at a path; through lists, optional sections and the like."""
    for part in path:
        if not part.isdigit():
            model = model.model_fields[part].annotation
        while not hasattr(model, "model_fields"):
            inner = [a for a in get_args(model) if a is not type(None)]
            if not inner:
                return []
            model = inner[0]
    return list(model.model_fields)


def _origin(layers: Sequence[tuple[str, Tree]], path: Sequence[str]) -> str | None:
    """The last layer that sets ``path``."""
    for origin, tree in reversed(layers):
        node: Any = tree
        for part in path:
            node = node.get(part) if isinstance(node, dict) and part in node else None
            if node is None:
                break
        else:
            return origin
    return None


def merge(base: Tree, tree: Mapping[str, Any]) -> None:
    """Merge ``tree`` into ``base`` in place, section by section."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and isinstance(base.get(name), dict):
            merge(base[name], value)
        else:
            base[name] = dict(value) if isinstance(value, Mapping) else value


def parse_assignments(assignments: Sequence[str]) -> Tree:
    """``["fit.steps=100", ...]`` -> tree. Values are TOML; what is not valid TOML is taken as a string."""
    tree: Tree = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not all(name.strip().split(".")):
            raise InputError(f"{text!r} is not of the form section.name=value", where="--set")
        try:
            parsed = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            parsed = value.strip()
        for part in reversed(name.strip().split(".")):
            parsed = {part: parsed}
        merge(tree, parsed)
    return tree


def read_toml(path: Path) -> Tree:
    """A settings file as a tree. Raises InputError when it is missing or no valid TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such settings file", where=path) from None
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"cannot read settings: {e}", where=path) from None
    except tomllib.TOMLDecodeError as e:
        raise InputError(f"not valid TOML: {e}", where=path) from None


def to_toml(config: Config) -> str:
    """The resolved settings as TOML that `read_toml` and `resolve` take back; None is left out."""
    tree = config.model_dump(mode="json", exclude_none=True)
    lines = [f"{k} = {toml_value(v)}" for k, v in tree.items() if not isinstance(v, dict)]
    for section, values in tree.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]"] + [f"{k} = {toml_value(v)}" for k, v in values.items()]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Numbers, booleans, strings and lists of them: JSON's spelling is TOML's; tables of them in a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
