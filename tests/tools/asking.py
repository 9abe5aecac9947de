"""What the tests of the guard ask of the tools, and of a network that reports less."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
from tests.tools.support import FaultyTransport, Inbox, Json, Tools, decided

from multimail.tools import ToolResult
from multimail.trust import GuardDecision

NUMBERS = itertools.count(1)


def received(box: Inbox, *, proven: bool = False, **facts: Any) -> Json:
    """Receive a mail after another one, which is proven."""
    before = box.receive_proven(subject="Before")
    mail = box.receive_proven(**facts) if proven else box.receive(**facts)
    return mail | {"before": before["id"]}


class WithoutEvidence(FaultyTransport):
    """The network of an API that reports nothing of how mail came."""

    def __init__(self) -> None:
        super().__init__()
        self.hides = {"authentication"}

    def _poorer(self, real: httpx.Response) -> httpx.Response:
        body = {name: value for name, value in real.json().items() if name not in self.hides}
        return httpx.Response(real.status_code, json=body)


async def get_send_decision(
    tools: Tools, to: str = "nobody-named@elsewhere.example", **more: Any
) -> GuardDecision:
    """Send a new mail, another each time, and return the decision of the guard."""
    facts = {"to": to, "subject": f"No. {next(NUMBERS)}", "body": "Hello.", **more}
    return decided(await tools("send_email", **facts))


async def shown(tools: Tools, name: str, **arguments: Any) -> ToolResult:
    """Read, and make sure that it worked."""
    result = await tools(name, **arguments)
    assert result.error is None, result.text
    return result


async def tainted(box: Inbox, tools: Tools, *sessions: str | None, **facts: Any) -> Json:
    """Show a proven mail to conversations, by default to the toolkit's own."""
    mail = box.receive_proven(**facts)
    for session in sessions or (None,):
        await shown(tools, "read_email", email_id=mail["id"], session_id=session)
    return mail
