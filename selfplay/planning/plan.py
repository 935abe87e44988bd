"""A plan: what a run will cost and bring, each figure with its interval and its source.

Formulas: samples, accepted traces and solved tasks are expectations of the allocation rule over the spread of solve rates
(estimators.expected_outcome); operations as in models.flops; the worth of E passes over U unique tokens is
U * (1 + R * (1 - exp(-(E - 1) / R))) with R = 15.4 (Muennighoff et al. 2023, Scaling Data-Constrained Language Models, section
4), against 20 tokens a parameter for training from scratch (Hoffmann et al. 2022, Training Compute-Optimal Large Language
Models); weak against strong samples at equal operations as Bansal et al. 2024 (Smaller, Weaker, Yet Better).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.allocation import RULES, Allocation
from selfplay.estimators.expected_outcome import Outcome, Spread, expected_outcome
from selfplay.models.flops import Decoder, decoder_of
from selfplay.planning.pilot import Pilot
from selfplay.planning.simulation import simulated_outcome
from selfplay.recipe.sections import Recipe

NUM_DRAWS = 400
UTILIZATION = 0.38  # of peak, in training, where nothing was measured
PEAK_FLOPS = {  # dense bfloat16 (float16 on a T4) operations a second, from NVIDIA's data sheets
    "h200": 989e12, "h100": 989e12, "a100": 312e12, "l40s": 362e12, "l4": 121e12, "t4": 65e12,
}  # fmt: skip
GOOD_ERROR = 0.3  # relative, of accepted traces
TOKENS_A_PARAMETER = 20.0
REPEAT_DECAY = 15.4
PASSES = (1, 2, 4, 5, 16, 40)
HIT_SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)
INFORMATIVE = (0.1, 0.9)

Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a plan."""

    value: float  # the median over draws
    low: float  # 95% interval over what the pilot leaves open, without what is assumed
    high: float
    unit: str
    source: str  # "measured", "fitted" or "assumed": the weakest of what it stands on


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the hours are priced by."""

    gpu: str = ""  # of PEAK_FLOPS; empty: training is planned only at a measured pace
    price: float = 0.0  # of one GPU hour, or of one engine hour where engines take no GPU; in the user's currency


@dataclass(frozen=True, slots=True)
class Extent:
    """How large the run is."""

    num_tasks: int  # of a round
    num_held_out: int  # evaluation tasks


@dataclass(frozen=True)
class Plan:
    """Figures by section and name, tables, and all that was assumed."""

    figures: dict[str, dict[str, Figure]]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    assumptions: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        figures = {section: {name: asdict(one) for name, one in part.items()} for section, part in self.figures.items()}
        tables = {
            name: [
                {key: asdict(cell) if isinstance(cell, Figure) else cell for key, cell in row.items()} for row in rows
            ]
            for name, rows in self.tables.items()
        }
        return {"figures": figures, "tables": tables, "assumptions": self.assumptions}


def plan_run(recipe: Recipe, pilot: Pilot, extent: Extent, hardware: Hardware, hit_tokens: float = 0.0) -> Plan:
    """The plan of a recipe from a pilot of its model. hit_tokens: tokens that one more solved task may cost; 0: any."""
    return _Planner(recipe, pilot, extent, hardware).plan(hit_tokens)


class _Planner:
    """Draws of everything that the figures are made of, each of shape [draws]."""

    def __init__(self, recipe: Recipe, pilot: Pilot, extent: Extent, hardware: Hardware):
        self.recipe, self.pilot, self.extent, self.hardware = recipe, pilot, extent, hardware
        self.assumptions: list[str] = []
        self.spread = pilot.spread
        self.of_correct = pilot.completion_tokens(NUM_DRAWS, pilot.samples.correct)
        self.of_wrong = pilot.completion_tokens(NUM_DRAWS, ~pilot.samples.correct)
        outcome = self._outcome(recipe.allocation)
        tasks = extent.num_tasks
        self.samples = tasks * (outcome.correct + outcome.wrong)
        self.tokens = tasks * (outcome.correct * self.of_correct + outcome.wrong * self.of_wrong)
        self.solved = tasks * outcome.solved
        self.accepted = self._bounded(tasks * outcome.kept * pilot.kept_share)
        repeats = pilot.metrics.get("ledger", {}).get("repeats", {}).get("trace_in_this_round")
        if repeats is None:
            self._assume("accepted traces do not repeat one another; a finished round measures how many do")
        self.unique_tokens = self.accepted * pilot.kept_length[1] * (1.0 - (repeats or 0.0))
        self.num_arms = 2 if recipe.control else 1
        self._judge_pilot()

    def plan(self, hit_tokens: float) -> Plan:
        figures = {
            "a round": self._round(),
            "the run": {},
            "data wall": self._wall(),
            "when tasks run dry": self._dry(),
        }
        bill = self._bill()
        figures["the run"] = self._run(bill)
        figures["serve or distil"] = self._serve(bill)
        tables = {
            "bill": [{"phase": name, **part} for name, part in bill.items()],
            "first hits": list(self._hits(hit_tokens)),
        }
        self._assume("the model of every round samples like the pilot's; training it raises what it solves")
        if recipe_rounds := self.recipe.rounds - 1:
            self._assume(f"{recipe_rounds} further round{'s' if recipe_rounds > 1 else ''} cost as much as the first")
        return Plan({name: part for name, part in figures.items() if part}, tables, self.assumptions)

    def _judge_pilot(self) -> None:
        """Say how many tasks a pilot would need, where this one leaves accepted traces wider than 30% either way."""
        low, value, high = np.quantile(self.accepted, [0.05, 0.5, 0.95])
        error = (high - low) / 2 / value if value else 1.0
        if error > GOOD_ERROR:
            num_tasks = int((self.pilot.samples.num_decided > 0).sum())
            wanted = int(np.ceil(num_tasks * (error / GOOD_ERROR) ** 2 / 10) * 10)
            self._assume(
                f"this pilot of {num_tasks} tasks knows accepted traces to about {error:.0%} (nine times of ten); one of "
                f"about {wanted:,} would know them to {GOOD_ERROR:.0%}"
            )

    def _outcome(self, allocation: Allocation) -> Outcome:
        most_kept = self.recipe.selection.max_traces_per_task
        rule = RULES[allocation.rule].task_rule(allocation)
        if rule is not None:
            return expected_outcome(rule, self.spread, most_kept)
        self._assume(f'rule = "{allocation.rule}" has no closed form: its real allocator plays simulated tasks')
        tokens = float(self.of_correct.mean()), float(self.of_wrong.mean())
        return simulated_outcome(allocation, self.spread, self.extent.num_tasks, tokens, most_kept)

    def _bounded(self, accepted: Draws) -> Draws:
        selection = self.recipe.selection
        if selection.max_traces:
            accepted = np.minimum(accepted, selection.max_traces)
        if selection.max_tokens:
            accepted = np.minimum(accepted, selection.max_tokens / self.pilot.kept_length[1])
        return accepted

    def _round(self) -> dict[str, Figure]:
        return {
            "samples": _figure(self.samples, "samples"),
            "completion tokens": _figure(self.tokens, "tokens"),
            "prompt tokens": _figure(self.samples * self.pilot.prompt_tokens, "tokens"),
            "solved tasks": _figure(self.solved, "tasks"),
            "accepted traces": _figure(self.accepted, "traces"),
            "unique accepted tokens": _figure(self.unique_tokens, "tokens"),
            "completion tokens an accepted trace": _figure(self.tokens / np.maximum(self.accepted, 1e-9), "tokens"),
        }

    def _bill(self) -> dict[str, dict[str, Any]]:
        """Of one round, by phase: tokens, operations, hours of one engine or of the trainer, wall hours, money."""
        ray, decoder = self.recipe.ray, self.pilot.decoder
        gpus = max(ray.sampler_gpus, 1.0)
        bill = {"sampling": self._sampled(self.samples, self.tokens)}
        checks = _hours(self.samples * self.pilot.verifier_seconds)
        slots = ray.num_verifiers * self.recipe.verification.threads
        bill["checking"] = {"hours": checks, "wall_hours": _times(checks, 1 / slots), "money": None}
        self._assume("checks run beside sampling on CPUs: they take no engine's time, and are not priced")
        if self.recipe.training:
            bill["training"] = self._trained(decoder)
        if self.recipe.evaluation:
            number = np.full(NUM_DRAWS, float(self.extent.num_held_out * self.recipe.evaluation.samples_per_task))
            mean = self.pilot.completion_tokens(NUM_DRAWS, self.pilot.samples.decided)
            bill["evaluation"] = self._sampled(number, number * mean)
            self._assume("completions on held-out tasks are as long as on the pilot's")
        for name in ("sampling", "evaluation"):
            if name in bill and (hours := bill[name].get("hours")):
                bill[name]["money"] = self._money(hours, gpus)
        if bill.get("training", {}).get("hours"):
            bill["training"]["money"] = self._money(bill["training"]["hours"], 1.0)
        return bill

    def _sampled(self, samples: Draws, tokens: Draws) -> dict[str, Any]:
        pilot = self.pilot
        phase: dict[str, Any] = {"tokens": _figure(tokens, "tokens")}
        if pilot.decoder:
            mean = float(np.median(tokens / samples))
            phase["flops"] = _figure(samples * _query(pilot.decoder, pilot.prompt_tokens, mean), "FLOPs")
        if pilot.engine_seconds:
            pace = pilot.engine_seconds / max(int(pilot.samples.completion_tokens.sum()), 1)
            phase["hours"] = _hours(tokens * pace)
            phase["wall_hours"] = _times(phase["hours"], 1 / self.recipe.ray.num_samplers)
            self._assume(
                "engines keep the pilot's tokens/s, measured on its machine; a small pilot leaves batches half empty, and then "
                "the hours are an upper bound"
            )
        return phase

    def _trained(self, decoder: Decoder | None) -> dict[str, Any]:
        training = self.recipe.training
        rows = np.minimum(self.accepted, training.num_rows) if training.num_rows else self.accepted
        length = min(sum(self.pilot.kept_length), float(training.max_length))
        passes = (
            np.full(NUM_DRAWS, float(training.steps * training.batch_size))
            if training.steps
            else training.epochs * rows
        )
        tokens = passes * length
        phase: dict[str, Any] = {"tokens": _figure(tokens, "tokens")}
        fitted = self.pilot.metrics.get("training") or {}
        if decoder is None or training.command or self.recipe.model.student:
            self._assume(
                "training is not priced: the size of the trained model, or how the command trains, is not known here"
            )
            return phase
        context = fitted.get("mean_context") or length
        flops = tokens * decoder.training(1.0, context, fitted.get("num_adapter_weights", 0))
        phase["flops"] = _figure(flops, "FLOPs")
        done = self.pilot.metrics.get("ledger", {}).get("flops", {}).get("training")
        if done and fitted.get("seconds"):
            phase["hours"] = _hours(flops * (fitted["seconds"] / done))
        elif self.hardware.gpu:
            phase["hours"] = _hours(flops / (PEAK_FLOPS[self.hardware.gpu] * UTILIZATION), "assumed")
            self._assume(
                f"training reaches {UTILIZATION:.0%} of the {self.hardware.gpu}'s peak; a finished round measures it"
            )
        else:
            self._assume("training hours need a finished round as the pilot, or --gpu")
        if "hours" in phase:
            phase["wall_hours"] = phase["hours"]
        return phase

    def _money(self, hours: Figure, gpus: float) -> Figure | None:
        if not self.hardware.price:
            return None
        if not self.recipe.ray.sampler_gpus:
            self._assume("engines take no GPU: the price is that of one engine's hour")
        return _times(hours, gpus * self.hardware.price, "money", "assumed")

    def _run(self, bill: dict[str, dict[str, Any]]) -> dict[str, Figure]:
        """Sums over rounds, the control and all evaluations."""
        rounds = self.recipe.rounds * self.num_arms
        counts = {"sampling": rounds, "checking": rounds, "training": rounds, "evaluation": rounds + 1}
        totals: dict[str, Figure] = {}
        for unit in ("tokens", "flops", "wall_hours", "money"):
            phases = [name for name in bill if name != "checking"]
            parts = [(_times(bill[name][unit], counts[name])) for name in phases if bill[name].get(unit)]
            if parts and len(parts) == len(phases):
                totals[unit.replace("_", " ")] = _added(parts)
        return totals

    def _hits(self, hit_tokens: float) -> Iterator[dict[str, Any]]:
        """For each k, what one more solved task costs if every task gets its k-th sample."""
        tokens = float(np.median(self.tokens / self.samples))
        for k in HIT_SAMPLES:
            gain = self.spread.pass_at(k) - self.spread.pass_at(k - 1)
            cost = _figure(tokens / np.maximum(gain, 1e-12), "tokens")
            row = {"k": k, "pass_at_k": _figure(self.spread.pass_at(k), "share"), "tokens": cost}
            if hit_tokens and cost.value > hit_tokens:
                yield row | {"beyond": f"from about this k on a solved task costs more than {hit_tokens:,.0f} tokens"}
                return
            yield row

    def _wall(self) -> dict[str, Figure]:
        """A round's unique accepted tokens against the need of training from scratch, and the worth of passes over them."""
        found: dict[str, Figure] = {}
        if decoder := self.pilot.decoder:
            wanted = TOKENS_A_PARAMETER * (decoder.body + decoder.head)
            found["share of 20 tokens a parameter"] = _figure(self.unique_tokens / wanted, "share")
            self._assume("20 tokens a parameter is about training from scratch; a pretrained model wants far less")
        for passes in PASSES:
            worth = 1 + REPEAT_DECAY * (1 - exp(-(passes - 1) / REPEAT_DECAY))
            found[f"worth of {passes} pass{'es' if passes > 1 else ''}"] = Figure(
                worth, worth, worth, "fresh passes", "assumed"
            )
        return found

    def _dry(self) -> dict[str, Figure]:
        """The share of tasks that still teach, in each round of the pilot; its fall needs two."""
        name = f"tasks with a solve rate of {INFORMATIVE[0]} to {INFORMATIVE[1]}"
        if len(self.pilot.rounds) < 2:
            self._assume("how fast tasks run dry needs a pilot of two finished rounds")
            return {name: _figure(self.spread.informative(*INFORMATIVE), "share")}
        shares = [Spread.after(*counts).informative(*INFORMATIVE) for counts in self.pilot.rounds]
        found = {f"round {index}: {name}": _figure(share, "share") for index, share in enumerate(shares)}
        found["ratio from one round to the next"] = _figure(
            (shares[-1] / np.maximum(shares[0], 1e-9)) ** (1 / (len(shares) - 1)), "ratio"
        )
        return found

    def _serve(self, bill: dict[str, dict[str, Any]]) -> dict[str, Figure]:
        """Operations a query, of the sampled model and of the student, and after how many queries the student has paid."""
        if not self.pilot.decoder:
            self._assume("serve or distil needs the size of the sampled model, which is not known here")
            return {}
        tokens = float(np.median(self.tokens / self.samples))
        teacher, found = _query(self.pilot.decoder, self.pilot.prompt_tokens, tokens), {}
        for k in (1, 4, 16):
            found[f"teacher, {k} sample{'s' if k > 1 else ''} and a verifier: solved"] = _figure(
                self.spread.pass_at(k), "share"
            )
            found[f"teacher, {k} sample{'s' if k > 1 else ''}: FLOPs a query"] = _exact(k * teacher, "FLOPs")
        section = self.recipe.model.student
        decoder = decoder_of(section.path) if section and section.path else self.pilot.decoder
        phases = [bill[name]["flops"] for name in ("sampling", "training") if name in bill and "flops" in bill[name]]
        if decoder is None or not self.recipe.training:
            return found
        student = _query(decoder, self.pilot.prompt_tokens, tokens)
        found["student, 1 sample: FLOPs a query"] = _exact(student, "FLOPs")
        scores = self.pilot.metrics.get("evaluation", {}).get("pass_at_k", {})
        if "1" in scores:
            found["student of the pilot, 1 sample: solved (held out)"] = _exact(scores["1"], "share")
        else:
            self._assume("how well the student does is not known before a round has trained and evaluated it")
        cost = _times(_added(phases), self.recipe.rounds)
        for k in (1, 4, 16):
            if k * teacher > student:
                name = (
                    f"queries after which the student costs less than {k} sample{'s' if k > 1 else ''} of the teacher"
                )
                found[name] = _times(cost, 1 / (k * teacher - student), "queries")
        return found

    def _assume(self, text: str) -> None:
        if text not in self.assumptions:
            self.assumptions.append(text)


