"""A recipe: everything that a run is told, checked before anything starts."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from selfplay.allocation import AllocationRule
from tasks import UserError
from tasks.sources import did_you_mean, mistakes_of

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Tasks(Section):
    """[tasks]: a source, and the options that this source takes (`selfplay tasks --help` lists them)."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    source: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Create(Section):
    """[model.create]: a small Llama from random weights with a character tokenizer."""

    characters: str = "0123456789+="
    hidden_size: Count = 64
    num_layers: Count = 3
    num_heads: Count = 2
    max_length: Count = 128


class Model(Section):
    """[model]: the model of the first round, by path or hub name, or made here."""

    path: str = ""
    create: Create | None = None


class Fitting(Section):
    """How a model is trained."""

    steps: Natural = 0  # optimizer steps; 0: by epochs
    epochs: Positive = 1.0
    batch_size: Count = 64  # traces a step
    learning_rate: Positive = 1e-5
    warmup_steps: Natural = 0
    max_length: Count = 4096  # tokens of prompt and completion; longer traces are cut


class Pretraining(Fitting):
    """[pretraining]: fit the made model to the arithmetic source's organic corpus, whose steps are often wrong."""

    corruption: Share = 0.2


class Training(Fitting):
    """[training]: fit the next round's model to the accepted traces."""

    start: Literal["last", "base"] = "last"  # train the round's model further, or the first one anew
    command: str = ""  # instead of the built-in trainer; {model}, {shards} and {out} are filled in
    num_rows: Natural = 0  # most accepted traces to train on; 0: all


class Replay(Section):
    """[sampling.replay]: where the replay engine finds completions."""

    path: str
    prompt: str = "prompt"  # column that holds the task's prompt; not needed where there is a column task_id
    completions: list[str] = ["completion"]  # columns that hold completions; a.b is b within a


class Sampling(Section):
    """[sampling]: the engine and how it samples."""

    engine: Literal["transformers", "vllm", "openai", "replay"] = "transformers"
    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Natural = 0  # 0: all tokens
    max_tokens: Count = 1024
    stop: list[str] = []
    max_in_flight: Natural = 0  # samples asked of one engine at a time; 0: as suits the engine
    batch_size: Count = 256  # transformers: sequences at once
    engine_options: dict[str, Any] = {}  # vllm: arguments of AsyncEngineArgs; openai: more fields of a request
    logprobs: bool = False  # vllm: give each sample its cumulative log-probability; slows the engine
    base_url: str = ""  # openai
    endpoint: Literal["chat", "completions"] = "chat"  # openai: "completions" for a base model without a chat template
    api_key_env: str = "OPENAI_API_KEY"  # openai: environment variable that holds the key
    max_retries: Natural = 8  # openai: a request, with exponential back-off
    max_concurrency: Count = 64  # openai: requests at once
    timeout_seconds: Positive = 600.0  # openai: a request
    replay: Replay | None = None

    @property
    def in_flight(self) -> int:
        """Samples that one engine may hold, so that its next batch is there before the present one ends."""
        return self.max_in_flight or {"transformers": 2 * self.batch_size, "openai": self.max_concurrency}.get(self.engine, 512)


class Allocation(Section):
    """[allocation]: how many samples each task gets."""

    rule: Literal["fixed", "until", "budget"] = "fixed"
    samples_per_task: Count = 4  # fixed
    accepted_per_task: Count = 4  # until, budget: correct traces wanted of each task
    cap: Count = 32  # until, budget: most samples of a task
    give_up_failures: Natural = 0  # until: stop after so many failures without a success; 0: never
    give_up_cost: Annotated[float, Field(ge=0)] = 0.0  # until: most samples an accepted trace may be expected to cost; 0: any
    token_budget: Natural = 0  # budget: completion tokens of the round
    gains: list[float] = []  # budget: worth of a task's first, second, ... trace; empty: 1 each

    @property
    def as_rule(self) -> AllocationRule:
        return AllocationRule(**{**self.model_dump(), "gains": tuple(self.gains)})


class Verification(Section):
    """[verification]: the checkers."""

    threads: Count = 4  # of one verifier
    unsafe: bool = False  # run programs even where no sandbox can be had


