"""The ledger against the engine's own counters, and its figures against their definitions."""

import math
import zlib
from fractions import Fraction

import numpy as np
import pytest
from rich.console import Console

from selfplay.allocation import Allocation
from selfplay.driver.executor import Executor
from selfplay.driver.plan import SamplingPlan
from selfplay.driver.stats import PassStats
from selfplay.estimators.information import check_bits, compressed_size, repeats, surprisal
from selfplay.journal import read_journal
from selfplay.journal.samples import hash_of, read_samples
from selfplay.metrics.accepted import read_accepted
from selfplay.metrics.ledger import engine_seconds, record_engine_time, tokens_of
from selfplay.metrics.trackers import numbers_of
from selfplay.models.flops import decoder_of
from selfplay.progress import Progress
from selfplay.recipe.sections import Recipe
from selfplay.rounds.run import run as play
from selfplay.samplers.transformers import TransformersSampler
from selfplay.shards.files import read_traces
from selfplay.storage import read_json
from tasks import load
from tests.factories import small_recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    recipe = small_recipe(
        output=str(folder / "small"),
        rounds=2,
        tasks={"num_tasks": 50},
        pretraining={"steps": 80, "corruption": 0.3},
        sampling={"batch_size": 256},
        selection={"max_traces_per_task": 0, "drop_duplicates": False},
    )
    with (folder / "said").open("w") as said:
        play(recipe, Progress(Console(file=said, width=400)))
    return folder / "small"


def ledger_of(run, index=0):
    return read_json(run / f"round_{index:03d}" / "metrics.json")["ledger"]


# -- tokens


@pytest.fixture
def counters(monkeypatch):
    """What transformers' own `generate` was given and gave: prompt tokens that are not padding, and tokens up to the end."""
    counted = {"prompt": 0, "sampled": 0}
    load_model = TransformersSampler._load

    def load_and_count(sampler, model):
        load_model(sampler, model)
        generate = sampler._generator._model.generate
        ends = sampler._generator._model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends)

        def counting(*args, **options):
            out = generate(*args, **options)
            counted["prompt"] += int(options["attention_mask"].sum())
            for row in out[:, options["input_ids"].shape[1] :].tolist():
                ended = [place for place, token in enumerate(row, 1) if token in ends]
                counted["sampled"] += ended[0] if ended else len(row)
            return out

        sampler._generator._model.generate = counting

    monkeypatch.setattr(TransformersSampler, "_load", load_and_count)
    return counted


def test_tokens_are_the_engines_also_over_a_resumed_pass(counters, small_models, tmp_path):
    recipe = Recipe.model_validate(
        {
            "name": "counted",
            "tasks": {"source": "arithmetic"},
            "model": {"path": small_models[0]},
            "sampling": {"max_tokens": 24, "batch_size": 32},
            "ray": {"address": "none"},
        }
    )
    passes = []
    for num_tasks in (7, 20):  # the second process finds the rows of the first
        with Executor(recipe.sampling, recipe.verification, recipe.ray) as executor:
            tasks = load("arithmetic", num_tasks=num_tasks)
            rule = Allocation(rule="fixed", samples_per_task=4)
            plan = SamplingPlan((small_models[0],), lambda task_id, number: hash_of(task_id) % 2**62 + number)
            passes.append(executor.run_pass(tasks, plan, rule, tmp_path / "journal"))
            record_engine_time(tmp_path, passes[-1], 1)
    assert passes[1].num_resumed == 28
    ledger = tokens_of(read_samples(tmp_path / "journal", ("prompt_tokens", "cached_tokens")))
    assert ledger == {"prompt": counters["prompt"], "cached": 0, "sampled": counters["sampled"]}
    busy = sum(stats.elapsed_seconds - stats.engine_idle_seconds for stats in passes)
    assert engine_seconds(tmp_path, ledger["sampled"]) == pytest.approx(busy)


