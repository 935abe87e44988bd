"""Trackers get every number, and stop no run."""

import sys

import pytest

from selfplay.metrics import trackers
from selfplay.metrics.trackers import TRACKERS, numbers_of, publish

METRICS = {"round": 1, "evaluation": {"pass_at_k": {"4": 0.5}, "curve": {"1": 0.1}}, "alarms": ["no"], "text": "no"}


def test_numbers_are_named_by_their_path():
    assert numbers_of(METRICS) == {"round": 1.0, "evaluation/pass_at_k/4": 0.5}


@pytest.mark.parametrize("error", [ConnectionError("no network"), RuntimeError("no space"), ImportError("half of it")])
def test_a_tracker_that_fails_is_left_out_and_stops_nothing(tmp_path, monkeypatch, error):
    sent, said = [], []

    def fails(run, name, step, figures):
        sent.append("fails")
        raise error

    monkeypatch.setattr(trackers, "_failed", set())
    monkeypatch.setattr(trackers, "TRACKERS", {"One": fails, "Two": lambda *_: sent.append("two")})
    for step in (0, 1):
        publish(tmp_path, "a run", step, METRICS, said.append)
    assert sent == ["fails", "two", "two"], "a tracker without a network is not waited for again"
    assert said == [f"One is left out from now on: {error}. metrics.json holds every figure"]


def test_weights_and_biases_without_a_network_stops_nothing(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(trackers, "WANDB_SECONDS", 3.0)
    monkeypatch.setattr(trackers, "_failed", set())
    said = []
    publish(tmp_path, "a-run", 0, METRICS, said.append)
    assert "wandb" in sys.modules and wandb.run is None and "Weights & Biases" in TRACKERS
    assert len(said) == 1 and said[0].startswith("Weights & Biases is left out from now on: ")
