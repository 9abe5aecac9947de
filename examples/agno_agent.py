"""An agent that answers mail. Its replies wait for approval: see `multimail pending`.

pip install ".[agno]" openai
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export OPENAI_API_KEY=…                 # and OPENAI_BASE_URL for your own model
"""

import os

from agno.agent import Agent
from agno.models.openai import OpenAIChat

from agno_multimail import MultiMailToolkit

model = OpenAIChat(id=os.environ.get("MODEL", "gpt-5-mini"))
toolkit = MultiMailToolkit()  # the key, the URL and the mailbox come from the environment
agent = Agent(model=model, tools=[toolkit], description="You answer support mail.")
agent.print_response("Answer the newest unread email, once; read its thread first.", stream=True)
