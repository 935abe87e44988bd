"""The sections of a recipe and their keys. The comment of a key is its line in runs/README.md (reference.py)."""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from selfplay.allocation import Allocation

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

_SERVER = {"omit", "base_url", "api_key_env", "max_retries", "max_concurrency", "timeout_seconds"}
# keys that may change when a run is resumed, since they decide no row
FREE = dict.fromkeys(("ray", "rounds", "stop", "output", "copy_to"), True) | {
    "sampling": _SERVER,
    "verification": {"threads"},
    "training": {"num_workers", "gpus_per_worker", "strategy"},
}
# keys that are younger than some runs, by the section that holds them: at their defaults they leave a recipe's digest as it was
YOUNGER = {
    "": {"proposer", "second_chances"},
    "model.create": {"initializer_range", "layers"},
    "model.student.create": {"initializer_range", "layers"},
    "allocation": {"total_accepted", "probe"},
    "sampling": {"chat_template", "more"},
    "pretraining": {"corpus", "micro_batch_size", "precision", "gradient_checkpointing"},
    "training": {
        "micro_batch_size",
        "precision",
        "gradient_checkpointing",
        "method",
        "beta",
        "repeat_hard",
        "start_share",
    },
    "selection": {"exclude"},
}


class Section(BaseModel):
    """A table of keys. An unknown key is a mistake, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Tasks(Section):
    """[tasks]: a source of tasks, and the options of this source as further keys (`selfplay tasks --help` lists them)."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    source: str  # its name

    @property
    def options(self) -> dict[str, Any]:
        """The further keys."""
        return dict(self.model_extra or {})


class Create(Section):
    """[model.create]: make a small model with random weights and one token a character."""

    characters: str = "0123456789+="  # the vocabulary
    hidden_size: Count = 64  # width of a layer
    num_layers: Count = 3  # depth
    num_heads: Count = 2  # of attention
    max_length: Count = 128  # tokens of prompt and completion
    initializer_range: Positive = 0.02  # standard deviation of the random weights
    # layers of an LFM2 whose attention knows no positions, in place of num_layers; empty: a Llama
    layers: list[Literal["conv", "full_attention"]] = []


class Teacher(Section):
    """[[model.teachers]]: one of several models that are sampled together, each by engines of its own."""

    path: str  # folder or hub name
    weight: Positive = 1.0  # share of the samples, relative to the other teachers


class Student(Section):
    """[model.student]: the model that is trained and evaluated, if it is not the one that is sampled."""

    path: str = ""  # folder or hub name
    create: Create | None = None  # make it with random weights, without pretraining
    teaches: bool = False  # from the second round on, sample the student that the round before trained


class Model(Section):
    """[model]: the model of the first round. Exactly one of `path`, [model.create] and [[model.teachers]] names it."""

    path: str = ""  # folder or hub name
    create: Create | None = None  # make it
    teachers: list[Teacher] = []  # models that are sampled and never trained
    student: Student | None = None  # the model that learns from the sampled one

    @property
    def name(self) -> str:
        """The sampled model, or all of them."""
        return " + ".join(teacher.path for teacher in self.teachers) or self.path


class Fitting(Section):
    """The keys of [pretraining] and [training] alike."""

    steps: Natural = 0  # optimizer steps; 0: as many as `epochs` takes
    epochs: Positive = 1.0  # passes over the traces
    batch_size: Count = 64  # traces a step
    # traces that a worker computes at once, whose gradients add up to a step; 0: all of its share of a step
    micro_batch_size: Natural = 0
    # compute activations again in the backward pass, which saves memory
    gradient_checkpointing: Literal["gpu", "always", "never"] = "gpu"
    learning_rate: Positive = 1e-5  # after the warm-up
    warmup_steps: Natural = 0  # steps over which the learning rate rises to its value
    max_length: Count = 4096  # tokens of prompt and completion; longer traces are cut
    # of the matrix products; weights and their steps always have 32 bits. auto: bfloat16 on a GPU that has it
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class Pretraining(Fitting):
    """[pretraining]: fit the model of [model.create] to a corpus that is often wrong."""

    # sums with their steps, the search for a Countdown's expression, or chains of operators; "solutions": tasks of the recipe's own source
    # with the solutions that they hold
    corpus: Literal["arithmetic", "countdown", "operators", "solutions"] = "arithmetic"
    corruption: Share = 0.2  # share of wrong steps in the corpus, or of solutions that are another task's
    redundancy: Annotated[float, Field(ge=0, lt=1)] = (
        0.0  # chance that a step repeats its terms, and that it does again
    )


