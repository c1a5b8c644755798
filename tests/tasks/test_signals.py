"""Images, composites, sounds and videos through their tasks: does what is fitted come back?"""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import shapesiren
from shapesiren.errors import InputError
from shapesiren.header import Header
from shapesiren.media.audio import read_sound, write_sound
from shapesiren.media.video import read_frames, write_frames
from shapesiren.media.video_resample import frame_at
from shapesiren.metrics.audio import snr
from shapesiren.metrics.image import psnr
from shapesiren.nets.build import build_windows
from shapesiren.nets.evaluate import values, values_and_gradients
from shapesiren.similarity import Similarity
from shapesiren.stages.ingest import pack, unpack
from shapesiren.tasks.base import Signal
from shapesiren.tasks.batches import Shuffle
from tests.samples import RATE, SMALL, clip, is_a_picture, picture, sound


def fit(source, task, **settings):
    return shapesiren.fit(source, settings=SMALL | {"task": task} | settings)


def test_image_in_its_own_coordinates():
    image = picture(40, 52, 3)
    field = fit(image, "image")
    assert psnr(field.decode(), image, 1.0) > 32
    # pixel (column 10, row 20) has its centre at (10.5, 20.5)
    np.testing.assert_allclose(field([[10.5, 20.5]])[0], image[20, 10], atol=0.05)
    at, step = np.array([[20.3, 11.7]]), 1e-2
    numeric = (field(at + [[step, 0]]) - field(at - [[step, 0]])) / (2 * step)
    np.testing.assert_allclose(field.gradient(at)[0, :, 0], numeric[0], rtol=0.02, atol=1e-4)
    assert field.decode(scale=2).shape == (80, 104, 3)
    assert field.decode(size="30x10").shape == (10, 30, 3)
    crop = field.decode(crop=[8, 4, 20, 16])
    np.testing.assert_allclose(crop, field.decode()[4:20, 8:28], atol=1e-5)
    with pytest.raises(InputError, match="crop"):
        field.decode(crop=[40, 0, 20, 10])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "steps", "least"), [("gradient", 500, 28), ("laplacian", 1500, 18)])
def test_image_from_its_derivatives(kind, steps, least):
    image = picture(40, 52)
    settings = {"ingest": {"supervise": kind}, "net": SMALL["net"], "fit": {"steps": steps, "learning_rate": 1e-3}}
    field = shapesiren.fit(image, settings={"task": "image", "batch": {"pixels": 1024}} | settings)
    assert psnr(field.decode(), image, 1.0) > least
    np.testing.assert_allclose(field.decode().mean(), image.mean(), atol=1e-3)  # the constant that derivatives lose


@pytest.mark.slow
def test_inpainting_and_priors():
    image = picture(40, 52)
    plain = fit(image, "image", ingest={"keep": 0.3})
    smooth = fit(image, "image", ingest={"keep": 0.3}, loss={"tv": 0.02, "hessian": 0.02})
    unknown = ~plain.arrays["known"]
    assert 0.6 < unknown.mean() < 0.8
    assert psnr(smooth.decode()[unknown], image[unknown], 1.0) > max(24, psnr(plain.decode()[unknown], image[unknown], 1.0))


