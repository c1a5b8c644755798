"""A prior from collection to completed image: the task, its file, what it is used for, and what is refused."""

import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import shapesiren
from shapesiren.config import resolve
from shapesiren.errors import InputError
from shapesiren.field import Field
from shapesiren.fitting.loop import fit_task
from shapesiren.metrics.image import psnr
from shapesiren.priors.completions import complete_images, completion_metrics, half_context, net_of
from shapesiren.priors.examples import ImageExamples, pixel_points
from shapesiren.priors.prior import Prior
from shapesiren.priors.procedural import procedural_images
from shapesiren.priors.settings import PriorEvaluateSettings
from shapesiren.tasks.prior import PriorTask
from tests.samples import SMALL_PRIOR, write_collection

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run of a prior over small images, all stages."""
    folder = tmp_path_factory.mktemp("prior")
    write_collection(folder / "images.zip", 80, 16)
    shapesiren.fit(folder / "images.zip", out=folder / "run", settings=SMALL_PRIOR, steps=250)
    return folder / "run"


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """An image of the same kind that was not among them, whose right half is transparent."""
    levels = procedural_images(90, 16)[85]
    alpha = np.full((16, 16, 1), 255, np.uint8)
    alpha[:, 8:] = 0
    path = tmp_path_factory.mktemp("few") / "few.png"
    Image.fromarray(np.concatenate([levels, alpha], 2)).save(path)
    return path


def test_more_pixels_than_there_are_count_once(trained):
    """Of an image of 256 pixels both 300 and 1,000 are all of it: one row, whose error is not the sum of two."""
    fitted, held = Field.load(trained / "field.safetensors"), np.load(trained / "collection.npz")["held"]
    one, two = (
        completion_metrics(fitted, held, PriorEvaluateSettings(contexts=counts, half=False), 0)
        for counts in ((256,), (300, 1000))
    )
    assert [row.context for row in two.rows] == ["256 pixels"]
    assert two.rows[0].mse == one.rows[0].mse


def test_it_completes_better_than_a_mean_image(trained):
    held = np.load(trained / "collection.npz")
    shapesiren.evaluate(trained)
    metrics = json.loads((trained / "metrics.json").read_text())
    mean = held["train"].mean(0) / 255
    blind = np.square(held["held"] / 255 - mean).mean()
    rows = {row["context"]: row["mse"] for row in metrics["rows"]}
    assert set(rows) == {"10 pixels", "100 pixels", "left half"}
    assert rows["100 pixels"] < 0.6 * blind
    assert rows["100 pixels"] < rows["10 pixels"] < blind
    assert metrics["signals"] == len(held["held"]) == 8
    # the figures are those of the images, made here once more
    net, examples = net_of(Field.load(trained / "field.safetensors")), ImageExamples(held["held"], CPU)
    found = complete_images(net, half_context(examples, torch.arange(8)), examples.points).numpy() / 2 + 0.5
    error = np.square(np.clip(found, 0, 1).reshape(held["held"].shape) - held["held"] / 255).mean()
    assert rows["left half"] == pytest.approx(error, rel=1e-4)


def test_a_fit_goes_on_bit_for_bit(tmp_path):
    settings = SMALL_PRIOR | {"fit": {"steps": 30, "learning_rate": 2e-3, "clip": 1.0}}
    config = resolve(PriorTask.config_type, PriorTask.presets, [("test", settings)])
    signal = PriorTask.ingest(procedural_images(30, 16), config, print)

    def fitted(stop_at):
        task, asked = PriorTask(signal, config, CPU), iter(range(1000))
        done = fit_task(
            task,
            config.fit,
            seed=3,
            device=CPU,
            key="k",
            checkpoint=tmp_path / f"{stop_at is None}.safetensors",
            should_stop=lambda: stop_at is not None and next(asked) >= stop_at,
        )
        return task, done

    whole, done = fitted(None)
    assert done.finished
    assert not fitted(11)[1].finished
    resumed, end = fitted(1000)
    assert end.resumed == 11
    assert whole.field().to_bytes() == resumed.field().to_bytes()


def test_an_image_is_completed_as_an_ordinary_run(trained, few, tmp_path, here):
    done = here("fit", few, "--prior", trained, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0
    facts = json.loads(done.stdout)["fit"]
    assert facts["prior"] == str(trained)
    assert facts["precision"] == "float32"
    made = shapesiren.load(tmp_path / "run", task="image")
    assert made.net.kind == "siren"
    image = made.decode(scale=2)
    assert image.shape == (32, 32, 3)
    # what the network is of the known half, and of nothing else
    prior = Prior.load(trained)
    values = np.asarray(Image.open(few), np.float32)[..., :3].reshape(-1, 3) / 127.5 - 1
    left = np.arange(256) % 16 < 8
    code = prior.encode(pixel_points(16, 16)[left], values[left])
    with torch.no_grad():
        alone = prior.signal(code).net(torch.from_numpy(pixel_points(16, 16))).numpy().reshape(16, 16, 3) / 2 + 0.5
    np.testing.assert_allclose(made.decode(), alone, atol=1e-5)
    for words in (["evaluate"], ["report"], ["fit"]):
        assert here(*words, tmp_path / "run").returncode == 0
    # the same command again makes nothing; another prior at the same place is another fit
    again = here("fit", few, "--prior", trained, "--out", tmp_path / "run")
    assert "fit: unchanged, skipped" in again.stderr
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes((trained / "field.safetensors").read_bytes())
    other = here("fit", few, "--prior", copied, "--out", tmp_path / "run")
    assert "fit with other settings" in other.stderr


def test_random_pixels_and_the_python_interface(trained, tmp_path):
    levels = procedural_images(90, 16)[86]
    made = shapesiren.fit(levels, task="image", prior=trained, settings={"ingest": {"context": 40}})
    assert made.arrays["known"].sum() == 40
    prior = Prior.load(trained / "field.safetensors")
    rows, columns = np.nonzero(made.arrays["known"])
    pixels = np.stack([columns + 0.5, rows + 0.5], 1)
    completed = prior.complete(pixels, levels[rows, columns] / 255)
    np.testing.assert_allclose(completed(pixels), made(pixels), atol=1e-5)
    assert completed.gradient(pixels).shape == (40, 3, 2)
    assert psnr(np.clip(made.decode(), 0, 1), levels / 255, 1.0) > 9
    with pytest.raises(InputError, match="500 pixels are more than the 256 known"):
        shapesiren.fit(levels, task="image", prior=trained, settings={"ingest": {"context": 500}})
    grey = shapesiren.fit(levels[..., 0], task="image", prior=trained)
    assert grey.decode().shape == (16, 16, 3)


def test_latent_space(trained, few):
    prior = Prior.load(trained)
    train = prior.training_signals()
    codes = torch.stack([prior.encode(pixel_points(16, 16), image.reshape(-1, 3) / 127.5 - 1) for image in train[:5]])
    which, far = prior.nearest(codes[3], 2)
    assert which[0] == 3
    assert far[0] < 1e-4 < far[1]
    way = prior.interpolate(codes[0], codes[1], 5)
    torch.testing.assert_close(way[[0, 2, 4]], torch.stack([codes[0], (codes[0] + codes[1]) / 2, codes[1]]))
    assert prior.images(way).shape == (5, 16, 16, 3)
    assert torch.equal(prior.sample(3, 1), prior.sample(3, 1))
    assert not torch.equal(prior.sample(3, 1), prior.sample(3, 2))
    with pytest.raises(InputError, match="in its run alone"):
        Prior.load(trained / "field.safetensors").training_signals()
    with pytest.raises(InputError, match="must have shapes"):
        prior.encode(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(InputError, match="nothing is known"):
        prior.encode(np.zeros((0, 2)), np.zeros((0, 3)))


def test_a_prior_in_memory(trained):
    made = shapesiren.fit(procedural_images(20, 16), task="prior", settings=SMALL_PRIOR, steps=3)
    assert made.prior.nearest(made.prior.sample(1)[0])[0].shape == (1,)
    assert made.decode().shape == (16, 16, 3)
    assert shapesiren.load(trained).prior.kind == "set"


def test_commands(trained, few, tmp_path, here):
    for words in (
        ("sample", trained, "--count", "5", "-o", tmp_path / "s.png"),
        ("interpolate", trained, few, few, "--count", "3", "-o", tmp_path / "i.png"),
        ("nearest", trained, few, "--count", "2", "-o", tmp_path / "n.png", "--json"),
    ):
        done = here("prior", *words)
        assert done.returncode == 0, done.stderr
    assert [row["index"] >= 0 for row in json.loads(done.stdout)["nearest"]] == [True, True]
    assert Image.open(tmp_path / "s.png").size == ((3 * 18 - 2) * 4, (2 * 18 - 2) * 4)
    three = np.asarray(Image.open(tmp_path / "i.png"))
    np.testing.assert_array_equal(three[:, :64], three[:, 144:])  # from an image to itself
    assert here("prior", "sample", trained, "-o", tmp_path / "s.png").returncode == 2  # it is there already


def test_damaged_and_foreign_files_are_refused(trained, few, tmp_path):
    data = (trained / "field.safetensors").read_bytes()
    for name, changed in (
        ("cut", data[:300]),
        ("short", data[:-1000]),
        ("empty", b""),
        ("text", b"this is a letter and no prior\n" * 40),
        ("kind", data.replace(b'\\"variant\\": \\"set\\"', b'\\"variant\\": \\"sat\\"')),
    ):
        (tmp_path / name).write_bytes(changed)
        with pytest.raises(InputError, match="not a prior, or damaged|not a shapesiren field"):
            shapesiren.fit(few, prior=tmp_path / name)
    (tmp_path / "shapes").write_bytes(data.replace(b'\\"signal\\": \\"image\\"', b'\\"signal\\": \\"shape\\"'))
    with pytest.raises(InputError, match="a prior of shapes, not of images"):
        shapesiren.fit(few, prior=tmp_path / "shapes")
    with pytest.raises(InputError, match="no prior completes a signal of task audio"):
        shapesiren.fit((np.zeros((100, 1)), 8000), task="audio", prior=trained)
    clear = tmp_path / "clear.png"
    Image.fromarray(np.zeros((16, 16, 4), np.uint8)).save(clear)
    with pytest.raises(InputError, match="every pixel is transparent"):
        shapesiren.fit(clear, prior=trained)
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(InputError, match="no images in it"):
        shapesiren.fit(tmp_path / "none.zip")
