"""The registry of engines: every name that a recipe may give has a sampler with the facts that others ask for."""

import subprocess
import sys

import pytest

from selfplay.recipe.sections import Sampling
from selfplay.samplers import SAMPLERS, sampler_class


@pytest.mark.parametrize("engine", SAMPLERS)
def test_an_engine_says_what_others_must_know_before_it_is_made(engine):
    sampler, settings = sampler_class(engine), Sampling(engine=engine)
    assert all(isinstance(name, str) for name in sampler.distributions) and sampler.distributions
    assert isinstance(sampler.is_local, bool)
    assert sampler.in_flight(settings) > 1 and sampler.in_flight(Sampling(engine=engine, max_in_flight=7)) == 7
    assert sampler.num_gpus(settings) == 1
    assert callable(sampler.preflight)


def test_the_module_of_an_engine_is_cheap_to_import():
    code = "import sys; import selfplay.samplers.vllm, selfplay.samplers.transformers; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'torch'" not in loaded and "'vllm'" not in loaded and "'transformers'" not in loaded