class Lora(Section):
    """[training.lora]: train low-rank adapters of the frozen weights, and merge them in the end (by peft)."""

    rank: Count = 16  # of an adapter
    alpha: Positive = 32.0  # an adapter's output is scaled by alpha / rank
    dropout: Share = 0.0  # of an adapter's input
    targets: list[str] = []  # names of layers, such as ["q_proj", "v_proj"]; empty: all linear ones but the head


class Training(Fitting):
    """[training]: fit the next round's model to the accepted traces."""

    # "sft" learns accepted traces; "dpo" prefers each to a wrong one of its task; "kto" learns which are right and which wrong
    method: Literal["sft", "dpo", "kto"] = "sft"
    beta: Positive = 0.1  # dpo, kto: how strongly the model is held near the one that the training starts from
    start: Literal["last", "base"] = "last"  # continue from the model of the round before, or from the first one
    command: str = (
        ""  # a trainer of your own, in place of the built-in one; its placeholders stand in training/command.py
    )
    num_rows: Natural = 0  # most accepted traces to train on; 0: all
    # most times that a trace is learnt in an epoch: as often as the check added bits to it, -log2 of the share of its task's
    # samples that are right, so that first solutions of hard tasks count more; 1: each trace once
    repeat_hard: Count = 1
    # share of the start model's weights in the saved ones: an average of consecutive rounds' models; 0: the trained weights
    start_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # processes that train together, by Ray Train; 0: one a GPU of the engines, or this process if they have none
    num_workers: Natural = 0
    gpus_per_worker: Annotated[float, Field(ge=0, le=1)] = 1.0  # 0: train on CPUs, even if the engines have GPUs
    # of several workers: each holds all weights ("ddp"), or a share of them ("fsdp")
    strategy: Literal["ddp", "fsdp"] = "ddp"
    lora: Lora | None = None  # train adapters only


class Replay(Section):
    """[sampling.replay]: the completions of the replay engine."""

    path: str  # JSONL or Parquet file, or a hub dataset
    prompt: str = "prompt"  # column with the task's prompt; not read if there is a column task_id
    completions: list[str] = ["completion"]  # columns with completions; a.b is b within a


class ChatTemplate(Section):
    """[sampling.chat_template]: how the model's chat template renders a prompt, in sampling, training and exports alike."""

    system: str = ""  # system message of each prompt that has none
    # date that a template takes for the present day
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] = "2026-01-01"
    # variables of the template, such as enable_thinking = false; openai: sent as chat_template_kwargs
    kwargs: dict[str, Any] = {}


class More(Section):
    """[sampling.more]: parameters of sampling that few recipes need, read by every engine that samples."""

    min_p: Share = 0.0  # leave out tokens less probable than this share of the most probable one
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = (
        0.0  # subtracted from the logit of each token in the sample
    )
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0  # the same, times the token's number of occurrences
    repetition_penalty: Positive = 1.0  # divides the positive logits of tokens in the prompt and the sample
    min_tokens: Natural = 0  # a sample does not end before so many tokens
    stop_token_ids: list[Natural] = []  # further tokens that end a sample
    # special tokens that a sample's text keeps; the one that ends it is never kept
    special_tokens: Literal["reasoning", "all", "none"] = "reasoning"


@dataclass(frozen=True, slots=True)
class Engine:
    """Facts about an engine that decide which recipes are possible."""

    samples_models: bool = True  # False: its completions come from a file, for one round
    loads_weights: bool = True  # False: a trained model cannot be loaded into it
    required: tuple[str, str] | None = None  # a key of [sampling] that it needs, and a description of its value


ENGINES = {  # samplers/ holds the engines themselves, under the same names
    "transformers": Engine(),
    "vllm": Engine(),
    "openai": Engine(loads_weights=False, required=("base_url", 'base_url, such as "http://localhost:8000/v1"')),
    "replay": Engine(
        samples_models=False,
        loads_weights=False,
        required=("replay", "[sampling.replay] with the path of the completions"),
    ),
}


class Sampling(Section):
    """[sampling]: the engine and its settings. The keys that concern a server may change when a run is resumed."""

    engine: Literal["transformers", "vllm", "openai", "replay"] = "transformers"  # generates the samples
    temperature: Annotated[float, Field(ge=0)] = 1.0  # divides the logits; 0: always the most probable token
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0  # sample from the most probable tokens with this total probability
    top_k: Natural = 0  # sample from so many most probable tokens; 0: all (openai: the server's own default)
    max_tokens: Count = 1024  # most completion tokens of a sample
    stop: list[str] = []  # texts that end a sample
    max_in_flight: Natural = 0  # samples requested of one engine at a time; 0: the engine's own number
    batch_size: Count = 256  # transformers: sequences at once
    engine_options: dict[str, Any] = {}  # vllm: arguments of AsyncEngineArgs; openai: more fields of a request
    logprobs: bool = False  # vllm: record each sample's cumulative log-probability, which slows the engine
    # openai: fields of a request that the server refuses, such as ["seed", "temperature"]
    omit: list[str] = []
    base_url: str = ""  # openai: of the server, such as "http://localhost:8000/v1"
    endpoint: Literal["chat", "completions"] = "chat"  # openai: "completions" for a base model without a chat template
    api_key_env: str = "OPENAI_API_KEY"  # openai: environment variable with the key
    max_retries: Natural = 8  # openai: of a request, with exponential back-off
    max_concurrency: Count = 64  # openai: requests at once
    timeout_seconds: Positive = 600.0  # openai: of a request
    replay: Replay | None = None  # replay: the file of completions
    chat_template: ChatTemplate = ChatTemplate()  # how prompts are rendered
    more: More = More()  # rarer parameters


