"""Several agents, one mailbox each: every agent has a key for its own mailbox only.

pip install ".[langchain]" langchain-openai
The admin's key creates each agent's mailbox, and a key that is bound to it:
    box = MultiMail(admin_key).create_mailbox("sales")
    key = MultiMail(admin_key).create_api_key("sales", ["read", "send"], mailbox=box.address)
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export SALES_KEY=mm_test_… SUPPORT_KEY=mm_test_…
export OPENAI_API_KEY=…                   # and OPENAI_BASE_URL for your own model
python examples/many_mailboxes.py sales@example.com=SALES_KEY support@example.com=SUPPORT_KEY
"""

import asyncio
import os
import sys

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from langchain_multimail import MultiMailToolkit
from multimail.tools import AGENT_INSTRUCTIONS


async def work(mailbox: str, key: str) -> str:
    # The key is the boundary: this agent cannot read another mailbox.
    toolkit = MultiMailToolkit(key, mailbox=mailbox)
    agent = create_agent(
        ChatOpenAI(model=os.environ.get("MODEL", "gpt-5-mini")),
        toolkit.get_tools(),
        system_prompt=f"You answer the mail of {mailbox}. {AGENT_INSTRUCTIONS}",
    )
    task = {"role": "user", "content": "Answer the newest unread email, once; read it first."}
    state = await agent.ainvoke(
        {"messages": [task]},
        {"configurable": {"thread_id": f"inbox of {mailbox}"}},  # its own conversation
    )
    await toolkit.aclose()
    return f"{mailbox}: {state['messages'][-1].text}"


async def main(mailboxes: dict[str, str]) -> None:
    for result in asyncio.as_completed([work(*item) for item in mailboxes.items()]):
        print(await result)


if __name__ == "__main__":
    arguments = [argument.partition("=") for argument in sys.argv[1:]]
    if not arguments or not all(name for _, _, name in arguments):
        sys.exit("Usage: python many_mailboxes.py ADDRESS=KEY_VARIABLE …")
    asyncio.run(main({mailbox: os.environ[name] for mailbox, _, name in arguments}))
