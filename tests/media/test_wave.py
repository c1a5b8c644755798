"""WAV files as programs leave them behind: sizes of streams, chunks without pad bytes, wide headers."""

import io
import struct

import numpy as np
import pytest
import soundfile

from shapesiren.errors import InputError
from shapesiren.media.audio import ingest_sound, read_sound
from shapesiren.media.settings import SoundIngestSettings
from tests.samples import RATE, sound

WRONG = "the sizes in its header are wrong"


def wave(samples, subtype="PCM_16", form="WAV"):
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format=form, subtype=subtype)
    return out.getvalue()


def parts(data):
    """A WAV file's format chunk's contents, and its samples as bytes."""
    at = data.index(b"fmt ")
    size = struct.unpack("<I", data[at + 4 : at + 8])[0]
    body = data.index(b"data")
    length = struct.unpack("<I", data[body + 4 : body + 8])[0]
    return data[at + 8 : at + 8 + size], data[body + 8 : body + 8 + length]


def chunk(name, contents, size=None, pad=True):
    padding = b"\0" * (len(contents) % 2 if pad else 0)
    return struct.pack("<4sI", name, len(contents) if size is None else size) + contents + padding


def riff(*chunks, size=None, name=b"RIFF"):
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", name, len(body) if size is None else size) + body


@pytest.fixture(params=["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "extensible"])
def pieces(request):
    given = sound(0.1, 2)
    extensible = request.param == "extensible"
    data = wave(given, "PCM_24" if extensible else request.param, "WAVEX" if extensible else "WAV")
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        expected = file.read(dtype="float32", always_2d=True)
    return *parts(data), expected


def check(path, data, expected, mended):
    path.write_bytes(data)
    back = read_sound(path)
    assert back.rate == RATE
    np.testing.assert_array_equal(back.samples, expected)
    assert any(WRONG in note for note in back.notes) == mended


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFF000, 0x80000000, 0x7FFFFFDB])
def test_streams_hold_all_that_follows(tmp_path, pieces, size):
    form, samples, expected = pieces
    data = riff(chunk(b"fmt ", form), chunk(b"data", samples, size), size=size)
    check(tmp_path / "a.wav", data, expected, True)


def test_a_stream_with_a_list_before_its_samples(tmp_path, pieces):
    form, samples, expected = pieces  # as ffmpeg writes into a pipe
    text = chunk(b"LIST", b"INFOISFT\x0e\0\0\0Lavf60.16.100\0")
    data = riff(chunk(b"fmt ", form), text, chunk(b"data", samples, 0xFFFFFFFF), size=0xFFFFFFFF)
    check(tmp_path / "a.wav", data, expected, True)


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("before", [True, False])
def test_odd_chunks_with_and_without_pad_byte(tmp_path, pieces, pad, before):
    form, samples, expected = pieces
    odd = chunk(b"LIST", b"INFOabc", pad=pad)
    data = chunk(b"data", samples)
    chunks = (chunk(b"fmt ", form), odd, data) if before else (chunk(b"fmt ", form), data, odd)
    check(tmp_path / "a.wav", riff(*chunks), expected, before and not pad)
    # the size of the whole counts the byte that is missing
    whole = sum(map(len, chunks)) + 4 + (not pad)
    check(tmp_path / "b.wav", riff(*chunks, size=whole), expected, before and not pad)


@pytest.mark.parametrize("known", [True, False])
def test_wide_headers(tmp_path, pieces, known):
    form, samples, expected = pieces
    size = len(samples) if known else 0
    ds64 = chunk(b"ds64", struct.pack("<QQQI", size and size + 100, size, len(expected) if known else 0, 0))
    data = riff(ds64, chunk(b"fmt ", form), chunk(b"data", samples, 0xFFFFFFFF), size=0xFFFFFFFF, name=b"RF64")
    check(tmp_path / "a.wav", data, expected, not known)


def test_a_recording_cut_in_the_middle_of_a_sample(tmp_path):
    given = sound(0.1, 2)
    form, samples = parts(wave(given))
    (tmp_path / "a.wav").write_bytes(riff(chunk(b"fmt ", form), chunk(b"data", samples[:-3], 0, pad=False), size=0))
    assert len(read_sound(tmp_path / "a.wav").samples) == len(given) - 1


def test_what_is_truncated_still_is(tmp_path, pieces):
    form, samples, _ = pieces
    data = riff(chunk(b"fmt ", form), chunk(b"data", samples))
    (tmp_path / "a.wav").write_bytes(data[:-100])
    with pytest.raises(InputError, match="truncated"):
        read_sound(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(data[:40])
    with pytest.raises(InputError, match="truncated"):
        read_sound(tmp_path / "b.wav")
    (tmp_path / "c.wav").write_bytes(riff(chunk(b"fmt ", form), chunk(b"data", b"")))
    with pytest.raises(InputError, match="no samples"):
        read_sound(tmp_path / "c.wav")
    (tmp_path / "d.wav").write_bytes(riff(chunk(b"fmt ", form), chunk(b"data", b""), chunk(b"LIST", b"INFOabcd" * 20)))
    with pytest.raises(InputError, match="no samples"):
        read_sound(tmp_path / "d.wav")


def test_ingest_says_so(tmp_path):
    form, samples = parts(wave(sound(0.1)))
    (tmp_path / "a.wav").write_bytes(riff(chunk(b"fmt ", form), chunk(b"data", samples, 0), size=0))
    facts = ingest_sound(tmp_path / "a.wav", SoundIngestSettings())[2]
    assert any(WRONG in line for line in facts.lines())
