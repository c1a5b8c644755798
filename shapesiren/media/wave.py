"""WAV files whose header does not say how long they are: streams, recordings that were cut off, chunks without pad bytes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import InputError

FORMS = (b"RIFF", b"RF64", b"BW64")
UNKNOWN = 0x7FFF0000  # sizes from here on are what programs write that do not know them: 0x7fffffff less a header, all ones
LARGEST = 0xFFFF0000  # bytes of samples that a RIFF file can hold beside a header


class _Chunk(NamedTuple):
    """name, size as the file says, and where its contents start."""

    name: bytes
    size: int
    start: int


def mended_wave(path: Path) -> bytes | None:
    """A WAV file again, with sizes that are true; None if its own will do, or if it is none.

    Raises
    ------
    InputError : it ends before its samples do: libsndfile would take what is there for all
    """
    total = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] not in FORMS or head[8:] != b"WAVE":
            return None
        chunks, regular = _chunks(file, total)
        named = {c.name: c for c in reversed(chunks)}
        sound, form = named.get(b"data"), named.get(b"fmt ")
        if sound is None or form is None:
            promised = int.from_bytes(head[4:8], "little") + 8
            if head[:4] == b"RIFF" and total < promised < UNKNOWN:
                raise InputError(f"truncated: {total:,} of {promised:,} bytes", where=path)
            return None
        length, said = _length(file, sound, named.get(b"ds64"), total)
        if sound.start + length > total:
            raise InputError(f"truncated: {total:,} of {sound.start + length:,} bytes", where=path)
        if (regular and said) or length > LARGEST:
            return None
        file.seek(form.start)
        description = file.read(form.size)
        file.seek(sound.start)
        samples = file.read(length)
    align = max(1, int.from_bytes(description[12:14], "little"))
    samples = samples[: len(samples) // align * align]
    return _file(description, samples)


def _chunks(file: BinaryIO, total: int) -> tuple[list[_Chunk], bool]:
    """The chunks up to the samples and the one behind them, and whether those of odd size are padded to an even one."""
    out, at, regular = [], 12, True
    while at + 8 <= total:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        out.append(_Chunk(name, size, at + 8))
        if name == b"data":
            break
        at += 8 + size
        if size % 2:
            padded = _looks_like_a_chunk(file, at + 1, total)
            regular = regular and padded
            at += padded or not _looks_like_a_chunk(file, at, total)
    return out, regular


def _looks_like_a_chunk(file: BinaryIO, at: int, total: int) -> bool:
    """Whether four letters and a size that the file has room for are there, or the samples, of any size."""
    file.seek(at)
    head = file.read(8)
    if len(head) < 8 or not (head[:4].isascii() and head[:4].decode("ascii").isprintable()):
        return False
    return head[:4] == b"data" or at + 8 + int.from_bytes(head[4:], "little") <= total


def _length(file: BinaryIO, sound: _Chunk, wide: _Chunk | None, total: int) -> tuple[int, bool]:
    """Bytes of the samples, and whether the file says so: their chunk, or ``wide`` (ds64, EBU Tech 3306) for it. Where
    neither does, it is all that follows."""
    rest = total - sound.start
    size = sound.size
    if size == 0xFFFFFFFF and wide is not None:
        file.seek(wide.start + 8)
        size = int.from_bytes(file.read(8), "little")
        return (rest, False) if size in (0, 2**64 - 1) else (size, True)
    if size >= UNKNOWN and size > rest:
        return rest, False
    if size == 0 and rest and not _looks_like_a_chunk(file, sound.start, total):
        return rest, False
    return size, True


def _file(description: bytes, samples: bytes) -> bytes:
    body = b"WAVE"
    for name, contents in ((b"fmt ", description), (b"data", samples)):
        body += struct.pack("<4sI", name, len(contents)) + contents + b"\0" * (len(contents) % 2)
    return struct.pack("<4sI", b"RIFF", len(body)) + body