def test_tokens_of_a_run_are_those_of_its_journals(finished):
    for index in (0, 1):
        rows = [sample for sample, _ in read_journal(finished / f"round_{index:03d}" / "journal")]
        assert ledger_of(finished, index)["tokens"] == {
            "prompt": sum(row.prompt_tokens for row in rows),
            "cached": sum(row.cached_tokens for row in rows),
            "sampled": sum(row.completion_tokens for row in rows),
        }
    total = sum(ledger_of(finished, index)["tokens"]["sampled"] for index in (0, 1))
    assert ledger_of(finished, 1)["so_far"]["sampled_tokens"] == total


def test_tokens_of_a_killed_process_are_reckoned_at_the_pace_of_the_others(tmp_path):
    assert engine_seconds(tmp_path, 100) is None
    record_engine_time(tmp_path, PassStats(started=10.0, ended=14.0, engine_idle_seconds=2.0, num_tokens=60), 2)
    record_engine_time(tmp_path, PassStats(num_resumed=5), 2)  # found all there
    assert engine_seconds(tmp_path, 90) == pytest.approx((2 * 4.0 - 2.0) * 90 / 60)


# -- operations


def test_operations_are_summed_over_samples_and_rounds(finished):
    first, second = ledger_of(finished, 0), ledger_of(finished, 1)
    decoder = decoder_of(str(finished / "base" / "model"))
    rows = [sample for sample, _ in read_journal(finished / "round_000" / "journal")]
    expected = sum(decoder.sampling([row.prompt_tokens], [0], [row.completion_tokens])[0] for row in rows)
    assert first["flops"]["sampling"] == pytest.approx(expected)
    weights = decoder.body + decoder.head
    tokens = read_json(finished / "round_000" / "metrics.json")["training"]["num_tokens"]
    assert 6 * weights * tokens < first["flops"]["training"] < 1.2 * 6 * weights * tokens
    spent = sum(each["flops"][kind] for each in (first, second) for kind in ("sampling", "training"))
    assert second["so_far"]["flops"] == pytest.approx(spent)
    evaluated = [sample for sample, _ in read_journal(finished / "round_000" / "evaluation")]
    assert first["pass_at_k"]["4"]["flops_of_k_samples"] == pytest.approx(
        4 * first["flops"]["evaluation"] / len(evaluated)
    )


# -- information


@pytest.mark.parametrize("rate", [Fraction(1, 20), Fraction(1, 3), Fraction(9, 10)])
@pytest.mark.parametrize("num", [1, 4, 16])
def test_check_bits_are_the_series_of_the_solve_rate_up_to_n_in_the_mean(rate, num):
    """Over all outcomes of the other samples: the mean is the sum of (1 - p)^k / k for k < n, and never above -log2 p."""
    others = num - 1
    mean = 0.0
    for right in range(others + 1):
        chance = math.comb(others, right) * rate**right * (1 - rate) ** (others - right)
        mean += float(chance) * float(check_bits([num], [right + 1])[0])
    series = sum((1 - rate) ** k / k for k in range(1, num))
    assert mean == pytest.approx(float(series) / math.log(2))
    assert mean <= -math.log2(rate) + 1e-12


def test_check_bits_are_exact_where_sampling_stops_at_an_accepted_sample():
    rng = np.random.default_rng(0)
    samples = 3 + rng.negative_binomial(3, 0.1, 20_000)  # until the third success at rate 0.1
    assert check_bits(samples, np.full(20_000, 3)).mean() == pytest.approx(math.log2(10), abs=0.03)


def test_a_certain_task_brings_no_bits_and_an_unsolved_one_has_none():
    assert check_bits([5, 1], [5, 1]).tolist() == [0.0, 0.0]
    assert np.isnan(check_bits([5], [0])[0])


