"""Validation and conversion of the endpoints' arguments, before any request is sent."""

from __future__ import annotations

import base64
import json
import mimetypes
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from ..errors import ValidationError
from ..models import Attachment, File
from ..trust.addresses import has_invalid_label

MAX_RECIPIENTS = 50
MAX_SUBJECT = 998
MAX_BODY = 262_144
_MAX_ID = 512
_MAX_IDEMPOTENCY_KEY = 255

Recipients: TypeAlias = str | Iterable[str]
Attachable: TypeAlias = (
    str | PathLike[str] | File | Attachment | tuple[str, bytes] | Mapping[str, Any]
)
Attachables: TypeAlias = Attachable | Iterable[Attachable]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAME_AND_ADDRESS = re.compile(r"^[^<>]*<([^<>]+)>$")
_LOCAL_PART = re.compile(r"^(?=.*[^.])[^\s@<>()\[\],;:\"\\]{1,64}$")
_ITEM = re.compile(
    r"""(?:"(?:\\.|[^"\\]){0,300}"|“[^”]{0,300}”|<[^<>]{0,300}>"""
    r"""|(?<![^\s,;])'[^'\n]{0,300}'(?=\s{0,9}(?:[<,;\n]|\Z))|[^,;\n])+"""
)
_BULLET = re.compile(r"(?:[-*•]|\d{1,2}[.)])\s+")
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "\u2018": "\u2019", "«": "»"}
_DOMAIN_LABEL = re.compile(r"^(?!-)[^\W_]([\w-]{0,61}[^\W_])?$")


def parse_address(value: Any, argument: str) -> str:
    """Return the plain address in `value`, which may be `Name <address>`.

    Raises:
        ValidationError: It is not one address (RFC 5321 section 4.1.2, without quoted local
            parts and address literals; with dots where it has none, as some phones have them).
    """
    if not isinstance(value, str):
        raise invalid(argument, f"an address must be text, not {type(value).__name__}")
    text = value.strip()
    named = _NAME_AND_ADDRESS.match(text)
    plain = named.group(1).strip() if named else text
    local, at, domain = plain.rpartition("@")
    if not at or _CONTROL.search(text) or not _LOCAL_PART.match(local) or not _is_domain(domain):
        raise invalid(argument, f"{value!r:.120} is not an email address")
    if has_invalid_label(domain):
        raise invalid(argument, f"the domain of {value!r:.120} has an xn-- that encodes no name")
    return plain


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(domain) <= 253 and len(labels) > 1 and all(map(_DOMAIN_LABEL.match, labels))


def parse_addresses(value: Recipients | None, argument: str) -> list[str]:
    """Return plain addresses without duplicates; a string may hold several (`split_texts`).

    Raises:
        ValidationError: One of them is not an address, or there are more than 50.
    """
    if value is None:
        return []
    if not isinstance(value, Iterable):
        raise invalid(argument, f"an address must be text, not {type(value).__name__}")
    items = split_texts(value) if isinstance(value, str) else list(value)
    unique: dict[str, str] = {}
    for item in items:
        if not _is_blank(item):
            address = parse_address(item, argument)
            unique.setdefault(address.casefold(), address)
    if len(unique) > MAX_RECIPIENTS:
        raise invalid(argument, f"{len(unique)} recipients, at most {MAX_RECIPIENTS} are accepted")
    return list(unique.values())


def split_texts(text: str) -> list[Any]:
    """Return the items of a list that is written as one text.

    JSON is read as such. Otherwise items are separated by commas, semicolons or line breaks outside
    of quotes and angle brackets: `"Smith, John" <j@x.example>` is one (RFC 5322 section 3.4).

    Returns:
        The items, without quotes around them; of JSON also what is no text.
    """
    plain = text.strip().strip("`").removeprefix("json").strip()
    if plain[:1] in ("[", '"'):
        for form in (plain, plain.replace('\\"', '"')):
            parsed = _parse_json(form)
            if isinstance(parsed, list):
                return parsed
            if isinstance(parsed, str):
                return split_texts(parsed)
    if (plain[:1], plain[-1:]) in (("[", "]"), ("(", ")")):
        plain = plain[1:-1]
    items = (_BULLET.sub("", match[0].strip(), count=1) for match in _ITEM.finditer(plain))
    return [item for item in map(unquote, items) if item]


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def unquote(text: str) -> str:
    """Return a text without blanks around it, and without quotes around the whole of it."""
    plain = text.strip()
    while len(plain) > 1 and _QUOTES.get(plain[0]) == plain[-1] and plain[0] not in plain[1:-1]:
        plain = plain[1:-1].strip()
    return plain


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def parse_recipients(value: Recipients | None) -> list[str]:
    """Return the addresses of `to`, at least one."""
    to = parse_addresses(value, "to")
    if not to:
        raise invalid("to", "no recipient is given")
    return to


def check_subject(value: Any) -> str:
    """Return the subject if it is one line of at most 998 characters (RFC 5322 section 2.1.1)."""
    if not isinstance(value, str):
        raise invalid("subject", f"must be text, not {type(value).__name__}")
    if _CONTROL.search(value):
        raise invalid("subject", "has a line break or control character; write one line")
    if len(value) > MAX_SUBJECT:
        raise invalid("subject", f"{len(value)} characters, at most {MAX_SUBJECT} are accepted")
    return value