class Verification(Section):
    """[verification]: the verifiers."""

    threads: Count = 4  # of one verifier process
    unsafe: bool = False  # run programs even if this machine has no sandbox for them


DefaultFilter = Literal[
    "unfinished", "language", "text_after_answer", "answer_from_nowhere", "repetition", "wrong_step"
]
Filter = Literal[DefaultFilter, "false_claim"]


class Mix(Section):
    """[selection.mix]: further rows to train on, against collapse.

    The shares are of all rows trained on, chosen at random by the seed; the round's own accepted traces are the rest.
    """

    earlier_rounds: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of accepted traces of earlier rounds
    corpus: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of rows of a corpus
    path: str = ""  # the corpus: JSONL, Parquet or a hub dataset; empty: that of [pretraining]
    prompt: str = "prompt"  # column of the corpus with text or a list of chat messages
    completion: str = "completion"  # column of the corpus with text


class Selection(Section):
    """[selection]: which traces become training data."""

    verified: bool = True  # false: keep every trace, right or wrong; verdicts are recorded only
    max_traces_per_task: Natural = 4  # most traces kept of a task; 0: all
    drop_duplicates: bool = True  # drop traces of one task with the same text
    near_duplicates: Share = 0.8  # similarity above which two texts of a task count as duplicates; 0: exact ones only
    # also drop near duplicates of traces kept for other tasks with nearly the same prompt; takes 0.6 kB a kept trace
    across_tasks: bool = False
    reject: list[Filter] = list(get_args(DefaultFilter))  # filters of a trace's text that apply
    decontaminate: bool = True  # leave out tasks that copy one of [evaluation] or of [selection.against.NAME]
    against: dict[str, Tasks] = {}  # further evaluation sets, each with a source and its options
    exclude: str = ""  # a file of traces and tasks to leave out, as `selfplay audit --labels` writes it; empty: none
    # which traces of a task to keep, if there are more than `max_traces_per_task`
    choose: Literal["first", "random", "shortest", "diverse"] = "first"
    max_traces: Natural = 0  # most traces kept of the round; 0: all
    max_tokens: Natural = 0  # most completion tokens of the round's kept traces, with a control also of its own; 0: any
    # which traces of the round to keep, if `max_traces` or `max_tokens` bounds them
    prefer: Literal["random", "hard", "easy", "difficulty", "information", "short"] = "random"
    mix: Mix | None = None  # further rows to train on


ProposalKind = Literal["begin", "go_on", "draw", "instruct", "evolve", "template", "program"]


class Proposer(Section):
    """[proposer]: the sampled model writes tasks of its own. Those that pass a gate are sampled beside tasks of [tasks], the seeds.

    Each round keeps its proposals in `proposals.jsonl`: parents, prompt, model, seed, every check's result, and afterwards the
    solve rate in `pool.jsonl`.
    """

    # begin, go_on and draw: of a source that reads its own tasks (`operators`), written from nothing, as an older one that
    # goes on, or drawn by the source itself at the frontier, without the model. In words, with a program for the answer: new ones
    # (instruct), harder ones (evolve), instances of a seed's template, code tasks with tests (program)
    kind: ProposalKind = "evolve"
    kinds: dict[ProposalKind, Positive] = {}  # several kinds, each with its weight, in place of `kind`
    tasks_per_round: Count = 1000  # seeds and proposed tasks together; fewer if too few proposals pass the gate
    seeds: Share = 0.15  # share of seeds in each round
    most_proposals: Positive = 4.0  # proposals for each task wanted, after which a round takes what it has
    # solve rates that teach, above the first and up to the second; what is solved more often is trained on at a low rate
    window: Annotated[list[Share], Field(min_length=2, max_length=2)] = [0.0, 0.8]
    mastered: Share = 0.25  # tasks above the window that are trained on, as a share of the tasks trained on
    margin: Natural = 3  # how much longer a proposal may be than the longest solved task, in the unit of its kind
    most_of_family: Share = 0.1  # share of a round's proposed tasks that may differ in nothing but their numbers
    max_characters: Count = 4000  # of a proposal's prompt and of its reference
    learn: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the rows trained on that teach to propose
    hardest: Share = 0.4  # of the proposed tasks that were solved, the share that teaches to propose
    # independent solutions of each task whose answer is a program's: without one that agrees the task is refused; 0: none
    agreement: Natural = 0
    # share of the proposed tasks whose reference is the model's own answer, right or wrong: to measure what that does
    unverified: Share = 0.0

    @property
    def shares(self) -> dict[ProposalKind, float]:
        """The kinds with their weights."""
        return dict(self.kinds) if self.kinds else {self.kind: 1.0}


