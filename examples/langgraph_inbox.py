"""An inbox graph whose interrupt is the approval; it survives restarts while it waits.

The agent answers, the server holds the reply, the graph interrupts. A human looks at what is frozen
there and resumes the graph from another process, with a key that the agent's process never has.

pip install "multimail[langchain]" langchain-openai langgraph-checkpoint-sqlite
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints the lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # OPENAI_BASE_URL too, for a model of your own
python langgraph_inbox.py start ticket-1      # again after a crash: it goes on where it was
MULTIMAIL_REVIEWER_KEY=mm_test_… python langgraph_inbox.py approve ticket-1      # or reject
"""

import os
import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langchain_multimail import MultiMailToolkit
from multimail import MultiMail
from multimail.sessions import SqliteSessionStore
from multimail.tools import AGENT_INSTRUCTIONS

TASK: Any = {"messages": [("user", "Answer the newest unread email, once; read it first.")]}
SHOWN = {"id", "to", "subject", "markdown", "content_hash"}


class Inbox(MessagesState):
    drafts: list[dict[str, Any]]


def answer(state: Inbox) -> dict[str, Any]:
    # What the guard remembers has to survive a restart, as the graph's state does.
    toolkit = MultiMailToolkit(store=SqliteSessionStore("guard.sqlite3"))
    model = ChatOpenAI(model=os.environ.get("MODEL", "gpt-5-mini"))
    agent = create_agent(model, toolkit.get_tools(), system_prompt=AGENT_INSTRUCTIONS)
    asked: Any = {"messages": state["messages"]}
    return {"messages": agent.invoke(asked)["messages"]}


def collect(state: Inbox) -> dict[str, Any]:
    facts = [m.artifact or {} for m in state["messages"] if isinstance(m, ToolMessage)]
    held = {one["id"] for one in facts if one.get("held")}
    with MultiMail() as mail:
        drafts = [mail.read_email(one) for one in held]
    waiting = [one for one in drafts if one.status == "pending_send_approval"]
    return {"drafts": [one.model_dump(mode="json", include=SHOWN) for one in waiting]}


def decide(state: Inbox) -> None:
    # A node runs from its start again when it is resumed: nothing may happen before the interrupt.
    action = interrupt(state["drafts"])
    with MultiMail(os.environ["MULTIMAIL_REVIEWER_KEY"]) as reviewer:
        for draft in state["drafts"]:  # the hash: what was shown is what leaves
            made = reviewer.decide_email(draft["id"], action, content_hash=draft["content_hash"])
            print(f"{draft['id']}: {made.status}")


INBOX = StateGraph(Inbox).add_sequence([answer, collect]).add_node(decide)
INBOX.add_edge(START, "answer")
INBOX.add_conditional_edges("collect", lambda state: "decide" if state["drafts"] else END)


def main(verb: str, thread: str) -> None:
    config: Any = {"configurable": {"thread_id": thread}}
    with SqliteSaver.from_conn_string("inbox.sqlite3") as saver:
        graph = INBOX.compile(checkpointer=saver)
        before = graph.get_state(config)
        if verb != "start" and not before.interrupts:
            sys.exit(f"{thread} does not wait for a decision.")
        if verb != "start":
            graph.invoke(Command(resume=verb), config, durability="sync")
        elif not before.interrupts:  # None: go on where it was
            graph.invoke(None if before.next else TASK, config, durability="sync")
        for waiting in graph.get_state(config).interrupts:
            print(f"{thread} waits for a decision on: {waiting.value}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "approve", "reject"):
        sys.exit("Usage: python langgraph_inbox.py start|approve|reject THREAD")
    main(*sys.argv[1:])