def test_clone_meets_its_background(tmp_path):
    back, front = picture(40, 40, 3), picture(40, 40, 3)[::-1]
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    for name, values_ in (("back", back), ("front", front)):
        Image.fromarray(np.round(values_ * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files = [tmp_path / "back.png", tmp_path / "front.png"]
    settings = SMALL | {"task": "composite", "ingest": {"mode": "clone", "mask": str(tmp_path / "mask.png")}}
    shapesiren.fit(files, settings=settings, out=tmp_path / "run")
    shapesiren.decode(tmp_path / "run")
    found = shapesiren.evaluate(tmp_path / "run")
    assert found["background_psnr"] > 28
    assert found["classical_psnr"] > 22
    Image.fromarray(255 - mask).save(tmp_path / "mask.png")
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    with pytest.raises(InputError):  # the mask is an input too
        shapesiren.fit(files, settings=settings, out=tmp_path / "run")
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_windows_blend_without_a_step():
    from shapesiren.config import NetSettings

    net = build_windows(NetSettings(width=16, hidden_layers=1), 2, 0, 3, 1.0, 0.2).double()
    x = np.linspace(-3, 3, 20001)[:, None]
    v, g = values_and_gradients(net.float(), x)
    np.testing.assert_allclose(v, values(net, x), atol=1e-5)
    np.testing.assert_allclose(v, net(torch.from_numpy(x).float()).detach(), atol=1e-4)
    assert np.abs(np.diff(v, axis=0)).max() < 1.5 * np.abs(g).max() * (x[1] - x[0])[0]  # no jump anywhere
    numeric = np.gradient(v.astype(np.float64), x[:, 0], axis=0)
    away = np.min(np.abs(np.abs(x) - [[0.8, 1.2]]), axis=1) > 1e-3  # the blend has kinks there
    np.testing.assert_allclose(g[1:-1, :, 0][away[1:-1]], numeric[1:-1][away[1:-1]], atol=0.2)


@pytest.mark.slow
def test_sound(tmp_path):
    given = sound(0.5, 2)
    write_sound(tmp_path / "a.wav", given, RATE)
    settings = SMALL | {"ingest": {"window": 0.2, "reach": 8.0}, "fit": SMALL["fit"] | {"steps": 1200}}
    field = shapesiren.fit(tmp_path / "a.wav", settings=settings, out=tmp_path / "run")
    assert len(field.net.parts) == 3
    found = field.decode()
    assert snr(found, given) > 20
    assert field.decode(rate=2 * RATE, start=0.1, seconds=0.2).shape == (int(0.2 * 2 * RATE), 2)
    assert shapesiren.decode(tmp_path / "run", out=tmp_path / "b.flac")["samples"] == len(given)
    back = read_sound(tmp_path / "b.flac")
    assert back.rate == RATE
    assert snr(back.samples, given) > 20
    metrics = shapesiren.evaluate(tmp_path / "run")
    assert metrics["snr"] > 20 and [row["bits"] for row in metrics["compression"]] == [32, 16, 8]
    assert metrics["compression"][1]["quality"] > 15
    json.dumps(metrics)


@pytest.mark.slow
def test_video_of_a_file_and_of_a_folder(tmp_path):
    frames = clip()
    write_frames(tmp_path / "a.mp4", frames, 12.0)
    rate, read = read_frames(tmp_path / "a.mp4")
    back = np.array(list(read))
    assert (rate, back.shape) == (12.0, frames.shape)
    assert psnr(back / 255.0, frames / 255.0, 1.0) > 25
    (tmp_path / "frames").mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{i:03}.png")
    field = shapesiren.fit(tmp_path / "frames", settings=SMALL, out=tmp_path / "run")
    assert field.task == "video"
    assert psnr(np.array(list(field.decode())) / 255.0, frames / 255.0, 1.0) > 24
    assert len(list(field.decode(rate=50.0))) == 16  # a folder has 25 a second
    assert np.allclose(frame_at(field, 0.5, 20, 30, 3), frame_at(field, 0.5, 20, 30)[::3, ::3], atol=1e-6)
    shapesiren.decode(tmp_path / "run", out=tmp_path / "b.gif")
    assert len(list(read_frames(tmp_path / "b.gif")[1])) == len(frames)
    assert shapesiren.evaluate(tmp_path / "run")["worst"] > 20
    field.picture(tmp_path / "p.png")
    assert is_a_picture(tmp_path / "p.png")


def test_large_arrays_stay_on_disk(tmp_path):
    large, header = np.arange(9_000_000.0), Header(frame=Similarity((0.5,), 0.5))
    signal = Signal({"frames": large, "small": np.arange(5.0)}, header)
    with open(tmp_path / "a.npz", "wb") as file:
        pack(signal, file)
    back = unpack(tmp_path / "a.npz")
    assert isinstance(back.arrays["frames"], np.memmap) and not isinstance(back.arrays["small"], np.memmap)
    np.testing.assert_array_equal(back.arrays["frames"], large)
    np.testing.assert_array_equal(back.arrays["small"], np.arange(5.0))
    assert back.header == header


def test_batches_see_everything_once_and_follow_from_the_step():
    batches = Shuffle(100, 30, 7)
    seen = torch.cat([batches.at(step) for step in range(3)])
    assert len(seen.unique()) == 90
    assert torch.equal(Shuffle(100, 30, 7).at(2), batches.at(2))
    assert not torch.equal(batches.at(3), batches.at(0))


def test_a_sound_can_be_diagnosed(tmp_path):
    from shapesiren.config import resolve
    from shapesiren.fitting.diagnose import diagnose
    from shapesiren.tasks import TASKS

    task = TASKS["audio"]
    config = resolve(task.config_type, task.presets, [("test", SMALL | {"ingest": {"window": 0.2, "reach": 8.0}})])
    fitted = task(task.ingest((sound(0.5), RATE), config, print), config, torch.device("cpu"))
    rows = diagnose(fitted, [0, 3])
    assert [(r.step, r.layer) for r in rows] == [(s, i) for s in (0, 3) for i in range(3)]
    assert all(0.6 < r.output < 0.8 for r in rows if r.step == 0)
