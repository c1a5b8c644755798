"""Files -> `PointCloud`: the formats that can be read, and what goes wrong with files of any format.

To add a format, write a function in a file of its own and enter it in `FORMATS`; help texts and error messages follow from
there. The function gets the path of a file that exists and is not empty, and

- returns a `PointCloud` with whatever the file holds: points in float64, and None for what it lacks;
- raises `InputError` for what it can say precisely. Whatever else its parser raises is reported as damage by `parse`;
- if it can leave out points while it reads, takes a `partial.ChooseRows` besides, and is entered as ``in_part``;
- if it need not read what is not wanted, takes the `selection.Selection` too, and is entered as ``selected``;
- if the file is a table whose columns the user can name, takes these names too, and is entered as ``table``.

Names of columns are in `columns`, ranges of colours in `colours`, polygons to triangles in `mesh`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ... import plugins
from ...errors import InputError, ShapesirenError
from ..cloud import PointCloud, subsample
from ..selection import ALL, Selection
from .arrays import cloud_from_arrays, read_npy, read_npz
from .columns import words_of
from .isolated import read_isolated
from .mesh import read_mesh
from .obj import read_obj
from .partial import ChooseRows, RandomRows, all_rows
from .pcd import read_pcd
from .ply import read_ply
from .ptx import read_ptx
from .survey import read_e57, read_las
from .text import read_text


@dataclass(frozen=True)
class Format:
    """A format, and the function that reads it: ``whole``, ``in_part``, ``selected`` or as a ``table``.

    suffixes : extensions of its files, lower case, with the dot
    whole : reads a file
    in_part : reads those points of a file that are chosen
    selected : reads the same, or those points that are wanted
    table : reads those that are chosen, with names of its columns from `columns.words_of`, none if the user gives none
    isolated : whether the parser ends the program on some damaged files, so that it must run in a process of its own
    packages : which it needs and shapesiren does not
    extra : the extra of shapesiren that brings them
    units : what lengths in such files are in by the definition of the format, where it has one
    """

    suffixes: tuple[str, ...]
    whole: Callable[[Path], PointCloud] | None = None
    in_part: Callable[[Path, ChooseRows], PointCloud] | None = None
    selected: Callable[[Path, ChooseRows, Selection], PointCloud] | None = None
    table: Callable[[Path, ChooseRows, tuple[str, ...]], PointCloud] | None = None
    isolated: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""
    units: str | None = None

    def __post_init__(self) -> None:
        if sum(function is not None for function in (self.whole, self.in_part, self.selected, self.table)) != 1:
            raise TypeError(f"{self.suffixes}: one function reads a format, whole, in part, selected or as a table")

    def read(self, path: Path, choose: ChooseRows, words: tuple[str, ...], selection: Selection) -> PointCloud:
        """What the file holds, of its points those that ``choose`` keeps, or that are wanted, where that can be had."""
        if self.table is not None:
            return self.table(path, choose, words)
        if self.in_part is not None:
            return self.in_part(path, choose)
        if self.selected is not None:
            return self.selected(path, choose, selection)
        assert self.whole is not None
        return self.whole(path)

    def require_packages(self, path: Path) -> None:
        """Raise InputError, with the command that installs it, if a package is missing that ``path`` needs."""
        for name in self.packages:
            try:
                importlib.import_module(name)
            except ImportError:
                what = f"reading {_kind(path)} files needs the package {name}"
                raise InputError(what, where=path, hint=f"pip install 'shapesiren[{self.extra}]'") from None


NEEDED = ("plyfile", "trimesh", "PIL", "tifffile")  # what a parser lacks beside these, it looked for in a damaged file

FORMATS = (
    Format((".ply",), table=read_ply),
    Format((".pcd",), table=read_pcd),
    Format((".xyz", ".pts", ".txt", ".csv", ".asc"), table=read_text),
    Format((".ptx",), in_part=read_ptx),
    Format((".obj",), whole=read_obj),
    Format((".stl", ".off"), whole=read_mesh),
    Format((".glb",), whole=read_mesh, units="m"),
    Format((".3mf",), whole=read_mesh, packages=("lxml", "networkx"), extra="print"),
    Format((".npz",), table=read_npz),
    Format((".npy",), table=read_npy),
    Format((".las",), selected=read_las, packages=("laspy",), extra="survey"),
    Format((".laz",), selected=read_las, isolated=True, packages=("laspy", "lazrs"), extra="survey"),
    Format((".e57",), in_part=read_e57, packages=("pye57",), extra="survey", units="m"),
)


def format_of(suffix: str) -> Format | None:
    """The format of an extension, ours or a plugin's."""
    held, reader = BY_SUFFIX.get(suffix), plugins.part("reader", suffix)
    if held is not None and reader is not None:
        raise InputError(f"{reader.title}: shapesiren reads {suffix} itself", hint="give your format another extension")
    return held if reader is None else Format((suffix,), whole=lambda path: _plugged(reader, path))