RejectRule = Literal["unfinished", "language", "text_after_answer", "answer_from_nowhere", "repetition", "wrong_step"]


class Selection(Section):
    """[selection]: which traces become training data."""

    verified: bool = True  # false: verdicts are recorded and not heeded, and every trace is kept, as a control
    max_traces_per_task: Natural = 4  # 0: all
    drop_duplicates: bool = True  # of the same task and text
    near_duplicates: Share = 0.8  # similarity from which on texts of one task are the same; 0: only equal ones
    reject: list[RejectRule] = list(get_args(RejectRule))  # rules about a trace's text
    decontaminate: bool = True  # leave out tasks that copy one of [evaluation] or of [selection.against.NAME]
    against: dict[str, Tasks] = {}  # more evaluation sets, each with a source and its options
    choose: Literal["first", "random", "shortest", "diverse"] = "first"  # which traces of a task, where not all are kept
    max_traces: Natural = 0  # of the round; 0: all
    prefer: Literal["random", "hard", "easy", "difficulty", "information", "short"] = "random"  # where max_traces bounds it


class Evaluation(Section):
    """[evaluation]: held-out tasks, sampled after each round and once before the first."""

    tasks: Tasks
    samples_per_task: Count = 16
    k: list[Count] = [1, 4, 16]


class Ray(Section):
    """[ray]: where the engines and checkers run. The only section that may change between a run and its resumption."""

    address: str = "local"  # "local": Ray on this machine; "none": in this process; else a cluster's address
    num_samplers: Count = 1
    sampler_cpus: Positive = 1.0
    sampler_gpus: Annotated[float, Field(ge=0)] = 0.0
    num_verifiers: Count = 1
    verifier_cpus: Positive = 1.0


