"""The installation: versions of what matters, and leftovers of the retired packages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

OURS = "multimail"
RETIRED = ("multimail", "langchain-multimail", "crewai-multimail")
LAST_RETIRED = (0, 1, 1)
FRAMEWORKS = (
    *("langchain", "langchain-core", "langchain-openai", "langgraph"),
    *("crewai", "smolagents", "agno"),
    *("autogen-core", "autogen-agentchat", "semantic-kernel"),
)
CURE = (
    "Uninstall them all, then install again: "
    f"pip uninstall -y {' '.join(RETIRED)} && pip install multimail"
)


@dataclass(frozen=True, slots=True)
class Part:
    """One installed thing, and what is wrong with it.

    Attributes:
        name: The distribution.
        detail: Its version, or what is wrong.
        remedy: What to do; empty where nothing is wrong.
    """

    name: str
    detail: str
    remedy: str = ""


def check_installation(found: Iterable[Distribution] | None = None) -> list[Part]:
    """Look at what is installed.

    Args:
        found: The distributions; default those of this environment.
    """
    from importlib.metadata import distributions

    installed = _once(distributions() if found is None else found)
    return [*_versions(installed), *_retired(installed), *_shared_files(installed)]


def _once(found: Iterable[Distribution]) -> list[tuple[str, Distribution]]:
    seen: dict[tuple[str, str], Distribution] = {}
    for one in found:
        name = _canonical(one.name or "")
        seen.setdefault((name, str(one.locate_file(f"{name}-{one.version}"))), one)
    return [(name, one) for (name, _), one in seen.items()]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _versions(installed: list[tuple[str, Distribution]]) -> Iterator[Part]:
    for wanted in (OURS, *FRAMEWORKS):
        for name, one in installed:
            if name == wanted:
                yield Part(name, one.version)
                break


def _retired(installed: list[tuple[str, Distribution]]) -> Iterator[Part]:
    for name, one in installed:
        if name in RETIRED and _release(one.version) <= LAST_RETIRED:
            yield Part(name, f"the retired version {one.version} is installed", CURE)


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, numbers[1].split("."))) if numbers else (0,)


def _shared_files(installed: list[tuple[str, Distribution]]) -> Iterator[Part]:
    """Find files that two distributions own: uninstalling one takes them from the other."""
    owners: dict[str, set[str]] = defaultdict(set)
    for name, one in installed:
        if OURS in name:
            for file in one.files or ():
                if ".dist-info" not in str(file):
                    owners[str(one.locate_file(file))].add(f"{name} {one.version}")
    pairs = {tuple(sorted(names)) for names in owners.values() if len(names) > 1}
    for names in sorted(pairs):
        yield Part(OURS, f"{' and '.join(names)} own the same files", CURE)
