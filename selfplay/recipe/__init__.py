"""A recipe holds everything that a run needs to know, in the sections of a TOML file."""

from selfplay.recipe.sections import Recipe
from selfplay.recipe.toml import read_recipe, to_toml

__all__ = ["Recipe", "read_recipe", "to_toml"]
