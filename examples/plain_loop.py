"""An agent without a framework: the toolkit, the openai client, and a loop of a few lines.

pip install "multimail" openai
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints the two lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # OPENAI_BASE_URL too, for a model of your own
python plain_loop.py
"""

import os
from typing import Any

from openai import OpenAI

from multimail.tools import AGENT_INSTRUCTIONS, Toolkit

MODEL = os.environ.get("MODEL", "gpt-5-mini")
MOST_TURNS = 12


def offered(toolkit: Toolkit) -> list[Any]:
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
    for _ in range(MOST_TURNS):
        answer = client.chat.completions.create(
            model=MODEL, messages=messages, tools=offered(toolkit)
        )
        said = answer.choices[0].message
        messages.append(said.model_dump(exclude_none=True))
        if not said.tool_calls:
            return said.content or ""
        for call in said.tool_calls:
            if call.type == "function":
                # A wrong name, broken JSON, a refusal: all are results that the model can read.
                result = toolkit.call(call.function.name, call.function.arguments)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result.text})
    return f"Stopped after {MOST_TURNS} turns."


if __name__ == "__main__":
    print(run("Answer the newest unread email, once; read it first.", Toolkit(), OpenAI()))
