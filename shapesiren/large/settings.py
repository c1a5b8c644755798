"""Settings of a large run that its tiles share: what `fit` decides once, kept as `tiles/plan.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ..errors import InputError
from ..local.settings import LocalSettings, Prior
from ..runtime.files import write_atomically
from .tiles import FOLDER

PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """local, seed : as of a fit
    spacing, deviation : of the points, the median over tiles, box units
    closed, given, tilt : as of `local.problem.Scan`
    neighbours, outliers : as of `ingest`
    turned : whether sides of given normals are those of the thinned cloud, and not their own
    depth : levels that a tile is cut at least
    key : of all that the fit depends on beside the points
    """

    local: LocalSettings
    seed: int
    spacing: float
    deviation: float
    closed: bool
    given: bool
    tilt: float
    neighbours: int | None
    outliers: bool
    turned: bool
    depth: int
    key: str

    @property
    def prior(self) -> Prior:
        """That of all cells of the run, so that they share sines and supports."""
        return Prior.of(self.local, self.deviation, self.spacing, self.given, self.tilt)

    def tree(self) -> dict[str, Any]:
        return asdict(self) | {"local": self.local.model_dump(mode="json")}

    def save(self, run: Path) -> None:
        write_atomically(run / FOLDER / PLAN, json.dumps(self.tree(), indent=1).encode())

    @classmethod
    def open(cls, run: Path) -> Self:
        """Raises InputError if there is none, or it is damaged."""
        path = run / FOLDER / PLAN
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            local = {"noisy_units": tree["local"]["units"], **tree["local"]}  # plans without it had as many everywhere
            return cls(**{**tree, "local": LocalSettings.model_validate(local)})
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise InputError(
                f"the plan of its tiles is missing or damaged ({e})", where=path, hint="fit it again with --force"
            ) from None
