"""An inbox graph that interrupts for approval, and survives restarts while it waits.

The agent replies, the server holds the reply, the graph interrupts. A person reads the held reply
and resumes the graph from another process, with a key that the agent's process never has.

pip install ".[langchain]" langchain-openai langgraph-checkpoint-sqlite
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints the lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # and OPENAI_BASE_URL for your own model
python examples/langgraph_inbox.py start ticket-1      # after a crash, it continues
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
SHOWN_FIELDS = {"id", "to", "subject", "markdown", "content_hash"}


class Inbox(MessagesState):
    drafts: list[dict[str, Any]]


def answer(state: Inbox) -> dict[str, Any]:
    # The guard's memory has to survive a restart, like the graph's state.
    toolkit = MultiMailToolkit(store=SqliteSessionStore("guard.sqlite3"))
    model = ChatOpenAI(model=os.environ.get("MODEL", "gpt-5-mini"))
    agent = create_agent(model, toolkit.get_tools(), system_prompt=AGENT_INSTRUCTIONS)
    request: Any = {"messages": state["messages"]}
    return {"messages": agent.invoke(request)["messages"]}


def collect(state: Inbox) -> dict[str, Any]:
    results = [m.artifact or {} for m in state["messages"] if isinstance(m, ToolMessage)]
    held = {result["id"] for result in results if result.get("held")}
    with MultiMail() as mail:
        drafts = [mail.read_email(email_id) for email_id in held]
    pending = [draft for draft in drafts if draft.status == "pending_send_approval"]
    return {"drafts": [item.model_dump(mode="json", include=SHOWN_FIELDS) for item in pending]}


def decide(state: Inbox) -> None:
    # A resumed node runs again from its start, so nothing may happen before the interrupt.
    action = interrupt(state["drafts"])
    with MultiMail(os.environ["MULTIMAIL_REVIEWER_KEY"]) as reviewer:
        for draft in state["drafts"]:  # the hash: only the shown content can be sent
            decision = reviewer.decide_email(
                draft["id"], action, content_hash=draft["content_hash"]
            )
            print(f"{draft['id']}: {decision.status}")


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
        elif not before.interrupts:  # None: continue
            graph.invoke(None if before.next else TASK, config, durability="sync")
        for pending in graph.get_state(config).interrupts:
            print(f"{thread} waits for a decision on: {pending.value}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "approve", "reject"):
        sys.exit("Usage: python langgraph_inbox.py start|approve|reject THREAD")
    main(*sys.argv[1:])
