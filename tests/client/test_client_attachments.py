"""Attachments: every form of upload, and downloads that don't send the key elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.client.support import BASE, KEY, Connect, FakeApi, get_body, json_response

from multimail import File, InvalidResponseError, NotFoundError

INLINE = {"name": "a.txt", "content_type": "text/plain", "content_base64": "aGk="}


async def sent_attachments(connect: Connect, attachments: Any) -> Any:
    fake_api = FakeApi()
    await connect(fake_api).send_email("bob@y.test", "S", "B", attachments=attachments)
    return get_body(fake_api.requests[-1]).get("attachments")


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("several", [True, False])
async def test_a_file_is_attached_from_its_path(
    connect: Connect, tmp_path: Path, as_text: bool, several: bool
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"hi")
    item = str(path) if as_text else path
    assert await sent_attachments(connect, [item] if several else item) == [INLINE]


@pytest.mark.parametrize(
    "item",
    [
        ("a.txt", b"hi"),
        File(name="a.txt", content_type="text/plain", content=b"hi"),
        INLINE,
        {**INLINE, "size": None},
    ],
    ids=["a pair", "a File", "the API's object", "with nothing in it"],
)
async def test_bytes_are_attached_in_every_form(connect: Connect, item: Any) -> None:
    assert await sent_attachments(connect, item) == [INLINE]
    assert await sent_attachments(connect, [item, item]) == [INLINE, INLINE]
    assert await sent_attachments(connect, (item,)) == [INLINE]


async def test_a_tuple_of_two_paths_is_two_attachments(connect: Connect, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"hi")
    sent = await sent_attachments(connect, (tmp_path / "a.txt", tmp_path / "b.txt"))
    assert [item["name"] for item in sent] == ["a.txt", "b.txt"]


@pytest.mark.parametrize("nothing", [None, [], ()])
async def test_no_attachments_are_no_field(connect: Connect, nothing: Any) -> None:
    assert await sent_attachments(connect, nothing) is None


async def test_unknown_file_type_is_octet_stream(connect: Connect) -> None:
    sent = await sent_attachments(connect, ("a.zzz9", b""))
    assert (sent[0]["content_type"], sent[0]["content_base64"]) == ("application/octet-stream", "")


class Store:
    """An API with an attachment, and the host that the attachment URL names."""

    def __init__(self, reply: Any, content: bytes = b"big") -> None:
        self.reply, self.content = reply, content
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if "/attachments/" in request.url.path:
            return json_response(self.reply)
        return httpx.Response(200, content=self.content)


async def test_inline_attachment(connect: Connect) -> None:
    store = Store(INLINE)
    file = await connect(store, mailbox="mb_1").download_attachment("em_1", "a.txt")
    assert (file.name, file.content_type, file.content, file.size) == (
        "a.txt",
        "text/plain",
        b"hi",
        2,
    )
    assert "hi" not in repr(file)
    assert len(store.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://files.test/a?sig=1",
        "HTTPS://files.test/a?sig=1",
        "http://127.0.0.1:9/a",
        "http://localhost/a",
    ],
)
async def test_attachment_url_gets_no_key(connect: Connect, url: str) -> None:
    store = Store({"name": "a.txt", "url": url})
    file = await connect(store, mailbox="mb_1").download_attachment("em_1", "a.txt")
    assert file.content == b"big"
    first, second = store.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert second.url == httpx.URL(url)
    assert "authorization" not in second.headers
    assert KEY not in str(second.headers.raw)


async def test_attachment_path_of_the_api_gets_the_key(connect: Connect) -> None:
    store = Store({"url": "/v1/files/1?x=2"})
    file = await connect(store, mailbox="mb_1").download_attachment("em_1", "a.txt")
    assert (file.name, file.content) == ("a.txt", b"big")
    assert store.requests[1].url == httpx.URL(f"{BASE}/v1/files/1?x=2")
    assert store.requests[1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "url",
    [
        "http://files.test/a",
        "ftp://files.test/a",
        "file:///etc/passwd",
        "data:text/plain,hi",
        "https:@evil.test/a",
        "https:evil.test/a",
        "https:///a",
        "https://user:word@files.test/a",
        " https://files.test/a",
        "https://[::1",
        "https://files.test:99999/a",
        "files.test/a",
        "@evil.test/a",
        "",
        None,
    ],
)
async def test_unsafe_attachment_url_is_rejected(connect: Connect, url: Any) -> None:
    store = Store({"name": "a.txt", "url": url})
    with pytest.raises(InvalidResponseError) as caught:
        await connect(store, mailbox="mb_1").download_attachment("em_1", "a.txt")
    assert caught.value.operation == "download_attachment"
    assert len(store.requests) == 1


@pytest.mark.parametrize(
    "url", ["//evil.test/a", "/@evil.test/a", "/\\evil.test/a", "/..//evil.test"]
)
async def test_a_path_of_the_api_stays_at_the_api(connect: Connect, url: str) -> None:
    store = Store({"name": "a.txt", "url": url})
    await connect(store, mailbox="mb_1").download_attachment("em_1", "a.txt")
    assert {request.url.host for request in store.requests} == {httpx.URL(BASE).host}


async def test_attachment_must_be_base64(connect: Connect) -> None:
    store = Store({"name": "a.txt", "content_base64": "%%%"})
    with pytest.raises(InvalidResponseError, match="not base64"):
        await connect(store, mailbox="mb_1").download_attachment("em_1", "a.txt")


async def test_missing_attachment_is_not_found(connect: Connect) -> None:
    with pytest.raises(NotFoundError, match="download_attachment: No such thing"):
        await connect(FakeApi()).download_attachment("em_1", "a.txt")


async def test_a_raw_message_comes_byte_for_byte(connect: Connect) -> None:
    raw = b"Subject: \xff\r\n\r\n\x00"
    store = Store({}, raw)
    assert await connect(store, mailbox="mb_1").read_raw("em_1") == raw
    assert store.requests[0].headers["accept"] == "*/*"