def weak_or_strong(weak: Pilot, strong: Pilot) -> dict[str, Figure] | None:
    """Samples of the weak model at the operations of one of the strong, and the tasks that each then solves.

    None if the size of a model is not known.
    """
    if weak.decoder is None or strong.decoder is None:
        return None
    costs = [
        _query(pilot.decoder, pilot.prompt_tokens, float(pilot.samples.completion_tokens.mean()))
        for pilot in (weak, strong)
    ]
    ratio = costs[1] / costs[0]
    found = {"weak samples at the operations of one strong": _exact(ratio, "samples")}
    for k in (1, 4, 16):
        found[f"strong: tasks solved with {k}"] = _figure(strong.spread.pass_at(k), "share")
        found[f"weak: tasks solved with {max(1, round(k * ratio))}"] = _figure(
            weak.spread.pass_at(max(1, round(k * ratio))), "share"
        )
    for name, pilot in (("strong", strong), ("weak", weak)):
        correct = sum(number for reason, number in pilot.reasons.items() if reason not in ("wrong", "undecided"))
        share = pilot.reasons.get("wrong_step", 0) / correct if correct else 0.0
        found[f"{name}: correct traces with a wrong step"] = _exact(share, "share")
    return found


def _query(decoder: Decoder, prompt_tokens: float, completion_tokens: float) -> float:
    """Operations of one sample."""
    return float(decoder.sampling([prompt_tokens], [0.0], [completion_tokens])[0])


def _exact(value: float, unit: str) -> Figure:
    return Figure(value, value, value, unit, "measured")


def _figure(draws: Draws, unit: str, source: str = "fitted") -> Figure:
    low, value, high = np.quantile(draws, [0.025, 0.5, 0.975])
    return Figure(float(value), float(low), float(high), unit, source)


def _hours(seconds: Draws, source: str = "fitted") -> Figure:
    return _figure(seconds / 3600, "hours", source)


def _times(figure: Figure, factor: float, unit: str = "", source: str = "") -> Figure:
    low, high = figure.low * factor, figure.high * factor
    return Figure(figure.value * factor, low, high, unit or figure.unit, source or figure.source)


def _added(parts: Sequence[Figure]) -> Figure:
    """The sum; its interval adds the intervals, since all parts rise and fall with the same pilot."""
    source = "assumed" if any(part.source == "assumed" for part in parts) else parts[0].source
    value, low, high = (sum(getattr(part, name) for part in parts) for name in ("value", "low", "high"))
    return Figure(value, low, high, parts[0].unit, source)