def _plugged(reader: plugins.Part, path: Path) -> PointCloud:
    """What a plugin read. Raises RunError if it failed, or if that is no cloud."""
    made = reader.call(path)
    if isinstance(made, PointCloud):
        return made
    try:
        if isinstance(made, Mapping):
            return cloud_from_arrays(**made)
        return cloud_from_arrays(np.asarray(made))
    except (InputError, TypeError, ValueError) as e:
        raise reader.error(f"what it returned is no cloud: {e}") from e


BY_SUFFIX = {suffix: form for form in FORMATS for suffix in form.suffixes}
SUFFIXES = tuple(BY_SUFFIX)  # of all files that `read_cloud` reads, for help texts; depth images are in `depth`


def read_cloud(path: Path, most: int | None = None, seed: int = 0, columns: str = "", selection: Selection = ALL) -> PointCloud:
    """Read a point cloud or mesh; the format follows the extension. ``columns`` is the setting ``ingest.columns``.

    Of a cloud nothing is kept but the ``selection``; a mesh is left whole, as its points belong together.

    Of a cloud in a file that can be read in part (`Format.in_part`) at most ``most`` random points are brought into memory,
    and a note of the cloud says so; other formats are read whole.

    Raises
    ------
    NothingSelected : there are points in it, but none that is wanted
    InputError : no such file, a folder, empty, unknown extension, damaged, or no points in it; or a package is missing; or
        ``columns`` do not fit
    """
    form = _format_of(path)
    words = words_of(columns)
    if words and form.table is None:
        raise InputError(f"a {_kind(path)} file has no columns that ingest.columns could name", where=path)
    form.require_packages(path)
    return read_isolated(parse, path, most, seed, selection) if form.isolated else parse(path, most, seed, selection, words)


def _format_of(path: Path) -> Format:
    """The format of a file. Raises InputError if there is no such file, it is empty, or its extension is unknown."""
    if path.is_dir():
        raise InputError("this is a folder", where=path, hint="name a scan inside it")
    if not path.exists():
        raise InputError("no such file", where=path)
    form = format_of(path.suffix.lower())
    if form is None:
        what = f"unknown extension {path.suffix!r}" if path.suffix else "the file has no extension"
        added = [part.name for part in plugins.parts("reader")]
        raise InputError(what, where=path, hint=f"known: {' '.join([*SUFFIXES, *added])}")
    if path.stat().st_size == 0:
        raise InputError("the file is empty", where=path)
    return form


def parse(path: Path, most: int | None, seed: int, selection: Selection = ALL, words: tuple[str, ...] = ()) -> PointCloud:
    """`read_cloud`, in this process whatever the format, of a file that is there.

    Raises
    ------
    InputError : for anything that is wrong with the file
    """
    choose = None if most is None or not selection.everything else RandomRows(most, seed)
    form = _format_of(path)
    try:
        cloud = form.read(path, choose or all_rows, words, selection)
    except ShapesirenError:  # ours, or a plugin's
        raise
    except PermissionError:
        raise InputError("no permission to read it", where=path) from None
    except MemoryError:
        raise InputError("it does not fit in memory", where=path) from None
    # Parsers of damaged files fail in their own ways; whatever they raise is about this file.
    except Exception as e:
        if isinstance(e, ModuleNotFoundError) and e.name in NEEDED:
            raise
        raise InputError(f"damaged, or not a {_kind(path)} file ({_reason(e)})", where=path) from None
    if not len(cloud.points):
        raise InputError("there are no points in it", where=path)
    if form.units is not None and cloud.units is None:
        cloud = replace(cloud, units=form.units, units_from=f"as {_kind(path)} has it")
    if not selection.everything and cloud.faces is None:
        cloud = selection.take(cloud, path, recount=form.selected is None)
        if most is not None and len(cloud.points) > most:
            note = f"a random {most:,} of them are used (ingest.max_points)"
            cloud = subsample(replace(cloud, notes=(*cloud.notes, note)), most, seed)
    if choose is not None and choose.total > choose.most and cloud.faces is None:
        note = f"{choose.total:,} points: a random {choose.most:,} of them are read (ingest.max_points)"
        cloud = replace(cloud, notes=(*cloud.notes, note))
    return cloud


def _kind(path: Path) -> str:
    """What its extension calls it: PLY."""
    return path.suffix[1:].upper()


def _reason(error: Exception) -> str:
    """The first line of what a parser said, short."""
    text = str(error).split("****")[0].strip() or type(error).__name__
    if "allow_pickle" in text:  # numpy's advice to those who read objects: we do not
        return "no array in it"
    return " ".join(text.splitlines()[0].split())[:120]
