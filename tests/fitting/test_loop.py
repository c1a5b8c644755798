"""The loop, on a task that is no shape: it must not need one."""

import itertools
import time

import pytest
import torch

from shapesiren.config import Config, FitSettings
from shapesiren.errors import RunError
from shapesiren.fitting import loop
from shapesiren.fitting.events import Progress, RolledBack
from shapesiren.fitting.schedule import rate_factor
from shapesiren.nets.siren import Siren
from shapesiren.runtime.compiled import numba_works


class Curve:
    """Fits sin(4x) from random samples."""

    native, steady, closed_form = False, True, False

    def __init__(self, spoil=lambda step: None, seed=0):
        self.net = Siren(1, 1, width=16, hidden_layers=1, generator=torch.Generator().manual_seed(seed))
        self.config, self.epoch_steps, self.spoil = Config(task="curve"), 10, spoil

    def losses(self, generator, moment):
        x = torch.rand((64, 1), generator=generator) * 2 - 1
        error = (self.net(x) - torch.sin(4 * x)).square().mean()
        bump = self.spoil(moment.step)
        return {"data": error if bump is None else error + bump}


def run(task, steps=60, **kwargs):
    settings = FitSettings(steps=steps, precision="float32", learning_rate=1e-3, **kwargs.pop("settings", {}))
    return loop.fit_task(task, settings, seed=0, device=torch.device("cpu"), **kwargs)


def weights(task):
    return [p.detach().clone() for p in task.net.parameters()]


def test_it_fits():
    task = Curve()
    before = task.losses(torch.Generator(), loop.Moment(0, 0, torch.float32))["data"]
    outcome = run(task, steps=400)
    assert outcome.finished
    assert outcome.step == 400
    assert outcome.losses["data"] < 0.02 * before


