"""A CodeAgent whose code combines the mailbox with your own functions.

pip install ".[smolagents]" openai
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # and OPENAI_BASE_URL for your own model
python examples/smolagents_own_tools.py
"""

import os

from smolagents import CodeAgent, OpenAIServerModel, tool

from multimail.tools import AGENT_INSTRUCTIONS
from smolagents_multimail import MultiMailToolkit

ORDERS = {"7": "shipped on Monday", "8": "waits for the printer"}


@tool
def order_status(number: str) -> str:
    """Say where an order is.

    Args:
        number: The order's number, digits only.
    """
    return ORDERS.get(number, "unknown")


def main() -> None:
    model = OpenAIServerModel(os.environ.get("MODEL", "gpt-5-mini"))
    # Only the tools that the task needs: an agent's code can call a tool in a loop.
    mail = MultiMailToolkit(include=["check_inbox", "read_email", "reply_email"])
    agent = CodeAgent(
        tools=[*mail.get_tools(), order_status],
        model=model,
        instructions=AGENT_INSTRUCTIONS,
        max_steps=8,
    )
    print(agent.run("Answer each unread email that asks for an order with the order's status."))


if __name__ == "__main__":
    main()
