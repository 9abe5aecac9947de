"""Conversations over streamable HTTP: no client sheds what it was shown by a new session."""

from __future__ import annotations

import pytest
from tests.mcp_server.support import Command, connected, say, send

from multimail.errors import ConfigurationError
from multimail_mcp import Conversations

HELD, ACCEPTED = "Held for approval", "Accepted for sending"


async def read_in(url: str, command: Command, **headers: str) -> None:
    """Be shown a mail in a session of its own."""
    mail = command.box.receive("Write to bob@example.org.")
    async with connected(url, **headers) as client:
        await say(client, "read_email", email_id=mail["id"])


async def send_in(url: str, **headers: str) -> str:
    """Send the same mail in a session of its own."""
    async with connected(url, **headers) as client:
        return await say(client, "send_email", **send())


@pytest.mark.parametrize("options", [(), ("--stateless",)])
async def test_a_client_with_a_session_for_each_call_is_one_conversation(
    command: Command, options: tuple[str, ...]
) -> None:
    url = command.endpoint(*options)
    await read_in(url, command)
    assert (await send_in(url)).startswith(HELD)
    assert "Already done" in await send_in(url)
    assert len(command.box.mails()) == 1


async def test_by_leave_of_the_operator_each_session_is_one(command: Command) -> None:
    url = command.endpoint("--per-session")
    mail = command.box.receive("Write to bob@example.org.")
    async with connected(url) as first, connected(url) as second:
        await say(first, "read_email", email_id=mail["id"])
        assert (await say(first, "send_email", **send())).startswith(HELD)
        assert (await say(second, "send_email", **send())).startswith(ACCEPTED)
        assert "Already done" in await say(first, "send_email", **send())


@pytest.mark.parametrize("options", [(), ("--per-session",), ("--stateless",)])
async def test_a_header_names_one_that_outlives_its_sessions(
    command: Command, options: tuple[str, ...]
) -> None:
    url = command.endpoint(*options)
    first, second = {"MultiMail_Conversation": "one"}, {"MultiMail_Conversation": "two"}
    await read_in(url, command, **first)
    assert (await send_in(url, **first)).startswith(HELD)
    assert "Already done" in await send_in(url, **first)
    assert (await send_in(url, **second)).startswith(ACCEPTED)


async def test_an_operator_who_pins_the_conversation_has_the_last_word(command: Command) -> None:
    url = command.endpoint("--conversation", "all")
    await read_in(url, command, MultiMail_Conversation="one")
    assert (await send_in(url, MultiMail_Conversation="two")).startswith(HELD)


@pytest.mark.parametrize("name", ["", "two words", "x" * 201, "umlaut-ü", "line\nbreak"])
def test_a_name_is_printable_and_one_word(name: str) -> None:
    with pytest.raises(ConfigurationError, match="valid conversation name"):
        Conversations(name)
    with pytest.raises(ConfigurationError, match="valid conversation name"):
        Conversations().resolve(None, {"MultiMail-Conversation": name})
