"""What tests of several files share: small real models, and a loop to run coroutines in."""

import ast
import asyncio
import gc
import os

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


ENGINES = {"test_cluster.py", "test_ray_workers.py", "test_placement.py", "test_vllm.py", "test_vllm_run.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With `-n 2 --dist loadgroup` each file is played by one process, and all that start Ray or vLLM by the same one."""
    for item in items:
        group = "engines" if item.path.name in ENGINES else str(item.path.relative_to(item.config.rootpath))
        item.add_marker(pytest.mark.xdist_group(group))
