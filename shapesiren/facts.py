"""What a stage found, as data: kept in the manifest, printed as JSON, and told to people in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """Base of all facts. A subclass stands beside the code that finds them and names each with its unit.

    Fields that a subclass does not know are kept: a manifest may have been written by another version.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), populate_by_name=True)

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Self:
        """From plain data, as `tree` gives it. Raises pydantic's ValidationError if something is missing."""
        return cls.model_validate(tree)

    def tree(self) -> dict[str, Any]:
        """As plain data for JSON, without what was never set."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)

    def lines(self) -> list[str]:
        """For people, a line a thought. By default each fact on a line of its own."""
        return [f"{name}: {value}" for name, value in self.tree().items() if not isinstance(value, (dict, list))]
