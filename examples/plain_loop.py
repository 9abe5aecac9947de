"""An agent without a framework: the toolkit, the openai client, and a short loop.

pip install "." openai
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # and OPENAI_BASE_URL for your own model
python examples/plain_loop.py
"""

import os
from typing import Any

from openai import OpenAI

from multimail.tools import AGENT_INSTRUCTIONS, Toolkit

MODEL = os.environ.get("MODEL", "gpt-5-mini")
MAX_TURNS = 12


def build_tools(toolkit: Toolkit) -> list[Any]:
    return [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.description,
                "parameters": spec.schema(),
            },
        }
        for spec in toolkit.specs
    ]


def run(task: str, toolkit: Toolkit, client: OpenAI) -> str:
    messages: list[Any] = [
        {"role": "system", "content": AGENT_INSTRUCTIONS},
        {"role": "user", "content": task},
    ]
    for _ in range(MAX_TURNS):
        completion = client.chat.completions.create(
            model=MODEL, messages=messages, tools=build_tools(toolkit)
        )
        message = completion.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return message.content or ""
        for call in message.tool_calls:
            if call.type == "function":
                # A wrong name, invalid JSON or a refusal is also a result that the model can read.
                result = toolkit.call(call.function.name, call.function.arguments)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result.text})
    return f"Stopped after {MAX_TURNS} turns."


if __name__ == "__main__":
    print(run("Answer the newest unread email, once; read it first.", Toolkit(), OpenAI()))