@pytest.mark.parametrize("stops", [(20,), (1,), (7, 30, 59), (25, 50)])
def test_resume_is_exact(tmp_path, one_thread, stops):
    whole = Curve()
    run(whole)
    for start, stop in zip((0, *stops), stops, strict=False):
        count, task = itertools.count(), Curve(seed=9 if start else 0)
        outcome = run(task, key="k", checkpoint=tmp_path / "c", should_stop=lambda c=count, n=stop - start: next(c) >= n)
        assert not outcome.finished
        assert outcome.step == stop
    resumed = Curve(seed=9)  # another start: everything must come from the checkpoint
    outcome = run(resumed, key="k", checkpoint=tmp_path / "c")
    assert outcome.finished
    assert outcome.resumed == stops[-1]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_another_key_or_a_damaged_checkpoint_starts_anew(tmp_path):
    path = tmp_path / "c"
    run(Curve(), key="a", checkpoint=path, steps=10)
    assert run(Curve(), key="b", checkpoint=path, steps=10).resumed == 0
    for spoil in (lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\0" * 100, lambda b: b[:8] + b"X" + b[9:]):
        run(Curve(), key="a", checkpoint=path, steps=10)
        path.write_bytes(spoil(path.read_bytes()))
        assert run(Curve(), key="a", checkpoint=path, steps=10).resumed == 0


def test_nan_rolls_back():
    events = []
    seen = set()

    def spoil(step):
        if step == 60 and step not in seen:
            seen.add(step)
            return float("nan")
        return None

    outcome = run(Curve(spoil), steps=120, listeners=[events.append])
    rolled = [e for e in events if isinstance(e, RolledBack)]
    assert len(rolled) == 1
    assert rolled[0].to_step == 50
    assert outcome.finished
    assert outcome.rollbacks == 1
    assert outcome.losses["data"] < 0.5


@pytest.mark.parametrize("settings", [{}, {"seconds": 1.0}], ids=["steps", "seconds"])
def test_after_a_rollback_pace_and_time_left_are_those_of_a_fit(settings, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    told, spoilt = [], []

    def spoil(step):
        if step == 60 and len(spoilt) < 3:
            spoilt.append(step)
            return float("nan")
        return None

    begun = time.perf_counter()
    run(Curve(spoil), steps=None if settings else 200, listeners=[told.append], settings=settings)
    spent = time.perf_counter() - begun
    after = [b for a, b in itertools.pairwise(told) if isinstance(a, RolledBack)]
    assert len(after) == 3
    for event in after:
        assert isinstance(event, Progress) and event.rate > 0
        assert 0 <= event.left < 100 * spent


@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_a_rollback_caps_the_rate_until_the_schedule_is_lower(decay, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    rates, rolled, seen = {}, [], set()

    def spoil(step):
        if step == 60 and step not in seen:
            seen.add(step)
            return float("nan")
        return None

    def listen(event):
        if isinstance(event, Progress):
            rates[event.step] = event.learning_rate
        if isinstance(event, RolledBack):
            rolled.append(event)

    whole = {"decay": decay, "final_rate": 0.0, "warmup": 0}
    run(Curve(spoil), steps=200, listeners=[listen], settings=whole)
    settings = FitSettings(steps=200, learning_rate=1e-3, **whole)
    at = 1e-3 * rate_factor(settings, 74, 74 / 200)
    assert rolled[0].learning_rate == pytest.approx(at / 2)
    assert rates[52] == pytest.approx(at / 2)
    later = 1e-3 * rate_factor(settings, 179, 179 / 200)
    assert rates[180] == pytest.approx(min(at / 2, later))
    assert (later < at / 2) == (decay == "cosine")


def test_a_rising_loss_rolls_back():
    once = []

    def spoil(step):
        if step >= 60 and len(once) < length:
            once.append(step)
            return 5.0
        return None

    length = 120
    outcome = run(Curve(spoil), steps=300)
    assert outcome.rollbacks >= 1
    assert outcome.finished
    once.clear()
    assert run(Curve(spoil), steps=300, settings={"divergence": None}).rollbacks == 0
    once.clear()
    changing = Curve(spoil)
    changing.steady = False  # what is fitted changes: a rise is no failure
    assert run(changing, steps=300).rollbacks == 0
    once.clear()
    length = 5  # a spike heals by itself
    assert run(Curve(spoil), steps=300).rollbacks == 0


def test_the_rate_falls_gently_at_first():
    events = []
    with pytest.raises(RunError, match="the loss rose"):
        run(Curve(lambda step: 5.0 if step >= 60 else None), steps=4000, listeners=[events.append], settings={"decay": "none"})
    rates = [e.learning_rate / 1e-3 for e in events if isinstance(e, RolledBack)]
    assert rates == pytest.approx([0.75, 0.5625, 0.28125, *(0.28125 / 2**i for i in range(1, 6))])


def test_a_loss_that_does_not_fall_begins_anew():
    once = []
    events = []

    def spoil(step):
        if len(once) < 220:
            once.append(step)
            return 5.0
        return None

    outcome = run(Curve(spoil), steps=400, listeners=[events.append])
    rolled = [e for e in events if isinstance(e, RolledBack)]
    assert [(e.step, e.to_step, e.reason) for e in rolled] == [(200, 0, "the loss does not fall")]
    assert rolled[0].learning_rate == pytest.approx(5e-4)
    assert outcome.finished
    assert outcome.losses["data"] < 0.5


def test_nan_for_ever_is_an_error_that_says_what_to_try():
    with pytest.raises(RunError, match="learning_rate"):
        run(Curve(lambda step: float("nan")), steps=1000)


def test_it_stops_by_time():
    events = []
    settings = FitSettings(seconds=0.5, precision="float32")
    outcome = loop.fit_task(Curve(), settings, seed=0, device=torch.device("cpu"), listeners=[events.append])
    assert outcome.finished
    assert 0.5 <= outcome.seconds < 5
    assert outcome.step > 10


def test_progress_is_told():
    events = []
    run(Curve(), steps=60, listeners=[events.append])
    last = [e for e in events if isinstance(e, Progress)][-1]
    assert last.step == 60
    assert last.share == 1
    assert last.left == 0
    assert set(last.losses) == {"data"}


def test_epochs_are_steps():
    settings = FitSettings(epochs=3, precision="float32")
    assert loop.fit_task(Curve(), settings, seed=0, device=torch.device("cpu")).step == 30


def test_schedule():
    settings = FitSettings(steps=100, warmup=10, final_rate=0.01)
    assert rate_factor(settings, 0, 0.0) == pytest.approx(0.1)
    assert rate_factor(settings, 10, 0.0) == 1
    assert rate_factor(settings, 50, 0.5) == pytest.approx(0.505)
    assert rate_factor(settings, 100, 1.0) == pytest.approx(0.01)
    flat = FitSettings(steps=1, warmup=0, decay="none")
    assert all(rate_factor(flat, s, p) == 1 for s, p in ((0, 0.0), (50, 0.7), (99, 1.0)))


@pytest.mark.parametrize(("native", "backend"), [(True, "auto"), (True, "torch"), (False, "auto")])
def test_torch_gives_up_its_threads_to_an_engine_that_is_used_alone(native, backend):
    if not numba_works():
        pytest.skip("numba is not installed")
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        task = Curve(spoil=lambda step: seen.append(torch.get_num_threads()))
        task.native = native
        run(task, steps=2, settings={"backend": backend})
        assert seen == [1 if native and backend == "auto" else 2] * 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
