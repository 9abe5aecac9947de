"""Which frameworks keep the user's own turns: the others refuse the option that relies on them."""

from __future__ import annotations

from importlib import import_module

import pytest
from tests.frameworks.apart import marks

from multimail import ConfigurationError

KEEPERS = ("langchain", "agno", "pydantic_ai")
OTHERS = ("crewai", "smolagents", "autogen", "semantic_kernel", "openai_agents",
          "agent_framework", "google_adk", "llama_index")  # fmt: skip


def marked(names: tuple[str, ...]) -> list[object]:
    return [pytest.param(name, marks=marks(name)) for name in names]


@pytest.mark.parametrize("framework", marked(KEEPERS))
def test_a_framework_that_keeps_turns_takes_the_option(framework: str) -> None:
    toolkit = import_module(f"{framework}_multimail").MultiMailToolkit
    assert toolkit("mm_test_turns", base_url="http://127.0.0.1:9", user_turns=True)


@pytest.mark.parametrize("framework", marked(OTHERS))
def test_a_framework_that_keeps_no_turns_refuses_the_option(framework: str) -> None:
    toolkit = import_module(f"{framework}_multimail").MultiMailToolkit
    with pytest.raises(ConfigurationError, match="declare_user_words"):
        toolkit("mm_test_turns", base_url="http://127.0.0.1:9", user_turns=True)
