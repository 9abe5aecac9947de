"""An Agno team: a researcher who can only read, and a clerk who drafts; a leader hands on.

All members of a team share its run's session, so what one is shown taints what the other sends.

pip install "multimail[agno]" openai
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints the two lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # OPENAI_BASE_URL too, for a model of your own
python agno_team.py
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
        role="Reads mail and says what it asks, with the email's id.",
        model=model(),
        tools=[MultiMailToolkit(include=READING)],
    )
    clerk = Agent(
        name="Clerk",
        role="Replies to an email, once; then checks with list_pending that it awaits a human.",
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
