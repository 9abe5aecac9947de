"""The whole first request of each framework's agent: what a model reads before it acts."""

from __future__ import annotations

import importlib
import json
import subprocess
from typing import Any

from multimail.tools import DEFAULT_TOOLS

from .comparator import PYTHON
from .framework_calls import FRAMEWORKS
from .metrics import Figure, Part, Sizes

_NOWHERE = {"api_key": "mm_test_prompts", "base_url": "http://127.0.0.1:9"}
_CODE_AGENT = "smolagents' CodeAgent"
_TARGET = 8_000
_COUNT = (
    "import json, sys; from bpe_openai import get_encoding; bpe = get_encoding('o200k_base');"
    "print(json.dumps([len(bpe.encode(text)) for text in json.load(sys.stdin)]))"
)
_NOTE = (
    f"The messages, and the tools as compact JSON, of an agent with the default pack of"
    f" {len(DEFAULT_TOOLS)} tools and a task of four words; most of smolagents' is its own prompt."
    " Tokens are those of o200k_base, whose vocabulary the package bpe-openai ships."
)


def measure_prompts(_sizes: Sizes) -> Part:
    """Measure the prompts in characters and in tokens, and what the tools add to a CodeAgent's."""
    prompts = {framework: get_prompt(framework) for framework in FRAMEWORKS}
    prompts[_CODE_AGENT] = get_code_prompt()
    counts = _count_tokens(list(prompts.values()))
    added = len(prompts[_CODE_AGENT]) - len(get_code_prompt(with_tools=False))
    figures = [Figure(f"added to the prompt of {_CODE_AGENT}", added, "characters", target=_TARGET)]
    for (name, prompt), tokens in zip(prompts.items(), counts, strict=True):
        figures.append(Figure(f"first request of {name}", len(prompt), "characters"))
        figures.append(Figure(f"first request of {name}", tokens, "tokens"))
    return Part("prompts", "Prompts", figures, note=_NOTE)


def get_prompt(framework: str) -> str:
    """Run the framework's agent for one turn; return the messages and tools of its request."""
    # Imported by name: it also uses two frameworks whose types are in separate environments.
    agents = importlib.import_module("tests.frameworks.agents")
    with agents.model(last=agents.last_turn(framework)) as model:
        agents.RUNS[framework](model, dict(_NOWHERE))
    return _join(model.requests[0])


def get_code_prompt(*, with_tools: bool = True) -> str:
    """Run a CodeAgent for one turn; return the messages of its request."""
    from smolagents import CodeAgent

    from smolagents_multimail import MultiMailToolkit

    agents = importlib.import_module("tests.frameworks.agents")
    script = importlib.import_module("multimail_cli.demo.scripted_model")
    tools = MultiMailToolkit(**_NOWHERE).get_tools() if with_tools else []  # type: ignore[arg-type]
    with agents.model(last=script.say("<code>\nfinal_answer(1)\n</code>")) as model:
        CodeAgent(tools=tools, model=agents.smol_model(model), verbosity_level=0).run(agents.TASK)
    return _join(model.requests[0])


def _join(request: dict[str, Any]) -> str:
    get_text = importlib.import_module("multimail_cli.demo.scripted_model").get_text
    texts = [get_text(message.get("content")) for message in request["messages"]]
    tools = request.get("tools")
    if tools:
        texts.append(json.dumps(tools, separators=(",", ":"), ensure_ascii=False))
    return "\n".join(texts)


def _count_tokens(texts: list[str]) -> list[int]:
    command = [str(PYTHON), "-c", _COUNT]
    done = subprocess.run(  # noqa: S603
        command, input=json.dumps(texts), text=True, capture_output=True, check=True
    )
    counts: list[int] = json.loads(done.stdout)
    return counts
