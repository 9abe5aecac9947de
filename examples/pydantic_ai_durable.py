"""A run that survives crashes and waits, for days if need be, until a person has decided.

Run it again with the same ticket after a crash: it goes on where it was, and answers once.

pip install ".[pydantic-ai]" "pydantic-ai-slim[openai]" dbos
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # and OPENAI_BASE_URL for your own model
python pydantic_ai_durable.py ticket-17
"""

import asyncio
import os
import sys

from dbos import DBOS, SetWorkflowID
from pydantic_ai import Agent
from pydantic_ai.durable_exec.dbos import DBOSDurability
from pydantic_ai.models.openai import OpenAIChatModel

from multimail import AsyncMultiMail
from multimail.sessions import SqliteSessionStore
from pydantic_ai_multimail import MultiMailToolset

SECONDS = float(os.environ.get("SECONDS_BETWEEN_LOOKS", "60"))
# The guard remembers in a file what the conversation was shown: a crash must not forget it.
mail = MultiMailToolset(store=SqliteSessionStore("guard.db"))
agent = Agent(
    OpenAIChatModel(os.environ.get("MODEL", "gpt-5-mini")),
    name="support",
    toolsets=[mail],
    capabilities=[DBOSDurability()],
)


@DBOS.step()
async def get_status(email_id: str) -> str:
    """Return the status of a message that the agent wrote."""
    async with AsyncMultiMail() as client:
        return str((await client.read_email(email_id)).status)


@DBOS.workflow()
async def answer_and_wait(task: str, ticket: str) -> dict[str, str]:
    """Let the agent work, then wait until every message that it wrote is decided on."""
    done = await agent.run(task, conversation_id=ticket)
    parts = [part for message in done.all_messages() for part in message.parts]
    facts = [part.metadata for part in parts if part.part_kind == "tool-return" and part.metadata]
    statuses = {fact["id"]: fact["status"] for fact in facts if "held" in fact}
    for email_id in statuses:
        while (status := await get_status(email_id)).startswith("pending"):
            await DBOS.sleep_async(SECONDS)
        statuses[email_id] = status
    return statuses


async def main(ticket: str) -> None:
    """Start the run of a ticket, or go on with it."""
    DBOS(config={"name": "support", "system_database_url": "sqlite:///runs.sqlite"})
    DBOS.launch()
    task = "Answer the newest unread email, once; read its thread first."
    with SetWorkflowID(ticket):
        run = await DBOS.start_workflow_async(answer_and_wait, task, ticket)
    print(await run.get_result())
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