class SecondChances(Section):
    """[second_chances]: sample the tasks that no sample solved once more, with help. What comes of it is trained on, as rows of
    the shards "mixed", and counts in no pass@k.
    """

    # rationalization: samples of each such task with the reference's answer in its prompt; 0: none. A right one is learnt
    # under the prompt without it, if it does not mention the hint and its steps lead to the answer
    hinted_samples: Natural = 0
    hint: str = "(The answer is {answer}. Show the steps that lead to it.)"  # follows the prompt
    repair_turns: Natural = (
        0  # times that a failed program or proof is given back with the verifier's account; 0: never
    )
    repair_samples: Count = 1  # of each task and turn
    # what is learnt of a repaired one: the last text as the answer to the task alone, or at the end of the conversation
    repair_as: Literal["alone", "conversation"] = "alone"


class Evaluation(Section):
    """[evaluation]: held-out tasks, sampled after each round and once before the first."""

    tasks: Tasks  # a source and its options
    samples_per_task: Count = 16  # at least the largest k
    k: list[Count] = [1, 4, 16]  # pass@k is computed for these


class Stop(Section):
    """[stop]: end a run early, when rounds no longer improve the model. It may change when a run is resumed.

    A run stops if the last `patience` rounds together raised held-out pass@1 by no more than its paired 95% interval, and
    none of them added `least_bits` new bits a FLOP. A control stops with its run.
    """

    patience: Count = 2  # rounds
    least_bits: Annotated[float, Field(ge=0)] = 0.0  # relative to the first round; 0: judge by pass@1 alone


class Ray(Section):
    """[ray]: where the engines and verifiers run. It may change when a run is resumed."""

    address: str = "local"  # "local": Ray on this machine; "none": in this process; else a cluster's address
    num_samplers: Count = 1  # engines
    samplers_of_teachers: list[Count] = []  # engines of each teacher, num_samplers in all; empty: by weight
    sampler_cpus: Positive = 1.0  # of one engine
    sampler_gpus: Annotated[float, Field(ge=0)] = 0.0  # of one engine; a parallel one takes those of its engine_options
    num_verifiers: Count = 1  # verifier processes
    verifier_cpus: Positive = 1.0  # of one verifier process


class Recipe(Section):
    """A whole recipe. These keys stand above all sections."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]  # of the run; by default that of the file
    output: str = ""  # folder of the run; empty: a folder of the run's name in the recipe's folder
    copy_to: str = ""  # folder or fsspec URL (s3://bucket/run) to which each finished round is copied; empty: no copy
    seed: Natural = 0  # of every random choice
    rounds: Count = 1  # each samples, verifies, selects, trains and evaluates
    control: bool = (
        False  # also run a control arm: the same rounds from the same model, with selection.verified = false
    )
    tasks: Tasks
    model: Model = Model()
    pretraining: Pretraining | None = None
    sampling: Sampling = Sampling()
    allocation: Allocation = Allocation()
    verification: Verification = Verification()
    selection: Selection = Selection()
    second_chances: SecondChances | None = None
    training: Training | None = None
    evaluation: Evaluation | None = None
    proposer: Proposer | None = None
    stop: Stop | None = None
    ray: Ray = Ray()

    @property
    def mixes(self) -> bool:
        """Whether a round trains on a share of other rows: of earlier rounds, of a corpus, or of lessons in proposing."""
        return self.selection.mix is not None or (self.proposer is not None and self.proposer.learn > 0)

    @property
    def adds_rows(self) -> bool:
        """Whether a round trains on more than its accepted traces."""
        return self.mixes or self.second_chances is not None

    @property
    def digest(self) -> str:
        """SHA-256, in 16 hexadecimal digits, of the keys that decide the rows: all but those of FREE."""
        content = self.model_dump(exclude=FREE)
        for place, keys in YOUNGER.items():
            section: Any = self
            table: Any = content
            for part in filter(None, place.split(".")):
                section, table = getattr(section, part, None), (table or {}).get(part)
            if isinstance(section, Section | Allocation):
                for key in keys:
                    if getattr(section, key) == type(section).model_fields[key].default:
                        del table[key]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