def check_body(value: Any) -> str:
    """Return the body if it is text of 1 to 262,144 characters without lone surrogates."""
    if not isinstance(value, str) or not value.strip():
        raise invalid("body", "is empty; write the message in Markdown or plain text")
    if len(value) > MAX_BODY:
        raise invalid("body", f"{len(value)} characters, at most {MAX_BODY} are accepted")
    if _SURROGATE.search(value):
        raise invalid("body", "contains a lone surrogate; write it again")
    return value


def check_idempotency_key(value: str) -> str:
    """Return the key if it is at most 255 printable characters."""
    if not value.isprintable() or len(value) > _MAX_IDEMPOTENCY_KEY:
        raise invalid("idempotency_key", f"at most {_MAX_IDEMPOTENCY_KEY} printable characters")
    return value


def format_datetime(value: datetime | str | None, argument: str) -> str | None:
    """Return a date and time as ISO 8601 in UTC.

    Raises:
        ValidationError: It is not a date and time, or has no time zone.
    """
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise invalid(argument, f"{value!r:.60} is not an ISO 8601 date and time") from None
    if not isinstance(parsed, datetime) or parsed.tzinfo is None:
        raise invalid(argument, "needs a time zone, as in 2026-01-31T09:00:00Z")
    try:
        utc = parsed.astimezone(UTC)
    except OverflowError:
        raise invalid(argument, "is out of range") from None
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def path_segment(value: Any, argument: str) -> str:
    """Return an id as one percent-encoded path segment.

    Slashes are rejected: a server that decodes before it routes would see another path.
    """
    text = check_id(value, argument)
    if "/" in text or "\\" in text:
        raise invalid(argument, f"{text!r:.60} is not an id")
    return quote(text, safe="")


def last_path_segment(value: Any, argument: str) -> str:
    """Return a name, which may contain any character, as the percent-encoded end of a path."""
    return quote(check_id(value, argument), safe="")


def check_id(value: Any, argument: str) -> str:
    """Return an id or name, stripped, if it can be a path segment."""
    if not isinstance(value, str) or not value.strip():
        raise invalid(argument, "is missing")
    text = value.strip()
    if _CONTROL.search(text) or text in (".", "..") or len(text) > _MAX_ID:
        raise invalid(argument, f"{text!r:.60} is not an id")
    return text


def encode_attachments(value: Attachables | None) -> list[dict[str, str]] | None:
    """Return attachments as the API expects them.

    Args:
        value: One or several of: a path, a `File`, `(name, bytes)`, an `Attachment` of a message
            of the same mailbox, or the API's own object.

    Raises:
        ValidationError: A file can't be read, or an item has another type.
    """
    if value is None:
        return None
    is_single = isinstance(
        value, str | PathLike | File | Attachment | Mapping
    ) or _is_name_and_bytes(value)
    if is_single or not isinstance(value, Iterable):
        return [_encode_attachment(value)]
    return [_encode_attachment(item) for item in value] or None


def _is_name_and_bytes(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes)


def _encode_attachment(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return _check_attachment_object(value)
    if isinstance(value, Attachment):
        if value.id is None:
            problem = "the API gave this file no id; download it, and send the File"
            raise invalid("attachments", problem)
        return {"id": _check_line(value.id)}
    if isinstance(value, File):
        return _encode_file(value.name, value.content, value.content_type)
    if _is_name_and_bytes(value):
        return _encode_file(value[0], value[1], None)
    if isinstance(value, str | PathLike):
        path = Path(value)
        try:
            return _encode_file(path.name, path.read_bytes(), None)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise invalid("attachments", f"cannot read {path.name!r}: {reason}") from None
    raise invalid("attachments", f"give a path, (name, bytes) or File, not {type(value).__name__}")


def _encode_file(name: str, content: bytes, content_type: str | None) -> dict[str, str]:
    guessed = content_type or mimetypes.guess_type(str(name))[0] or "application/octet-stream"
    return {
        "name": _check_line(name),
        "content_type": _check_line(guessed),
        "content_base64": base64.b64encode(content).decode("ascii"),
    }


def _check_attachment_object(value: Mapping[str, Any]) -> dict[str, str]:
    has_content = isinstance(value.get("content_base64"), str) and value.get("name")
    if not has_content and set(value) != {"id"}:
        raise invalid("attachments", "an object needs name and content_base64, or only an id")
    return {str(name): _check_line(item) for name, item in value.items() if item is not None}


def _check_line(value: Any) -> str:
    if not isinstance(value, str) or _CONTROL.search(value):
        raise invalid("attachments", "a name or type is not text, or has a control character")
    return value


def drop_none(**values: Any) -> dict[str, Any]:
    """Return the arguments that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def invalid(argument: str, problem: str) -> ValidationError:
    """Return the error for an invalid argument; its code is `invalid_<argument>`."""
    return ValidationError(f"{argument}: {problem}.", code=f"invalid_{argument}")
