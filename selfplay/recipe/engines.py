"""The engines that a recipe may name, with the facts that decide which recipes are possible.

`samplers/` holds the engines themselves, under the same names.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """What a recipe can ask of an engine."""

    samples_models: bool = True  # False: its completions come from a file, for one round
    loads_weights: bool = True  # False: a model that was trained cannot be put into it
    required: tuple[str, str] | None = None  # a key of [sampling] that it cannot do without, and words about its value


ENGINES = {
    "transformers": Engine(),
    "vllm": Engine(),
    "openai": Engine(loads_weights=False, required=("base_url", 'base_url, such as "http://localhost:8000/v1"')),
    "replay": Engine(
        samples_models=False,
        loads_weights=False,
        required=("replay", "[sampling.replay] with the path of the completions"),
    ),
}
