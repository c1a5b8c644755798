"""Containers that collections come in, read without running anything of them."""

from __future__ import annotations

import hashlib
import io
import pickletools
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

AR_MAGIC, AR_HEADER = b"!<arch>\n", 60
KINDS = ("u1", "f4", "f8", "i4", "i8")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def deb_member(data: bytes, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files of a Debian package that are ``wanted`` by path. Raises ValueError if it is none."""
    if not data.startswith(AR_MAGIC):
        raise ValueError("no Debian package")
    place, found = len(AR_MAGIC), {}
    while place + AR_HEADER <= len(data):
        name, size = data[place : place + 16].decode("ascii", "replace").strip(), int(data[place + 48 : place + 58])
        body = data[place + AR_HEADER : place + AR_HEADER + size]
        if name.startswith("data.tar"):
            try:
                with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                    for member in archive.getmembers():
                        if member.isfile() and wanted(member.name) and (file := archive.extractfile(member)) is not None:
                            found[member.name] = file.read()
            except tarfile.TarError as e:
                raise ValueError(str(e)) from None
        place += AR_HEADER + size + size % 2
    return found


def pickled_array(data: bytes, most: int) -> NDArray[Any]:
    """The one numpy array in a pickle, in C order and of plain numbers; its opcodes are read, none is carried out.

    most : bytes that it may have

    Raises
    ------
    ValueError : it holds something else
    """
    numbers: list[int] = []
    shape: tuple[int, ...] = ()
    kind, fortran, raw = "", None, b""
    operations: Iterator[tuple[Any, Any, Any]] = pickletools.genops(data)
    for op, argument, _ in operations:
        if op.name in ("BININT", "BININT1", "BININT2"):
            numbers.append(int(argument))
        elif op.name.startswith("TUPLE") and not kind and len(numbers) > 1:
            count = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}.get(op.name, len(numbers))
            shape, numbers = tuple(numbers[-count:]), []
        elif op.name in ("SHORT_BINUNICODE", "BINUNICODE") and argument in KINDS:
            kind = argument
        elif op.name in ("NEWTRUE", "NEWFALSE"):
            fortran = op.name == "NEWTRUE"  # the last one before the data
        elif op.name in ("BINBYTES", "BINBYTES8") or (op.name == "SHORT_BINBYTES" and kind):
            raw = bytes(argument)
    if not kind or fortran is not False or not shape or len(raw) > most:
        raise ValueError("no plain array")
    values = np.frombuffer(raw, np.dtype("<" + kind) if kind != "u1" else np.uint8)
    if values.size != int(np.prod(shape)):
        raise ValueError(f"{values.size} numbers are no array of shape {shape}")
    return values.reshape(shape)
