"""What `import selfplay` offers, and what it costs."""

import subprocess
import sys

import pytest

import selfplay


def test_every_public_name_is_there():
    from selfplay.recipe import Recipe
    from selfplay.shards.files import read_shards
    from verifiers import verify

    assert (selfplay.Recipe, selfplay.read_shards, selfplay.verify) == (Recipe, read_shards, verify)
    assert all(getattr(selfplay, name) for name in selfplay.__all__)
    with pytest.raises(AttributeError, match="it offers Recipe, read_recipe, read_shards, run, verify"):
        selfplay.generate  # noqa: B018


def test_the_module_is_the_command_and_shows_its_help_without_heavy_packages():
    code = "import runpy, sys; sys.argv = ['selfplay', '--help']; runpy.run_module('selfplay', run_name='__main__')"
    watched = f"import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True)
    assert done.returncode == 0 and "Usage" in done.stdout
    for package in ("torch", "ray", "pyarrow", "numpy", "pydantic", "sympy", "datasets", "transformers"):
        assert f"'{package}'" not in done.stderr, package
