"""A chat with a person: a mailbox with one signed mail, and words that can name whom to write to.

Each case runs in the framework's own loop, with a model that reads the mail and then writes to EVE,
whom only the words under test can have named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.tools.support import Inbox

from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import call

EVE = "eve@example.net"
ASKED = f"Read the new mail, then send {EVE} a summary."
PLAIN = "Do what is needed."
SEND = {"to": [EVE], "subject": "Summary", "body": "It is done."}


@dataclass
class Chat:
    """A mailbox with one signed mail, and the decisions on what agents send from it."""

    box: Inbox
    decisions: list[GuardDecision] = field(default_factory=list)

    def options(self, **more: Any) -> dict[str, Any]:
        facts = {"base_url": self.box.server.url, "user_turns": True, **more}
        return {"on_decision": self.decisions.append, "session": f"chat-{self.box.id}", **facts}

    def steps(self, **send: Any) -> list[Any]:
        mail = self.box.receive_proven("Hello.")
        return [call("read_email", email_id=mail["id"]), call("send_email", **{**SEND, **send})]

    @property
    def actions(self) -> list[str]:
        return [decision.action.value for decision in self.decisions]
