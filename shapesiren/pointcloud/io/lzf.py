"""LZF, in which PCD files are compressed (LibLZF by Marc Lehmann): short literal runs, and copies from up to 8 KiB back."""

from __future__ import annotations


def decompress(data: bytes, size: int) -> bytes:
    """``size`` bytes from ``data``. The work goes by runs, which take up to 264 bytes each.

    Raises
    ------
    ValueError : it is damaged, or makes another number of bytes
    """
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end and len(out) <= size:
            control = data[at]
            at += 1
            if control < 32:  # so many literal bytes, and one
                out += data[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += data[at]
                at += 1
            length += 2
            start = len(out) - ((control & 31) << 8 | data[at]) - 1
            at += 1
            if start < 0:
                raise ValueError("a copy begins before the data")
            run = out[start : start + length]
            if len(run) < length:  # it copies what it makes: a pattern
                run = (run * (length // len(run) + 1))[:length]
            out += run
    except IndexError:
        raise ValueError("it ends inside a run") from None
    if at != end or len(out) != size:
        raise ValueError(f"{len(out):,} of {size:,} bytes")
    return bytes(out)
