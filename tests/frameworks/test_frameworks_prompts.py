"""What a model reads before it acts: the first request of each framework's own loop, in characters.

`scripts/bench --only prompts` counts the same in tokens.
"""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.costs.prompts import get_code_prompt, get_prompt
from tests.frameworks.apart import marks

LIMITS = {"langchain": 8_500, "crewai": 9_500, "agno": 9_000, "smolagents": 15_000}
"""Of messages and tools. smolagents' own prompt has 4,000, and it lists the tools a second time."""


@pytest.mark.parametrize("framework", [pytest.param(name, marks=marks(name)) for name in LIMITS])
def test_the_first_request_is_small(framework: str, record_property: Any) -> None:
    length = len(get_prompt(framework))
    record_property(f"characters of {framework}'s first request", length)
    assert length <= LIMITS[framework]


@pytest.mark.parametrize("framework", [pytest.param("smolagents", marks=marks("smolagents"))])
def test_the_tools_add_little_to_a_code_agents_prompt(framework: str) -> None:
    assert len(get_code_prompt()) - len(get_code_prompt(with_tools=False)) <= 8_000
