"""When frames are shown, in which order, and which way up."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import shapesiren
from shapesiren.media.settings import VideoIngestSettings
from shapesiren.media.video import frames_in, ingest_video, read_footage, write_frames
from shapesiren.media.video_resample import frame_times
from tests.samples import SMALL, clip

LENGTHS = [20] * 8 + [300] * 4 + [20]  # ms; files of libx264 say the nominal length of the last one


def timed(path, lengths, base=1000, codec="libx264"):
    """A video whose frames are shown for so many ``lengths`` of ``1 / base`` seconds."""
    import av

    at = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=50)
        stream.width = stream.height = 20
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, base)
        stream.codec_context.time_base = Fraction(1, base)
        for values, length in zip(clip(len(lengths)), lengths, strict=True):
            frame = av.VideoFrame.from_ndarray(values, format="rgb24")
            frame.pts, frame.time_base, frame.duration = at, Fraction(1, base), length
            at += length
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def ingested(path, **settings):
    return ingest_video(path, VideoIngestSettings(**settings))


@pytest.mark.parametrize("kind", [".mp4", ".mkv", ".gif"])
def test_frames_keep_their_own_times(tmp_path, kind):
    path = tmp_path / f"a{kind}"
    if kind == ".gif":
        first, *rest = [Image.fromarray(f) for f in clip(len(LENGTHS))]
        first.save(path, save_all=True, append_images=rest, duration=LENGTHS)
    else:
        timed(path, LENGTHS)
    arrays, header, facts = ingested(path)
    starts = np.cumsum([0, *LENGTHS[:-1]]) / 1000
    np.testing.assert_allclose((arrays["times"] - 0.5) / header.rate, starts, atol=0.002)
    assert header.rate == pytest.approx(50, rel=0.1)
    assert header.seconds == pytest.approx(sum(LENGTHS) / 1000, rel=0.05)
    assert header.shape[0] == len(LENGTHS)
    assert any("each is fitted at its own time" in line for line in facts.lines())


def test_a_pause_and_a_dropped_frame(tmp_path):
    arrays = ingested(timed(tmp_path / "a.mp4", [40] * 5 + [80] + [40] * 5))[0]
    np.testing.assert_allclose(arrays["times"], [*np.arange(6) + 0.5, *np.arange(7, 12) + 0.5], atol=1e-3)


def test_frames_of_a_camera_that_trembles(tmp_path):
    lengths = [33, 39, 28, 36, 30, 38, 27, 33] * 2
    arrays, header, _ = ingested(timed(tmp_path / "a.mkv", lengths))
    np.testing.assert_allclose((arrays["times"] - 0.5) / header.rate, np.cumsum([0, *lengths[:-1]]) / 1000, atol=1e-3)
    assert header.rate == pytest.approx(30, rel=0.03)


@pytest.mark.parametrize("lengths", [[33, 34, 33] * 5, [40] * 12, [41, 39, 40] * 4])
def test_times_that_are_even_but_for_rounding(tmp_path, lengths):
    arrays, header, facts = ingested(timed(tmp_path / "a.mkv", lengths))
    assert "times" not in arrays and not facts.notes
    assert header.seconds == pytest.approx(len(lengths) / header.rate)
    np.testing.assert_array_equal(frame_times(arrays), np.arange(len(lengths)) + 0.5)


def test_settings_of_uneven_frames(tmp_path):
    path = timed(tmp_path / "a.mp4", LENGTHS)
    arrays, header, _ = ingested(path, rate=10.0)
    assert "times" not in arrays and header.seconds == pytest.approx(1.3)
    arrays, header, _ = ingested(path, max_frames=10)  # the tenth is shown until the eleventh comes
    assert header.seconds == pytest.approx(0.76, rel=0.01) and len(arrays["times"]) == 10
    arrays, header, _ = ingested(path, max_frames=8)  # which are even, at a rate of their own
    assert "times" not in arrays and header.rate == pytest.approx(50, rel=0.01)
    arrays, header, _ = ingested(path, pace=0.5)
    assert header.seconds == pytest.approx(1.38) and header.bounds[1][2] == pytest.approx(34.5)


@pytest.mark.slow
def test_a_fit_at_its_own_times(tmp_path):
    lengths = [40] * 5 + [400, 400, 40]
    path = timed(tmp_path / "a.mp4", lengths)
    settings = SMALL | {"ingest": {"pace": 0.5}, "fit": SMALL["fit"] | {"steps": 800}}
    shapesiren.fit(path, settings=settings, out=tmp_path / "run")
    made = shapesiren.decode(tmp_path / "run", out=tmp_path / "b.mp4")
    assert shapesiren.evaluate(tmp_path / "run")["worst"] > 20
    assert made["frames"] >= 26 and made["rate"] == pytest.approx(25)
    written = [t.frame.astype(float) for t in read_footage(tmp_path / "b.mp4").frames]
    given = [t.frame.astype(float) for t in read_footage(path).frames]
    for k, i in ((0, 0), (4, 4), (5, 5), (15, 6), (25, 7)):  # what is shown at the time of each
        assert np.abs(written[k] - given[i]).mean() < 15
    assert shapesiren.report(tmp_path / "run").is_file()


def test_frames_are_in_the_order_of_their_numbers(tmp_path):
    names = ["a2b10.png", "a2b9.png", "a10b1.png", "A1.png", "frame007.png", "frame7.png", "frame8.png", "frame10.png"]
    for name in [*names, ".hidden.png"]:
        Image.new("L", (8, 8)).save(tmp_path / name)
    found = [p.name for p in frames_in(tmp_path)]
    assert found == ["A1.png", "a2b9.png", "a2b10.png", "a10b1.png", "frame007.png", "frame7.png", "frame8.png", "frame10.png"]


def test_numbers_alone_and_dates(tmp_path):
    for i in (1, 2, 10, 11, 100):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / f"{i}.png")
    frames = ingested(tmp_path)[0]["frames"]
    assert frames[:, 0, 0, 0].tolist() == [1, 2, 10, 11, 100]


@pytest.mark.parametrize(("matrix", "quarters"), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)])
def test_telephones_turn_their_videos(tmp_path, matrix, quarters):
    frames = np.repeat(clip()[:, :, :16], 2, 2)[:, :16]  # wider than high
    write_frames(tmp_path / "a.mp4", frames, 10)
    plain = np.array([t.frame for t in read_footage(tmp_path / "a.mp4").frames])
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (65536 * m for m in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "b.mp4").write_bytes(data)
    found = np.array([t.frame for t in read_footage(tmp_path / "b.mp4").frames])
    np.testing.assert_array_equal(found, np.rot90(plain, quarters, (1, 2)))
