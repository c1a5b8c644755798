"""What plugins add to a shape's batches and to their losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import plugins
from ..errors import InputError
from .shape_settings import LossSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Added:
    """Loss terms with their weights, and samplers with what draws for them."""

    losses: tuple[tuple[plugins.Part, float], ...]
    samplers: tuple[tuple[plugins.Part, plugins.Draw], ...]

    @classmethod
    def of(cls, table: Tensor, settings: LossSettings, solved: bool) -> Added | None:
        """What is registered, for a scan whose rows (n, 6 or more) begin with points and normals; None if nothing is.

        Raises
        ------
        InputError : a weight of a term that there is not; or the field is to be ``solved``, which knows no other terms
        RunError : a sampler failed
        """
        terms, samplers = plugins.parts("loss"), plugins.parts("sampler")
        weights = settings.plugins or {}
        for name, weight in weights.items():
            if name not in [term.name for term in terms]:
                hint = f"loaded: {', '.join(t.name for t in terms)}" if terms else "--plugin loads one"
                raise InputError(f"no loss term {name!r}", where="loss.plugins", hint=hint)
            if not weight >= 0:
                raise InputError(f"a weight of {weight}", where=f"loss.plugins.{name}", hint="0 or more")
        if solved and (terms or samplers):
            what = f"{(terms + samplers)[0].title} has no part in a field that is solved"
            raise InputError(what, where="net.kind", hint="--net siren")
        if sum(s.amount for s in samplers) > 1 + 1e-9:
            names = ", ".join(f"{s.title} {s.amount:g}" for s in samplers)
            raise InputError(f"samplers draw more than a whole batch: {names}", where="--plugin", hint="smaller shares")
        scan = plugins.Scan(table[:, :3].cpu(), table[:, 3:6].cpu())
        losses = tuple((t, weights.get(t.name, t.amount)) for t in terms if weights.get(t.name, t.amount) > 0)
        draws = tuple((s, s.call(scan)) for s in samplers)
        for s, draw in draws:
            if not callable(draw):
                raise s.error("it returned no function draw(count, generator)")
        return cls(losses, draws) if losses or draws else None

    def draw(self, table: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """``count`` rows of a (n, k) table: of each sampler its share, the others drawn evenly."""
        import torch

        rows: list[Tensor] = []
        left = count
        for sampler, drawn in self.samplers:
            wanted = min(round(sampler.amount * count), left)
            left -= wanted
            some = sampler.answer(drawn, wanted, generator)
            if not isinstance(some, torch.Tensor) or some.shape != (wanted,) or some.is_floating_point():
                shape = tuple(some.shape) if isinstance(some, torch.Tensor) else type(some).__name__
                raise sampler.error(f"it drew {shape}, not ({wanted},) int64 rows")
            if len(some) and not 0 <= int(some.min()) <= int(some.max()) < len(table):
                raise sampler.error(f"it drew rows beyond the scan's {len(table):,} points")
            rows.append(some.cpu().long())
        rows.append(torch.randint(len(table), (left,), generator=generator))
        return table.index_select(0, torch.cat(rows).to(table.device))

    def terms(self, batch: plugins.Batch, others: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weighted terms by name. Raises RunError for one that fails, is no scalar, or has a name of ``others``."""
        import torch

        taken = {}
        for term, weight in self.losses:
            value = term.call(batch)
            if term.name in others:
                raise term.error("a term of shapesiren has this name: choose another")
            if not isinstance(value, torch.Tensor) or value.numel() != 1:
                shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
                raise term.error(f"it returned {shape}, not a scalar tensor")
            taken[term.name] = weight * value.reshape(())
        return taken
