"""The other packs, in an environment of their own: it takes orders as lines of JSON on stdin.

`{"pack": "retired" | "agentmail", "url": …}` makes the tools; `{"tool": …, "arguments": …}` runs
one as LangChain's agents do and answers with the text that a model reads and the seconds it took;
`{"schemas": true}` answers with what a model is told of them. Nothing of this project is imported.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from typing import Any


def _retired(url: str, key: str) -> list[Any]:
    toolkit = importlib.import_module("langchain_multimail").MultiMailToolkit
    return list(toolkit(key, base_url=url).get_tools())


def _agentmail(url: str, key: str) -> list[Any]:
    client = importlib.import_module("agentmail").AgentMail
    environment = importlib.import_module("agentmail.environment").AgentMailEnvironment
    toolkit = importlib.import_module("agentmail_toolkit.langchain").AgentMailToolkit
    where = environment(http=url, websockets=url)
    return list(toolkit(client(api_key=key, environment=where)).get_tools())


PACKS = {"retired": _retired, "agentmail": _agentmail}


def _schemas(tools: list[Any]) -> list[Any]:
    convert = importlib.import_module(
        "langchain_core.utils.function_calling"
    ).convert_to_openai_function
    return [convert(one) for one in tools]


def _call(tool: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    order = {"type": "tool_call", "id": "1", "name": tool.name, "args": arguments}
    before = time.perf_counter()
    answer = tool.invoke(order)
    return {"seconds": time.perf_counter() - before, "text": str(answer.content)}


def main() -> None:
    """Take orders until there are no more."""
    warnings.simplefilter("ignore")
    tools: dict[str, Any] = {}
    for line in sys.stdin:
        order = json.loads(line)
        answer: Any
        if "pack" in order:
            tools = {one.name: one for one in PACKS[order["pack"]](order["url"], order["key"])}
            answer = sorted(tools)
        elif "schemas" in order:
            answer = _schemas(list(tools.values()))
        else:
            answer = _call(tools[order["tool"]], order["arguments"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
