"""The packages that programs may import here: resolved from this machine's own installation, with all that they need.

A program sees the standard library, and of the installed packages those alone that its reference grants, and the few that
programs of every kind expect, where they are installed. They are imported in the fork-server, once, and only for programs
that speak of them.
"""

import importlib.metadata
import importlib.util
import os
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

ALWAYS = ("networkx", "numpy", "pandas", "scipy", "sortedcontainers", "sympy")  # granted where they are installed


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages as a fork-server is given them."""

    names: tuple[str, ...]  # as programs import them
    folders: tuple[str, ...]  # that they are imported from
    readable: tuple[str, ...]  # files and folders of the packages and of what they need
    versions: tuple[str, ...]  # name=version of each


NO_PACKAGES = Packages((), (), (), ())


class MissingPackage(Exception):
    """A package that is granted and not installed here."""


@lru_cache(maxsize=64)
def resolve(names: tuple[str, ...]) -> Packages:
    """Where packages lie and what they need; MissingPackage for one that is not installed."""
    folders: dict[str, None] = {}
    readable: dict[str, None] = {}
    versions, seen = [], set()
    for name in names:
        spec = importlib.util.find_spec(name) if re.fullmatch(r"\w+", name) else None
        if spec is None or not spec.origin:
            raise MissingPackage(name)
        place = Path(spec.origin)
        top = place.parent if spec.submodule_search_locations else place
        folders[str(top.parent)] = None
        readable[str(top)] = None
        distribution = _distribution_of(name)
        if distribution is not None:
            versions.append(f"{name}={distribution.version}")
            _add(distribution, seen, folders, readable)
    return Packages(tuple(names), tuple(folders), tuple(readable), tuple(versions))


@cache
def _owners() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _distribution_of(name: str) -> importlib.metadata.Distribution | None:
    if name == "numpy":  # without reading what all installed packages hold
        return importlib.metadata.distribution(name)
    owners = _owners().get(name)
    return importlib.metadata.distribution(owners[0]) if owners else None


def _add(distribution: importlib.metadata.Distribution, seen: set[str], folders: dict, readable: dict) -> None:
    """Add the top folders and files of a distribution and of what it requires."""
    name = distribution.metadata["Name"].lower()
    if name in seen:
        return
    seen.add(name)
    tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
    for top in sorted(tops):
        place = str(distribution.locate_file(top))
        if os.path.exists(place):
            folders[os.path.dirname(place)] = None
            readable[place] = None
    for requirement in distribution.requires or ():
        if "extra" in requirement.partition(";")[2]:
            continue
        found = re.match(r"[\w.-]+", requirement)
        try:
            _add(importlib.metadata.distribution(found[0]), seen, folders, readable)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system, or not needed


def granted(names: tuple[str, ...], *texts: str) -> tuple[str, ...]:
    """Those of the packages that may be used which some text speaks of: the others need not be there."""
    allowed = dict.fromkeys((*names, *ALWAYS))
    spoken_of = [name for name in allowed if any(name in text for text in texts)]
    return tuple(sorted(name for name in spoken_of if name in names or _is_installed(name)))


@cache
def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