class Recipe(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    output: str = ""  # folder of the run; empty: a folder of the run's name beside the recipe
    seed: Natural = 0
    rounds: Count = 1
    control: bool = False  # play all rounds a second time, from the same start, with selection.verified = false
    tasks: Tasks
    model: Model = Model()
    pretraining: Pretraining | None = None
    sampling: Sampling = Sampling()
    allocation: Allocation = Allocation()
    verification: Verification = Verification()
    selection: Selection = Selection()
    training: Training | None = None
    evaluation: Evaluation | None = None
    ray: Ray = Ray()

    @property
    def digest(self) -> str:
        """Of all that decides the rows: everything but where the run works and how many rounds it goes on."""
        content = self.model_dump(exclude={"ray", "rounds", "output"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def read_recipe(path: Path, overrides: list[str] | None = None) -> Recipe:
    """The recipe of a TOML file, with `section.key=value` overrides; UserError lists every mistake at once."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the recipe {path}: {error.strerror}; the recipes that come along are in runs/") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None
    for override in overrides or []:
        _override(settings, override)
    settings.setdefault("name", path.stem)
    try:
        recipe = Recipe.model_validate(settings)
    except ValidationError as error:
        mistakes = [_in_words(mistake, path.name) for mistake in error.errors()]
    else:
        mistakes = [f"{text} in {path.name} [{section}]" for section, text in _impossible(recipe)]
        if not mistakes:
            return recipe.model_copy(update={"output": recipe.output or str(path.parent / recipe.name)})
    raise UserError("\n".join(mistakes))


def to_toml(table: dict[str, Any], name: str = "") -> str:
    """TOML of nested tables of plain values; None is left out, since TOML has no such value."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    parts = ["\n".join(lines)] if lines else []
    parts += [to_toml(value, f"{name}.{key}" if name else key) for key, value in table.items() if isinstance(value, dict)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def first_difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> str:
    """The first key in which two recipes differ, with both values, in words; empty when they are the same."""
    for key in [*old, *(key for key in new if key not in old)]:
        left, right = old.get(key), new.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            if text := first_difference(left, right, f"{prefix}{key}."):
                return text
        elif left != right:
            return f"{prefix}{key} was {left!r} and is now {right!r}"
    return ""


def _impossible(recipe: Recipe) -> list[tuple[str, str]]:
    """Mistakes that no single key shows: section and words."""
    mistakes = [("tasks", text) for text in mistakes_of(recipe.tasks.source, recipe.tasks.options)]
    engine = recipe.sampling.engine
    if recipe.evaluation:
        options = recipe.evaluation.tasks
        mistakes += [("evaluation.tasks", text) for text in mistakes_of(options.source, options.options)]
        least = recipe.evaluation.samples_per_task
        mistakes += [("evaluation", f"k = {k} needs at least {k} samples_per_task, not {least}") for k in recipe.evaluation.k if k > least]
    for name, options in recipe.selection.against.items():
        mistakes += [(f"selection.against.{name}", text) for text in mistakes_of(options.source, options.options)]
    if bool(recipe.model.path) == bool(recipe.model.create) and engine != "replay":
        mistakes.append(("model", "exactly one of path and create is needed"))
    if recipe.pretraining and not recipe.model.create:
        mistakes.append(("pretraining", "it needs [model.create]: a model that is there already is not trained first"))
    if engine == "replay":
        if not recipe.sampling.replay:
            mistakes.append(("sampling", 'engine = "replay" needs [sampling.replay] with the path of the completions'))
        if recipe.rounds > 1 or recipe.training or recipe.evaluation:
            mistakes.append(("sampling", 'engine = "replay" plays one round, without [training] and [evaluation]'))
    if engine == "openai":
        if not recipe.sampling.base_url:
            mistakes.append(("sampling", 'engine = "openai" needs base_url, such as "http://localhost:8000/v1"'))
        if recipe.training:
            mistakes.append(("training", "a server's model cannot be replaced between rounds; play one round without [training]"))
    if recipe.rounds > 1 and not recipe.training:
        mistakes.append(("training", f"{recipe.rounds} rounds need it, or each round would sample the same model"))
    if recipe.allocation.rule == "budget" and not recipe.allocation.token_budget:
        mistakes.append(("allocation", 'rule = "budget" needs token_budget'))
    if recipe.allocation.rule == "until" and recipe.allocation.cap < recipe.allocation.accepted_per_task:
        mistakes.append(("allocation", f"cap = {recipe.allocation.cap} is below accepted_per_task = {recipe.allocation.accepted_per_task}"))
    return mistakes + _missing_files(recipe)


def _missing_files(recipe: Recipe) -> list[tuple[str, str]]:
    paths = [("tasks", recipe.tasks.options.get("path")), ("model", recipe.model.path)]
    if recipe.evaluation:
        paths.append(("evaluation.tasks", recipe.evaluation.tasks.options.get("path")))
    paths += [(f"selection.against.{name}", against.options.get("path")) for name, against in recipe.selection.against.items()]
    if recipe.sampling.replay:
        paths.append(("sampling.replay", recipe.sampling.replay.path))
    return [
        (section, f"no file {path}")
        for section, path in paths
        if isinstance(path, str) and _looks_local(path) and not Path(path).exists()
    ]


def _looks_local(path: str) -> bool:
    """Whether a path can only mean this machine: a hub name has one slash, no ending and no dots at its front."""
    return path.startswith((".", "/", "~")) or path.endswith((".jsonl", ".json", ".parquet")) or path.count("/") > 1


def _override(settings: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise UserError(f"--set {override}: write it as section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *sections, last = key.strip().split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
        if not isinstance(settings, dict):
            raise UserError(f'--set {override}: "{section}" is a value, not a section')
    settings[last] = parsed


def _in_words(mistake: Any, file: str) -> str:
    *sections, key = [str(part) for part in mistake["loc"]]
    where = f"{file} [{'.'.join(sections)}]" if sections else file
    if mistake["type"] == "extra_forbidden":
        return f'unknown key "{key}" in {where}{did_you_mean(key, _keys_of(sections))}'
    if mistake["type"] == "missing":
        return f'"{key}" is missing in {where}'
    return f'{key} = {mistake["input"]!r} in {where}: {mistake["msg"][0].lower()}{mistake["msg"][1:]}'


def _keys_of(sections: list[str]) -> list[str]:
    model: Any = Recipe
    for section in sections:
        field = model.model_fields[section].annotation
        model = next((part for part in (field, *getattr(field, "__args__", ())) if isinstance(part, type) and issubclass(part, Section)), None)
        if model is None:
            return []
    return list(model.model_fields)
