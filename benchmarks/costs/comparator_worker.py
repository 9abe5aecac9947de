"""The worker process of the comparators, in its own environment: reads commands from stdin.

Each command and each response is a line of JSON. `{"pack": "retired" | "agentmail", "url": …}`
creates the tools; `{"tool": …, "arguments": …}` calls one as LangChain's agents do and returns the
text that a model reads, and the seconds that the call took; `{"schemas": true}` returns the tools'
schemas. Nothing of this project is imported.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from typing import Any


def _build_retired(url: str, key: str) -> list[Any]:
    toolkit = importlib.import_module("langchain_multimail").MultiMailToolkit
    return list(toolkit(key, base_url=url).get_tools())


def _build_agentmail(url: str, key: str) -> list[Any]:
    client = importlib.import_module("agentmail").AgentMail
    environment = importlib.import_module("agentmail.environment").AgentMailEnvironment
    toolkit = importlib.import_module("agentmail_toolkit.langchain").AgentMailToolkit
    urls = environment(http=url, websockets=url)
    return list(toolkit(client(api_key=key, environment=urls)).get_tools())


PACKAGES = {"retired": _build_retired, "agentmail": _build_agentmail}


def _get_schemas(tools: list[Any]) -> list[Any]:
    convert = importlib.import_module(
        "langchain_core.utils.function_calling"
    ).convert_to_openai_function
    return [convert(tool) for tool in tools]


def _call(tool: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    tool_call = {"type": "tool_call", "id": "1", "name": tool.name, "args": arguments}
    before = time.perf_counter()
    message = tool.invoke(tool_call)
    return {"seconds": time.perf_counter() - before, "text": str(message.content)}


def main() -> None:
    """Run commands until stdin ends."""
    warnings.simplefilter("ignore")
    tools: dict[str, Any] = {}
    for line in sys.stdin:
        command = json.loads(line)
        response: Any
        if "pack" in command:
            tools = {
                tool.name: tool
                for tool in PACKAGES[command["pack"]](command["url"], command["key"])
            }
            response = sorted(tools)
        elif "schemas" in command:
            response = _get_schemas(list(tools.values()))
        else:
            response = _call(tools[command["tool"]], command["arguments"])
        print(json.dumps(response), flush=True)


if __name__ == "__main__":
    main()
