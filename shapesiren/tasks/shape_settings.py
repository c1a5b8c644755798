"""All settings of task ``shape``, and its presets; without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field as Setting

from ..config import NETWORKS, Config, FitSettings, NetSettings, Settings, Tree
from ..local.settings import LocalSettings
from ..metrics.shape import EvaluateSettings
from ..pointcloud.settings import IngestSettings
from ..surface.settings import MeshSettings

STEPS = 5500  # of the default preset
PART, PART_PICTURE = "print.ply", "print.png"  # what `mesh` makes for a printer, and where it is thin


class BatchSettings(Settings):
    """Samples of one step."""

    on_surface: int = Setting(2000, ge=1)
    off_surface: int = Setting(800, ge=1)
    eikonal: int = Setting(400, ge=0, description="off-surface samples whose gradient is taken; all on-surface ones are")


class LossSettings(Settings):
    """Weights of the terms, and their shape."""

    later: ClassVar[tuple[str, ...]] = ("plugins",)

    on_surface: float = Setting(900.0, ge=0)
    normal: float = Setting(60.0, ge=0)
    estimated: float = Setting(0.25, ge=0, description="factor on the normals' weight where they were estimated")
    fidelity: float | None = Setting(
        None, gt=0, description="factor on the weight of points; by the noise, of those with estimated normals, if not given"
    )
    focus: float = Setting(
        4.0, ge=1, description="clean points count so many times more at the end, against the other terms, than at first"
    )
    eikonal: float = Setting(15.0, ge=0)
    off_surface: float = Setting(0.0, ge=0, description="repulsion from zero, the paper's term")
    distance: float = Setting(100.0, ge=0, description="signed distance of the guide samples")
    direction: float = Setting(5.0, ge=0, description="angle between gradient and guide, at samples with a gradient")
    trust: float = Setting(0.03, gt=0, description="distance, in box units, within which the guide counts less and less")
    eikonal_power: Literal[1, 2] = 2
    sharpness: float = Setting(100.0, gt=0, description="of the repulsion")
    noise: Literal["auto", "ignore"] = Setting("auto", description="let tolerance and fidelity follow the noise, or not")
    tolerance: float = Setting(5e-4, ge=0, description="on the surface, in box units, of clean points: below it, squares count")
    guide_tolerance: float = Setting(3e-3, ge=0, description="the same of the guide's distances")
    plugins: dict[str, float] | None = Setting(None, description="weights of plugins' terms by name, in place of their own")
    mean_over_all: bool = Setting(False, description="divide each sum by all samples of the batch, as the paper does")


class ShapeConfig(Config):
    """All settings of a shape."""

    variants: ClassVar[tuple[tuple[str, str], ...]] = (("ingest", "normals"), ("net", "kind"))

    task: Literal["shape"] = "shape"
    ingest: IngestSettings = IngestSettings()
    net: NetSettings = NetSettings()
    local: LocalSettings = LocalSettings()
    fit: FitSettings = FitSettings(steps=STEPS)
    batch: BatchSettings = BatchSettings()
    loss: LossSettings = LossSettings()
    mesh: MeshSettings = MeshSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    def present(self, names: Sequence[str]) -> list[str]:
        """Without ``local`` where another network is fitted, which does not depend on it."""
        return [name for name in super().present(names) if name != "local" or self.net.kind == "local"]


TRAINED = tuple(kind for kind in NETWORKS if kind not in ("local", "auto"))

UNGUIDED: Tree = {"guide": "trained"}  # a guide is made of what may be trained alone

# What is trained, where `fast` does not solve: other networks, normals without sides.
FAST_TRAINED: Tree = {
    "ingest": {"guide_samples": 100_000, "guide_depth": 7},
    "fit": {"steps": 1800, "learning_rate": 7e-4, "warmup": 100, "low_precision_share": 0.97},
    "batch": {"on_surface": 1000, "off_surface": 500, "eikonal": 150},
    "loss": {"on_surface": 300.0, "normal": 30.0, "eikonal": 5.0, "direction": 1.0, "focus": 1.0},
}

# The authors' settings (vsitzmann/siren, experiment_scripts/train_sdf.py and loss_functions.sdf).
PAPER: Tree = {
    "ingest": {"extent": 2.0, "guide_samples": 0},
    "fit": {
        "epochs": 10_000,
        "learning_rate": 1e-4,
        "beta2": 0.999,
        "warmup": 0,
        "decay": "none",
        "clip": 1.0,
        "divergence": None,
        "derivatives": "autograd",
        "precision": "float32",
    },
    "batch": {"on_surface": 1400, "off_surface": 1400, "eikonal": 1400},
    "loss": {
        "on_surface": 3e3,
        "normal": 1e2,
        "eikonal": 5e1,
        "off_surface": 1e2,
        "distance": 0.0,
        "direction": 0.0,
        "estimated": 1.0,
        "eikonal_power": 1,
        "sharpness": 1e2,
        "noise": "ignore",
        "mean_over_all": True,
        "tolerance": 0.0,
        "focus": 1.0,
    },
}

PRESETS: Mapping[str, Tree] = {
    "default": {"net": {"kind": "auto"}, "ingest": UNGUIDED, "local": {"units": 384}, "fit": {"steps": STEPS}},
    "fast": {"net": {"kind": "local"}, "ingest": {"guide_samples": 0}},
    "fast/unsigned": {"net": {"kind": "siren"}, **FAST_TRAINED},
    **{f"fast/{kind}": FAST_TRAINED for kind in TRAINED},
    "fine": {"net": {"kind": "auto"}, "ingest": UNGUIDED, "local": {"units": 512}, "fit": {"steps": 25_000}},
    **{f"{preset}/{kind}": {"ingest": {"guide": "always"}} for preset in ("default", "fine") for kind in TRAINED},
    "paper": PAPER,
}
