"""An Agno team: a researcher that can only read, a clerk that replies, and a leader.

All members share the session of the team's run, so mail that one reads taints what another sends.

pip install ".[agno]" openai
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # and OPENAI_BASE_URL for your own model
python examples/agno_team.py
"""

import os

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.team import Team

from agno_multimail import MultiMailToolkit

READING = ["check_inbox", "read_email", "get_thread", "search_contacts"]
WRITING = ["get_thread", "reply_email", "list_pending"]


def model() -> OpenAIChat:
    return OpenAIChat(id=os.environ.get("MODEL", "gpt-5-mini"))


def main() -> None:
    researcher = Agent(
        name="Researcher",
        role="Reads mail and reports what it asks, with the email's id.",
        model=model(),
        tools=[MultiMailToolkit(include=READING)],
    )
    clerk = Agent(
        name="Clerk",
        role="Replies to an email, once; then checks with list_pending that it waits for approval.",
        model=model(),
        tools=[MultiMailToolkit(include=WRITING)],
    )
    team = Team(name="Support", members=[researcher, clerk], model=model())
    team.print_response(
        "Answer the newest unread email: let the researcher read it, then the clerk reply.",
        session_id="support-1",
    )


if __name__ == "__main__":
    main()
