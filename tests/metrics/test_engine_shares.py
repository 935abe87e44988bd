"""The engines' time in a round: every second of every engine is counted once."""

import pytest

from selfplay.driver import engine_time
from selfplay.driver.engine_time import CHECKING, IDLE, LOADING, EngineTime
from selfplay.driver.stats import PassStats
from selfplay.metrics.engine_shares import engine_shares, phase_of_pass, phase_of_training, summary
from tests.factories import small_recipe


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(engine_time, "time", clock)
    return clock


def test_a_second_of_a_worker_is_loading_working_checking_or_idle(clock):
    time = EngineTime()
    time.loads(0)
    time.loads(1)
    clock.now += 5
    time.works(0)  # the first engine is ready and gets a request
    clock.now += 2
    time.waits(0)
    time.waits(0)  # each result that comes says so again
    clock.now += 3
    time.hold_back(True)
    clock.now += 4
    time.hold_back(True)
    time.hold_back(False)
    clock.now += 1
    assert (time.seconds(LOADING), time.seconds(IDLE), time.seconds(CHECKING)) == (5 + 15, 3 + 1, 4)
    time.stop()
    clock.now += 50
    assert time.seconds(LOADING, IDLE, CHECKING) == 28


def test_shares_of_a_round_sum_to_one():
    recipe = small_recipe(ray={"num_samplers": 4})
    sampling = PassStats(
        engine_idle_seconds=30.0, engine_checking_seconds=10.0, engine_loading_seconds=20.0, pass_seconds=100.0
    )
    evaluation = PassStats(engine_idle_seconds=4.0, pass_seconds=10.0)
    phases = [
        phase_of_pass("sampling", sampling, 4),
        phase_of_training(recipe, 50.0, num_workers=2),
        phase_of_pass("evaluation", evaluation, 4),
    ]
    found = engine_shares(phases, 200.0, 4)
    assert sum(found["shares"].values()) == pytest.approx(1.0)
    used = {"sampling": 350 / 800, "training": 100 / 800, "evaluation": 36 / 800}
    assert {name: found["shares"][name] for name in used} == pytest.approx(used)
    # of the idle time 20 are of sampling, 4 of evaluation, 100 of two engines that did not train, 160 between the phases
    assert found["shares"]["idle"] == pytest.approx((20 + 4 + 100 + 160) / 800)
    assert summary(found).startswith("sampling 43.8%, training 12.5%, evaluation 4.5%")


@pytest.mark.parametrize(
    ("ray", "training", "workers", "share"),
    [
        ({"num_samplers": 8, "sampler_gpus": 1.0}, {}, 8, 1.0),
        ({"num_samplers": 8, "sampler_gpus": 1.0}, {"num_workers": 2}, 2, 0.25),
        ({"num_samplers": 8, "sampler_gpus": 1.0}, {"command": "train"}, 1, 1.0),
        ({"num_samplers": 2}, {}, 1, 0.5),
        ({"num_samplers": 1}, {"num_workers": 2}, 2, 1.0),
    ],
)
def test_a_training_uses_the_gpus_of_its_workers(ray, training, workers, share):
    recipe = small_recipe(ray={"address": "local"} | ray, training=training)
    assert phase_of_training(recipe, 10.0, workers).used == share * 10 * recipe.ray.num_samplers
