"""Several agents, one mailbox each: every agent has a key that opens its own mailbox alone.

pip install "multimail[langchain]" langchain-openai
The admin's key makes each agent's mailbox, and a key that is bound to it:
    box = MultiMail(admin_key).create_mailbox("sales")
    key = MultiMail(admin_key).create_api_key("sales", ["read", "send"], mailbox=box.address)
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export SALES_KEY=mm_test_… SUPPORT_KEY=mm_test_…
export OPENAI_API_KEY=…                   # OPENAI_BASE_URL too, for a model of your own
python many_mailboxes.py sales@example.com=SALES_KEY support@example.com=SUPPORT_KEY
"""

import asyncio
import os
import sys

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from langchain_multimail import MultiMailToolkit
from multimail.tools import AGENT_INSTRUCTIONS


async def work(mailbox: str, key: str) -> str:
    # The key is the wall: this agent could not read another mailbox if it tried.
    toolkit = MultiMailToolkit(key, mailbox=mailbox)
    agent = create_agent(
        ChatOpenAI(model=os.environ.get("MODEL", "gpt-5-mini")),
        toolkit.get_tools(),
        system_prompt=f"You answer the mail of {mailbox}. {AGENT_INSTRUCTIONS}",
    )
    task = {"role": "user", "content": "Answer the newest unread email, once; read it first."}
    state = await agent.ainvoke(
        {"messages": [task]},
        {"configurable": {"thread_id": f"inbox of {mailbox}"}},  # a conversation of its own
    )
    await toolkit.aclose()
    return f"{mailbox}: {state['messages'][-1].text}"


async def main(mailboxes: dict[str, str]) -> None:
    for done in asyncio.as_completed([work(*one) for one in mailboxes.items()]):
        print(await done)


if __name__ == "__main__":
    named = [one.partition("=") for one in sys.argv[1:]]
    if not named or not all(name for _, _, name in named):
        sys.exit("Usage: python many_mailboxes.py ADDRESS=NAME_OF_THE_VARIABLE_WITH_ITS_KEY …")
    asyncio.run(main({mailbox: os.environ[name] for mailbox, _, name in named}))
