"""What a table in text is written in: separators, decimal commas, groups of thousands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .numbers import IS_NO_NUMBER, split

ANY_SEPARATOR = re.compile(r"[\s,;|]+")
DECIMAL_COMMA = re.compile(r"[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?")
COMMA_AND_BLANK = re.compile(r",(?=\s|$)")  # is no decimal comma


@dataclass(frozen=True)
class Dialect:
    """separator : of cells, None for blanks; decimal : of numbers, a point or a comma; groups : between their thousands"""

    separator: str | None = None
    decimal: str = "."
    groups: str = ""

    def cells(self, line: str) -> list[str]:
        return split(line, self.separator)

    def plain(self, line: str) -> str:
        """A line with decimal points and no thousands."""
        if self.separator is None:
            line = COMMA_AND_BLANK.sub(" ", line)
        if self.groups:
            line = line.replace(self.groups, "")
        return line.replace(self.decimal, ".")


def dialect_of(sample: list[str]) -> Dialect | None:
    """What most of the lines are written in; None: separators of several kinds."""
    for separator in (";", "|", "\t"):
        if sum(separator in line for line in sample) > 0.9 * len(sample):
            cells = [cell.strip() for line in sample for cell in line.split(separator)]
            if any(len(cell.split()) > 1 for cell in cells):
                return None
            both = [cell for cell in cells if "," in cell and "." in cell]
            if both:  # thousands are grouped by the one that comes first
                groups, decimal = (".", ",") if both[0].rindex(",") > both[0].rindex(".") else (",", ".")
                return Dialect(separator, decimal, groups)
            decimals = [cell for cell in cells if "," in cell]
            if not _have_decimal_commas(decimals):
                return None
            return Dialect(separator, "," if decimals else ".")
    if not any("," in line for line in sample):
        return Dialect()
    cells = [cell.removesuffix(",") for line in sample for cell in line.split()]
    if len(cells) >= 3 * len(sample) and any("," in cell for cell in cells) and _have_decimal_commas(cells):
        return Dialect(None, ",")
    if any(len(cell.split()) > 1 for line in sample for cell in line.split(",")):
        return None
    return Dialect(",")


def _have_decimal_commas(cells: list[str]) -> bool:
    return all(DECIMAL_COMMA.fullmatch(cell) or IS_NO_NUMBER.fullmatch(cell) for cell in cells)
