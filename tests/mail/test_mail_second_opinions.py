"""The server's reading of mail, beside parsers and verifiers that others wrote.

`mailparser`, `postal-mime` and `mailauth` come from npm, Python's `email` with Python. A difference
is an error of this project, or has its reason in `DIFFERENCES`.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.mail.corpus import Sample, generate, samples

from multimail_server.mail.message import parse_message
from multimail_server.mail.mime import Part, parse_parts

ALL = [*samples(), *generate(200, seed=1)]
Facts = dict[str, Any]

DIFFERENCES: tuple[tuple[str, str, str, str], ...] = (
    ("charset-.*", "email", "text|error", "it knows Python's labels, not those of WHATWG"),
    ("charset-iso-8859-1|charset-ansi.*", "postal-mime", "text", "C1 bytes are Windows-1252's"),
    ("charset-us-ascii", "mailparser", "text", "it takes ASCII at its word"),
    ("charset-(hz.*|iso-2022-kr|utf-7)", "postal-mime|mailparser", "text", "it has no such codec"),
    ("charset-(ks.*|euc-kr|cp850)", "postal-mime", "text", "it has no such codec"),
    ("charset-unknown-8bit", "postal-mime", "text", "valid UTF-8 is UTF-8"),
    ("html-meta-.*", ".*", "html", "it does not ask the HTML for its charset"),
    ("type-(0|4|1[0127])", "postal-mime|mailparser", "files", "a fault of grammar makes no file"),
    ("type-13", "email", "text", "it does not unfold the field"),
    ("encoding-.*", "email", "text", "it takes the encoding at its word"),
    ("encoding-[126]", "mailparser", "text", "it takes the encoding at its word"),
    ("base64-in-pieces", "email", "text", "it stops at the first padding"),
    ("flowed-delsp", "email", "text", "it does not implement RFC 3676"),
    ("subject-split-base64", "postal-mime", "subject", "it decodes each word by itself"),
    ("subject-latin1", "postal-mime|email", "subject", "C1 bytes are Windows-1252's"),
    ("subject-raw-koi8", ".*", "subject", "it does not ask the body for the charset"),
    ("sender-unquoted-comma", "postal-mime|email", "name|from", "it takes the comma for a list"),
    ("sender-unquoted-colon", ".*", "name", "it takes the colon for a group"),
    ("sender-brackets", "email", "name|from", "it takes the bracket for an error"),
    ("sender-raw-utf-8", "email", "name", "it keeps bytes as surrogates"),
    ("file-both", "email", "file names", "it prefers the plain name, against RFC 6266"),
    ("file-unquoted-blank", "email", "file names", "it ends the name at the blank"),
    ("text-after-picture", "email", "text|files", "it shows one text only"),
    ("forward", "postal-mime|email", "text|files", "it opens the enclosed message"),
)
"""Sample, whose opinion, fact (regular expressions), and why this project differs."""


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_what_a_person_sees_is_read(sample: Sample) -> None:
    message = parse_message(sample.raw)
    for words in sample.text:
        assert words in message.markdown
    assert message.subject == sample.subject
    assert message.from_address.lower() == sample.sender
    assert message.from_name == sample.sender_name
    assert tuple(file.name for file in message.attachments) == sample.files


def test_other_parsers_agree(opinions: dict[str, dict[str, Facts]]) -> None:
    explained: set[tuple[str, str, str, str]] = set()
    unexplained: list[str] = []
    for sample in ALL:
        own = read_facts(sample.raw)
        for opinion, theirs in {
            **opinions[sample.name],
            "email": read_by_email(sample.raw),
        }.items():
            for fact in compare(own, theirs):
                reason = find_difference(sample.name, opinion, fact)
                if reason is None:
                    line = (
                        f"{sample.name}: {opinion}: {fact}: {own.get(fact)!r} {theirs.get(fact)!r}"
                    )
                    unexplained.append(line)
                else:
                    explained.add(reason)
    assert not unexplained, "\n".join(unexplained)
    assert explained == set(DIFFERENCES), "a difference is gone: take it out of the list"


def read_facts(raw: bytes) -> Facts:
    """Return what the server reads of a message, in the terms of the others."""
    message = parse_message(raw)
    leaves = list(walk(parse_parts(raw)))
    return {
        "subject": message.subject,
        "from": [message.from_address],
        "name": message.from_name,
        "text": message.markdown,
        "html": "\n".join(part.text() for part in leaves if part.content_type == "text/html"),
        "files": [{"name": file.name, "sha256": file.sha256} for file in message.attachments],
    }


def walk(part: Part) -> Iterator[Part]:
    """Yield the leaves of a MIME tree."""
    if not part.children:
        yield part
    for child in part.children:
        yield from walk(child)


def read_by_email(raw: bytes) -> Facts:
    """Return what Python's own parser reads of a message."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    facts: Facts = {"html": ""}
    try:
        facts["subject"] = str(message["Subject"])
        addresses = message["From"].addresses
        facts["from"] = [address.addr_spec for address in addresses]
        facts["name"] = addresses[0].display_name if addresses else ""
        bodies = [message.get_body((kind,)) for kind in ("plain", "html")]
        facts["text"], facts["html"] = (body.get_content() if body else "" for body in bodies)
        facts["files"] = [as_file(part) for part in message.iter_attachments()]
    except Exception as error:
        facts["error"] = repr(error)
    return facts


def as_file(part: Any) -> dict[str, str]:
    if part.get_content_type() == "message/rfc822":
        return {"name": part.get_filename() or "", "sha256": ""}
    content = part.get_payload(decode=True) or b""
    return {"name": part.get_filename() or "", "sha256": hashlib.sha256(content).hexdigest()}


def compare(own: Facts, theirs: Facts) -> list[str]:
    """Return the names of the facts in which an opinion differs."""
    if "error" in theirs:
        return ["error"]
    different = [
        fact
        for fact in ("subject", "name", "html")
        if words(own[fact]) != words(theirs[fact]) and (fact != "html" or theirs[fact])
    ]
    if [one.lower() for one in own["from"]] != [one.lower() for one in theirs["from"]]:
        different.append("from")
    if (
        theirs["text"].strip()
        and not theirs["html"]
        and words(own["text"]) != words(theirs["text"])
    ):
        different.append("text")
    if [file["sha256"] for file in own["files"]] != [file["sha256"] for file in theirs["files"]]:
        different.append("files")
    elif any(
        b["name"] not in {"", a["name"]} for a, b in zip(own["files"], theirs["files"], strict=True)
    ):
        different.append("file names")
    return different


def words(text: str) -> list[str]:
    return text.split()


def find_difference(sample: str, opinion: str, fact: str) -> tuple[str, str, str, str] | None:
    for row in DIFFERENCES:
        if all(re.fullmatch(p, v) for p, v in zip(row, (sample, opinion, fact), strict=False)):
            return row
    return None


@pytest.fixture(scope="session")
def opinions(
    node: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Facts]]:
    """What the parsers from npm read of every sample."""
    directory = tmp_path_factory.mktemp("mail")
    for sample in ALL:
        (directory / f"{sample.name}.eml").write_bytes(sample.raw)
    result: dict[str, dict[str, Facts]] = node("parse.mjs", str(directory))
    return result