def test_bits_of_a_round_are_those_of_its_traces(finished):
    for index in (0, 1):
        folder = finished / f"round_{index:03d}"
        counts: dict[str, list[int]] = {}
        for sample, verdict in read_journal(folder / "journal"):
            of_task = counts.setdefault(sample.task_id, [0, 0])
            of_task[0] += verdict.outcome != "undecided"
            of_task[1] += verdict.outcome == "correct"
        accepted = [trace for trace, _ in read_traces(folder / "shards", "accepted")]
        seen = (
            {
                (trace.task.id, trace.sample.text)
                for trace, _ in read_traces(finished / "round_000" / "shards", "accepted")
            }
            if index
            else set()
        )
        total = fresh = 0.0
        for trace in accepted:
            num, right = counts[trace.task.id]
            bits = sum(1 / j for j in range(right, num)) / math.log(2)
            total += bits
            fresh += bits * ((trace.task.id, trace.sample.text) not in seen)
            seen.add((trace.task.id, trace.sample.text))
        ledger = ledger_of(finished, index)
        assert ledger["accepted"]["num_traces"] == len(accepted) > 0
        assert ledger["accepted"]["check_bits"] == pytest.approx(total)
        assert ledger["accepted"]["new_check_bits"] == pytest.approx(fresh)
        assert ledger["accepted"]["new_bits_per_gflop"] == pytest.approx(fresh / ledger["flops"]["sampling"] * 1e9)
        bits = -sum(trace.sample.cumulative_logprob for trace in accepted) / math.log(2)
        tokens = sum(trace.sample.completion_tokens for trace in accepted)
        assert ledger["information"]["surprisal_bits_per_token"] == pytest.approx(bits / tokens)
        whole = "".join(f"{trace.sample.text}\n" for trace in accepted)
        assert ledger["information"]["compressed_bytes_per_character"] == pytest.approx(
            len(zlib.compress(whole.encode())) / len(whole)
        )


def test_difficulties_add_up_to_the_round(finished):
    ledger = ledger_of(finished)
    groups = ledger["by_difficulty"]
    assert list(groups) == ["2", "3"]
    for name in ("num_traces", "num_new", "check_bits", "new_check_bits"):
        assert sum(group[name] for group in groups.values()) == pytest.approx(ledger["accepted"][name])
    for name, total, each in (
        ("sampled_tokens", ledger["tokens"]["sampled"], "tokens_per_trace"),
        ("sampling_flops", ledger["flops"]["sampling"], "flops_per_trace"),
    ):
        assert sum(group[name] for group in groups.values()) == pytest.approx(total)
        for group in groups.values():
            assert group[each] == (pytest.approx(group[name] / group["num_traces"]) if group["num_traces"] else None)


def test_unknown_logprobs_are_left_out():
    assert surprisal(np.array([-math.log(2), np.nan]), [4, 100]) == pytest.approx(0.25)
    assert surprisal(np.array([np.nan]), [3]) is None and compressed_size([]) is None


def test_what_repeats_within_and_against_earlier_rounds():
    again, earlier = repeats(np.array([3, 5, 3, 7], dtype=np.uint64), np.array([7, 9], dtype=np.uint64))
    assert again.tolist() == [False, False, True, False] and earlier.tolist() == [False, False, False, True]


def test_repeats_of_a_run_are_those_of_its_shards(finished):
    traces = [
        (trace.task.id, trace.sample.text) for trace, _ in read_traces(finished / "round_000" / "shards", "accepted")
    ]
    assert ledger_of(finished)["repeats"]["trace_in_this_round"] == pytest.approx(1 - len(set(traces)) / len(traces))
    assert ledger_of(finished)["repeats"]["trace_of_earlier_rounds"] == 0.0
    assert len(read_accepted(finished / "round_000" / "shards")) == len(traces)


# -- paying


def test_a_round_says_whether_it_paid_and_a_line_says_it(finished):
    paying = ledger_of(finished)["paying"]
    before, after = (
        read_json(folder / "metrics.json")["evaluation"]["pass_at_k"]["1"]
        for folder in (finished / "base", finished / "round_000")
    )
    assert paying["pass_at_1_gain"] == pytest.approx(after - before)
    assert paying["pays"] == (paying["low"] > 0)
    assert (finished.parent / "said").read_text().count("bits by the check") == 2


def test_trackers_get_every_number_by_its_path(finished):
    metrics = read_json(finished / "round_000" / "metrics.json")
    figures = numbers_of(metrics)
    assert figures["ledger/tokens/sampled"] == metrics["ledger"]["tokens"]["sampled"]
    assert figures["evaluation/pass_at_k/4"] == metrics["evaluation"]["pass_at_k"]["4"]
