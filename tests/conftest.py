"""What tests of several files share: small real models, and a loop to run coroutines in."""

import ast
import asyncio
import gc
import os
from pathlib import Path

import pytest

# before anything imports transformers or vllm
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # on a CPU: the worker inside the engine's process
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # vllm would compile a helper of its log-probabilities: 15 s

_parse = ast.parse


def _parse_undisturbed(*args, **options):
    """ast.parse without a garbage collection in it. What a collection calls (hypothesis has such a callback) may let another
    thread parse meanwhile, which CPython 3.11 takes for a fault: SystemError, AST constructor recursion depth mismatch
    (cpython#106905). pytest parses each test file, and one such error ends the whole session."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return _parse(*args, **options)
    finally:
        if collects:
            gc.enable()


ast.parse = _parse_undisturbed

# vllm's CPU backend takes heads of 32 or wider
MODEL_SHAPE = {"num_heads": 2, "max_length": 256}
VLLM_OPTIONS = {"dtype": "float32", "enforce_eager": True, "kv_cache_memory_bytes": 2**27, "max_model_len": 256}


@pytest.fixture(scope="session")
def small_models(tmp_path_factory):
    """Two Llamas of one shape and different random weights, with the character tokenizer, as paths."""
    from selfplay.models.tiny_llama import create_model

    folder = tmp_path_factory.mktemp("models")
    return tuple(str(create_model(folder / str(seed), seed=seed, **MODEL_SHAPE)) for seed in (0, 1))


@pytest.fixture(scope="module")
def run():
    """Run a coroutine to its end, in the same event loop all through a module: an engine is bound to its loop."""
    with asyncio.Runner() as runner:
        yield runner.run


ENGINES = {
    "test_cluster",
    "test_ray_job",
    "test_ray_workers",
    "test_room",
    "test_placement",
    "test_vllm",
    "test_vllm_run",
    "test_openai",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n`, one process plays all tests of a file, whose fixtures are then made once. Files that start Ray or vLLM go
    to the same process, one after the other, as soon as the first of them is reached."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return "engines" if Path(file).stem in ENGINES else file

    config.option.loadscopereorder = False  # the order of the folders, in which the engines come early
    return ByFile(config, log)
