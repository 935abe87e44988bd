"""A recipe: everything that a run is told, as sections with their keys."""

import hashlib
import json
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from selfplay.allocation import Allocation

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

_SERVER = {"base_url", "api_key_env", "max_retries", "max_concurrency", "timeout_seconds"}
# what may change when a run is resumed: it decides no row
FREE = dict.fromkeys(("ray", "rounds", "stop", "output", "copy_to"), True) | {
    "sampling": _SERVER,
    "verification": {"threads"},
}


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


class Teacher(Section):
    """[[model.teachers]]: one of several models that are sampled side by side, each by engines of its own."""

    path: str
    weight: Positive = 1.0  # its share of the samples, in any unit


class Student(Section):
    """[model.student]: the model that is trained and evaluated, where it is another than the one that is sampled."""

    path: str = ""
    create: Create | None = None  # of random weights; it is not pretrained
    teaches: bool = False  # from the second round on sample the student that the round before made


class Model(Section):
    """[model]: the model of the first round, by path or hub name, or made here; or teachers, which stay as they are."""

    path: str = ""
    create: Create | None = None
    teachers: list[Teacher] = []
    student: Student | None = None

    @property
    def name(self) -> str:
        """The sampled model, or all that are."""
        return " + ".join(teacher.path for teacher in self.teachers) or self.path


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

    corruption: Share = 0.2  # of its steps are wrong
    redundancy: Annotated[float, Field(ge=0, lt=1)] = 0.0  # chance that a step's terms are written once more, and again


class Lora(Section):
    """[training.lora]: train adapters of low rank beside the frozen weights, and merge them when done (by peft)."""

    rank: Count = 16
    alpha: Positive = 32.0  # an adapter's output is scaled by alpha / rank
    dropout: Share = 0.0
    targets: list[str] = []  # names of layers, such as ["q_proj", "v_proj"]; empty: all linear ones but the head


class Training(Fitting):
    """[training]: fit the next round's model to the accepted traces."""

    start: Literal["last", "base"] = "last"  # train the model of the round before further, or the first one anew
    command: str = ""  # instead of the built-in trainer; training.fit_by_command says what is filled in
    num_rows: Natural = 0  # most accepted traces to train on; 0: all
    lora: Lora | None = None


class Replay(Section):
    """[sampling.replay]: where the replay engine finds completions."""

    path: (
        str  # as every path of a recipe: relative to the recipe's file, or else to the folder that the command runs in
    )
    prompt: str = "prompt"  # column that holds the task's prompt; not needed where there is a column task_id
    completions: list[str] = ["completion"]  # columns that hold completions; a.b is b within a


class Sampling(Section):
    """[sampling]: the engine and how it samples. Where a server is and how it is asked may change when a run is resumed."""

    engine: Literal["transformers", "vllm", "openai", "replay"] = "transformers"
    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Natural = (
        0  # 0: all tokens; openai: a server that has another default of its own (vllm serve: its checkpoint's) keeps it
    )
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


class Verification(Section):
    """[verification]: the checkers."""

    threads: Count = 4  # of one verifier
    unsafe: bool = False  # run programs even where no sandbox can be had


Filter = Literal["unfinished", "language", "text_after_answer", "answer_from_nowhere", "repetition", "wrong_step"]


class Mix(Section):
    """[selection.mix]: rows that are trained on beside the round's accepted traces, against collapse.

    Shares of all rows trained on, drawn by the seed; the round's own traces are the rest.
    """

    earlier_rounds: Annotated[float, Field(ge=0, lt=1)] = 0.0  # accepted traces of the rounds before; none in the first
    corpus: Annotated[float, Field(ge=0, lt=1)] = 0.0  # rows of the corpus that the first model was made of
    path: str = ""  # of the corpus: JSONL, Parquet or a hub dataset; empty: the one of [pretraining]
    prompt: str = "prompt"  # its columns: text or a list of chat messages,
    completion: str = "completion"  # and text


class Selection(Section):
    """[selection]: which traces become training data."""

    verified: bool = True  # false: verdicts are recorded and not heeded, and every trace is kept, as a control
    max_traces_per_task: Natural = 4  # 0: all
    drop_duplicates: bool = True  # of the same task and text
    near_duplicates: Share = 0.8  # similarity from which on texts of one task are the same; 0: only equal ones
    across_tasks: bool = (
        False  # also drop what nearly repeats a kept trace of a task that asks nearly the same; 0.6 kB a kept trace
    )
    reject: list[Filter] = list(get_args(Filter))  # filters of selection/filters.py, by name
    decontaminate: bool = True  # leave out tasks that copy one of [evaluation] or of [selection.against.NAME]
    against: dict[str, Tasks] = {}  # more evaluation sets, each with a source and its options
    choose: Literal["first", "random", "shortest", "diverse"] = (
        "first"  # which traces of a task, where not all are kept
    )
    max_traces: Natural = 0  # of the round; 0: all
    max_tokens: Natural = 0  # completion tokens of the round's traces, of a control's too; 0: any
    prefer: Literal["random", "hard", "easy", "difficulty", "information", "short"] = "random"  # where these bound it
    mix: Mix | None = None


class Evaluation(Section):
    """[evaluation]: held-out tasks, sampled after each round and once before the first."""

    tasks: Tasks
    samples_per_task: Count = 16
    k: list[Count] = [1, 4, 16]


class Stop(Section):
    """[stop]: end a run before its last round, once rounds no longer pay. It may change when a run is resumed.

    That is, once the last `patience` rounds together brought no gain of held-out pass@1 beyond its paired 95% interval,
    and none of them as many new bits a FLOP as `least_bits` asks for. A control stops with its run.
    """

    patience: Count = 2
    least_bits: Annotated[float, Field(ge=0)] = 0.0  # as a share of the first round's; 0: by pass@1 alone


class Ray(Section):
    """[ray]: where the engines and checkers run. It may change when a run is resumed."""

    address: str = "local"  # "local": Ray on this machine; "none": in this process; else a cluster's address
    num_samplers: Count = 1
    samplers_of_teachers: list[Count] = []  # engines of each teacher, num_samplers in all; empty: shared out by weight
    sampler_cpus: Positive = 1.0
    sampler_gpus: Annotated[float, Field(ge=0)] = (
        0.0  # of one engine; how many a tensor-parallel one has follows from its engine_options
    )
    num_verifiers: Count = 1
    verifier_cpus: Positive = 1.0


class Recipe(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    output: str = ""  # folder of the run; empty: a folder of the run's name beside the recipe
    copy_to: str = (
        ""  # a folder or an fsspec URL (s3://bucket/run) that each finished round is copied to; empty: nowhere
    )
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
    stop: Stop | None = None
    ray: Ray = Ray()

    @property
    def digest(self) -> str:
        """Of all that decides the rows: everything but where the run works and how many rounds it goes on."""
        content = self.model_dump(exclude=FREE)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
