"""Nobody has to name a mailbox twice, and none is ever guessed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.client.support import Connect, Post, answer

from multimail import ConfigurationError, NotFoundError, ValidationError
from multimail._mailbox_cache import MailboxCache


async def test_an_address_is_resolved_once_and_an_id_never(connect: Connect) -> None:
    post = Post("one@x.test", "two@x.test")
    api = connect(post)
    for wanted in ("two@x.test", "Two@X.test", "one@x.test", "mb_2"):
        await api.check_inbox(mailbox=wanted)
    assert [path.partition("?")[0] for path in post.paths] == [
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
    post = Post("one@x.test", "two@x.test")
    await connect(post).check_inbox()
    assert post.requests[-1].url.path == "/v1/mailboxes/mb_2/emails"


async def test_an_argument_beats_the_environment_and_a_call_beats_the_client(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIMAIL_MAILBOX", "mb_1")
    post = Post("one@x.test", "two@x.test", "three@x.test")
    api = connect(post, mailbox="mb_2")
    await api.check_inbox()
    await api.check_inbox(mailbox="mb_3")
    assert [one.url.path.split("/")[3] for one in post.requests] == ["mb_2", "mb_3"]


async def test_the_only_mailbox_needs_no_name(connect: Connect) -> None:
    post = Post("only@x.test")
    api = connect(post)
    await api.check_inbox()
    await api.check_inbox()
    assert post.paths.count("GET /v1/mailboxes") == 1
    assert post.requests[-1].url.path == "/v1/mailboxes/mb_1/emails"


async def test_of_several_mailboxes_none_is_guessed(connect: Connect) -> None:
    post = Post("one@x.test", "two@x.test")
    with pytest.raises(ConfigurationError) as caught:
        await connect(post).send_email("bob@y.test", "S", "B")
    assert str(caught.value).startswith("Which mailbox? This key can use: one@x.test, two@x.test.")
    assert "MULTIMAIL_MAILBOX" in str(caught.value)
    assert caught.value.code == "which_mailbox"
    assert not post.emails


async def test_an_unknown_address_is_answered_with_those_that_exist(connect: Connect) -> None:
    post = Post("one@x.test", "two@x.test")
    with pytest.raises(NotFoundError) as caught:
        await connect(post).check_inbox(mailbox="three@x.test")
    assert "no mailbox 'three@x.test'. It can use: one@x.test, two@x.test." in str(caught.value)
    assert caught.value.code == "no_such_mailbox"


async def test_a_key_without_mailboxes_says_so(connect: Connect) -> None:
    with pytest.raises(ConfigurationError, match="This key can use: none"):
        await connect(lambda request: answer({"mailboxes": []})).check_inbox()


async def test_a_mailbox_made_meanwhile_is_found(connect: Connect) -> None:
    post = Post("one@x.test")
    api = connect(post)
    await api.check_inbox(mailbox="one@x.test")
    post.mailboxes["mb_2"] = "new@x.test"
    await api.check_inbox(mailbox="new@x.test")
    assert post.requests[-1].url.path == "/v1/mailboxes/mb_2/emails"


async def test_what_a_mailbox_named_for_one_call_showed_is_found_there_again(
    connect: Connect,
) -> None:
    post = Post("one@x.test", "two@x.test")
    post.hold("em_2", "mb_2")
    api = connect(post, mailbox="mb_1")
    await api.check_inbox(mailbox="two@x.test")
    await api.read_email("em_2")
    await api.get_thread("th_em_2")
    await api.reply_email("em_2", "Thanks")
    assert all("/mb_2/" in one.url.path for one in post.requests[-3:])
    with pytest.raises(NotFoundError):
        await api.read_email("em_unseen")
    assert post.requests[-1].url.path == "/v1/mailboxes/mb_1/emails/em_unseen"


async def test_a_row_of_the_whole_account_is_found_in_the_mailbox_that_it_names(
    connect: Connect,
) -> None:
    seen: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return answer({"id": "em_9", "emails": [{"id": "em_9", "mailbox_id": "mb_7"}]})

    api = connect(serve)
    await api.list_pending()
    await api.read_email("em_9")
    assert seen == ["/v1/oversight/pending", "/v1/mailboxes/mb_7/emails/em_9"]


@pytest.mark.parametrize("bad", [".", "..", " ", "a\nb", "mb\x00", "x" * 600])
async def test_an_id_that_is_no_path_segment_never_becomes_a_path(
    connect: Connect, bad: str
) -> None:
    post = Post()
    api = connect(post)
    with pytest.raises(ValidationError, match="mailbox"):
        await api.get_mailbox(bad)
    assert not post.requests


@pytest.mark.parametrize("bad", ["", " ", None])
async def test_a_deletion_never_falls_back_to_the_default_mailbox(
    connect: Connect, bad: Any
) -> None:
    post = Post("one@x.test")
    with pytest.raises(ValidationError, match="mailbox: is missing"):
        await connect(post, mailbox="mb_1").delete_mailbox(bad)
    assert not post.requests


async def test_an_id_with_a_slash_stays_one_segment(connect: Connect) -> None:
    post = Post()
    with pytest.raises(NotFoundError):
        await connect(post).get_mailbox("mb/../../account?x=1#y")
    assert post.paths == ["GET /v1/mailboxes/mb%2F..%2F..%2Faccount%3Fx%3D1%23y"]


def test_the_book_forgets_the_oldest_messages_first() -> None:
    cache = MailboxCache()
    for one in ("first", None, 7, ""):
        cache.remember("mb_1", one, None)
    for n in range(4095):
        cache.remember("mb_2", f"em_{n}", None)
    assert (cache.get_mailbox_id("first"), cache.get_mailbox_id("em_0")) == ("mb_1", "mb_2")
    cache.remember("mb_2", "one more", None)
    assert (cache.get_mailbox_id("first"), cache.get_mailbox_id("one more")) == (None, "mb_2")
    assert cache.get_mailbox_id(None) is None


def test_the_book_asks_again_after_it_was_told_to_forget() -> None:
    from multimail import Mailbox

    cache = MailboxCache()
    cache.update([Mailbox.model_validate({"id": "mb_1", "address": "one@x.test"})])
    assert cache.find(None) is not None
    cache.clear()
    assert cache.find(None) is None
