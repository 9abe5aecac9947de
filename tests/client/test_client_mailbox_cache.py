"""Mailbox resolution: the default, addresses, and where messages were seen."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.client.support import Connect, FakeApi, json_response

from multimail import ConfigurationError, NotFoundError, ValidationError
from multimail._execution import MailboxCache


async def test_an_address_is_resolved_once_and_an_id_never(connect: Connect) -> None:
    fake_api = FakeApi("one@x.test", "two@x.test")
    api = connect(fake_api)
    for wanted in ("two@x.test", "Two@X.test", "one@x.test", "mb_2"):
        await api.check_inbox(mailbox=wanted)
    assert [path.partition("?")[0] for path in fake_api.paths] == [
        "GET /v1/mailboxes",
        "GET /v1/mailboxes/mb_2/emails",
        "GET /v1/mailboxes/mb_2/emails",
        "GET /v1/mailboxes/mb_1/emails",
        "GET /v1/mailboxes/mb_2/emails",
    ]


@pytest.mark.parametrize("name", ["MULTIMAIL_MAILBOX", "MULTIMAIL_MAILBOX_ID"])
@pytest.mark.parametrize("value", ["two@x.test", "mb_2"])
async def test_the_default_mailbox_comes_from_the_environment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    fake_api = FakeApi("one@x.test", "two@x.test")
    await connect(fake_api).check_inbox()
    assert fake_api.requests[-1].url.path == "/v1/mailboxes/mb_2/emails"


async def test_precedence_of_mailbox_settings(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIMAIL_MAILBOX", "mb_1")
    fake_api = FakeApi("one@x.test", "two@x.test", "three@x.test")
    api = connect(fake_api, mailbox="mb_2")
    await api.check_inbox()
    await api.check_inbox(mailbox="mb_3")
    assert [request.url.path.split("/")[3] for request in fake_api.requests] == ["mb_2", "mb_3"]


async def test_the_only_mailbox_needs_no_name(connect: Connect) -> None:
    fake_api = FakeApi("only@x.test")
    api = connect(fake_api)
    await api.check_inbox()
    await api.check_inbox()
    assert fake_api.paths.count("GET /v1/mailboxes") == 1
    assert fake_api.requests[-1].url.path == "/v1/mailboxes/mb_1/emails"


async def test_of_several_mailboxes_none_is_guessed(connect: Connect) -> None:
    fake_api = FakeApi("one@x.test", "two@x.test")
    with pytest.raises(ConfigurationError) as caught:
        await connect(fake_api).send_email("bob@y.test", "S", "B")
    assert str(caught.value).startswith("Which mailbox? This key can use: one@x.test, two@x.test.")
    assert "MULTIMAIL_MAILBOX" in str(caught.value)
    assert caught.value.code == "which_mailbox"
    assert not fake_api.emails


async def test_an_unknown_address_is_answered_with_those_that_exist(connect: Connect) -> None:
    fake_api = FakeApi("one@x.test", "two@x.test")
    with pytest.raises(NotFoundError) as caught:
        await connect(fake_api).check_inbox(mailbox="three@x.test")
    assert "no mailbox 'three@x.test'. It can use: one@x.test, two@x.test." in str(caught.value)
    assert caught.value.code == "no_such_mailbox"


async def test_key_without_mailboxes_is_an_error(connect: Connect) -> None:
    with pytest.raises(ConfigurationError, match="This key can use: none"):
        await connect(lambda request: json_response({"mailboxes": []})).check_inbox()


async def test_unknown_address_refreshes_the_listing(connect: Connect) -> None:
    fake_api = FakeApi("one@x.test")
    api = connect(fake_api)
    await api.check_inbox(mailbox="one@x.test")
    fake_api.mailboxes["mb_2"] = "new@x.test"
    await api.check_inbox(mailbox="new@x.test")
    assert fake_api.requests[-1].url.path == "/v1/mailboxes/mb_2/emails"


async def test_message_is_read_from_the_mailbox_where_it_was_seen(connect: Connect) -> None:
    fake_api = FakeApi("one@x.test", "two@x.test")
    fake_api.hold("em_2", "mb_2")
    api = connect(fake_api, mailbox="mb_1")
    await api.check_inbox(mailbox="two@x.test")
    await api.read_email("em_2")
    await api.get_thread("th_em_2")
    await api.reply_email("em_2", "Thanks")
    assert all("/mb_2/" in request.url.path for request in fake_api.requests[-3:])
    with pytest.raises(NotFoundError):
        await api.read_email("em_unseen")
    assert fake_api.requests[-1].url.path == "/v1/mailboxes/mb_1/emails/em_unseen"


async def test_pending_message_is_read_from_its_own_mailbox(connect: Connect) -> None:
    seen: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return json_response({"id": "em_9", "emails": [{"id": "em_9", "mailbox_id": "mb_7"}]})

    api = connect(serve)
    await api.list_pending()
    await api.read_email("em_9")
    assert seen == ["/v1/oversight/pending", "/v1/mailboxes/mb_7/emails/em_9"]


@pytest.mark.parametrize("bad", [".", "..", " ", "a\nb", "mb\x00", "x" * 600])
async def test_invalid_mailbox_id_is_rejected(connect: Connect, bad: str) -> None:
    fake_api = FakeApi()
    api = connect(fake_api)
    with pytest.raises(ValidationError, match="mailbox"):
        await api.get_mailbox(bad)
    assert not fake_api.requests


@pytest.mark.parametrize("bad", ["", " ", None])
async def test_delete_mailbox_needs_a_mailbox(connect: Connect, bad: Any) -> None:
    fake_api = FakeApi("one@x.test")
    with pytest.raises(ValidationError, match="mailbox: is missing"):
        await connect(fake_api, mailbox="mb_1").delete_mailbox(bad)
    assert not fake_api.requests


async def test_an_id_with_a_slash_stays_one_segment(connect: Connect) -> None:
    fake_api = FakeApi()
    with pytest.raises(NotFoundError):
        await connect(fake_api).get_mailbox("mb/../../account?x=1#y")
    assert fake_api.paths == ["GET /v1/mailboxes/mb%2F..%2F..%2Faccount%3Fx%3D1%23y"]


def test_cache_evicts_the_oldest_messages() -> None:
    cache = MailboxCache()
    for request in ("first", None, 7, ""):
        cache.remember("mb_1", request, None)
    for n in range(4095):
        cache.remember("mb_2", f"em_{n}", None)
    assert (cache.get_mailbox_id("first"), cache.get_mailbox_id("em_0")) == ("mb_1", "mb_2")
    cache.remember("mb_2", "one more", None)
    assert (cache.get_mailbox_id("first"), cache.get_mailbox_id("one more")) == (None, "mb_2")
    assert cache.get_mailbox_id(None) is None


def test_cleared_cache_finds_no_mailbox() -> None:
    from multimail import Mailbox

    cache = MailboxCache()
    cache.update([Mailbox.model_validate({"id": "mb_1", "address": "one@x.test"})])
    assert cache.find(None) is not None
    cache.clear()
    assert cache.find(None) is None
