"""Checks and conversions that every endpoint makes of its arguments, before any request."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from ..errors import ValidationError
from ..models import File

MAX_RECIPIENTS = 50
MAX_SUBJECT = 998
MAX_BODY = 262_144

Recipients: TypeAlias = str | Iterable[str]
Attachable: TypeAlias = str | PathLike[str] | File | tuple[str, bytes] | Mapping[str, Any]
Attachables: TypeAlias = Attachable | Iterable[Attachable]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HALF = re.compile(r"[\ud800-\udfff]")
_NAMED = re.compile(r"^[^<>]*<([^<>]+)>$")
_LOCAL = re.compile(r"^(?!\.)(?!.*\.\.)[^\s@<>()\[\],;:\"\\]{1,64}(?<!\.)$")
_LABEL = re.compile(r"^(?!-)[^\W_]([\w-]{0,61}[^\W_])?$")


def address(value: Any, argument: str) -> str:
    """Return the plain address in `value`, which may be `Name <address>`.

    Raises:
        ValidationError: It is not one address (RFC 5321 section 4.1.2, without quoted local
            parts and address literals).
    """
    if not isinstance(value, str):
        raise _invalid(argument, f"an address must be text, not {type(value).__name__}")
    text = value.strip()
    named = _NAMED.match(text)
    plain = named.group(1).strip() if named else text
    local, at, domain = plain.rpartition("@")
    if not at or _CONTROL.search(text) or not _LOCAL.match(local) or not _is_domain(domain):
        raise _invalid(argument, f"{value!r:.120} is not an email address")
    return plain


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(domain) <= 253 and len(labels) > 1 and all(_LABEL.match(one) for one in labels)


def addresses(value: Recipients | None, argument: str) -> list[str]:
    """Return plain addresses from one or several; a comma-separated string counts as several.

    Raises:
        ValidationError: One of them is not an address, or there are more than 50.
    """
    if value is None:
        return []
    if not isinstance(value, Iterable):
        raise _invalid(argument, f"an address must be text, not {type(value).__name__}")
    several = value.split(",") if isinstance(value, str) else list(value)
    plain = [address(one, argument) for one in several if not _blank(one)]
    unique: dict[str, str] = {}
    for one in plain:
        unique.setdefault(one.casefold(), one)
    if len(unique) > MAX_RECIPIENTS:
        raise _invalid(argument, f"{len(unique)} recipients, at most {MAX_RECIPIENTS} are accepted")
    return list(unique.values())


def _blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def recipients(value: Recipients | None) -> list[str]:
    """Return the addresses of `to`, of which there must be one at least."""
    to = addresses(value, "to")
    if not to:
        raise _invalid("to", "no recipient is given")
    return to


def subject_line(value: Any) -> str:
    """Return the subject if it is one line of at most 998 characters (RFC 5322 section 2.1.1)."""
    if not isinstance(value, str):
        raise _invalid("subject", f"must be text, not {type(value).__name__}")
    if _CONTROL.search(value):
        raise _invalid("subject", "has a line break or control character; write one line")
    if len(value) > MAX_SUBJECT:
        raise _invalid("subject", f"{len(value)} characters, at most {MAX_SUBJECT} are accepted")
    return value


def message_body(body: str | None, markdown: str | None) -> str:
    """Return the one body that was given under either name."""
    if body is not None and markdown is not None and body != markdown:
        raise _invalid("body", "body and markdown are two names of one argument; give one")
    text = body if body is not None else markdown
    if not isinstance(text, str) or not text.strip():
        raise _invalid("body", "is empty; write the message in Markdown or plain text")
    if len(text) > MAX_BODY:
        raise _invalid("body", f"{len(text)} characters, at most {MAX_BODY} are accepted")
    if _HALF.search(text):
        raise _invalid("body", "has half a character (a lone surrogate); write it again")
    return text


def one_of(argument: str, *values: str | None) -> str:
    """Return the single value that was given under one of several names."""
    given = {value for value in values if value}
    if len(given) != 1:
        problem = "is missing" if not given else "is given twice, differently"
        raise _invalid(argument, problem)
    return given.pop()


def moment(value: datetime | str | None, argument: str) -> str | None:
    """Return a point in time as ISO 8601 in UTC.

    Raises:
        ValidationError: Not a date and time, or one without its zone.
    """
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise _invalid(argument, f"{value!r:.60} is not an ISO 8601 date and time") from None
    if not isinstance(when, datetime) or when.tzinfo is None:
        raise _invalid(argument, "needs a time zone, as in 2026-01-31T09:00:00Z")
    try:
        utc = when.astimezone(UTC)
    except OverflowError:
        raise _invalid(argument, "is out of range") from None
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def segment(value: Any, argument: str) -> str:
    """Return an id as one percent-encoded path segment.

    An id has no slash; a server that decodes before it routes would take one for another path.
    """
    text = named(value, argument)
    if "/" in text or "\\" in text:
        raise _invalid(argument, f"{text!r:.60} is not an id")
    return quote(text, safe="")


def last_segment(value: Any, argument: str) -> str:
    """Return a name, which may hold any character, as the percent-encoded end of a path."""
    return quote(named(value, argument), safe="")


def named(value: Any, argument: str) -> str:
    """Return an id or a name that can stand as one segment of a path."""
    if not isinstance(value, str) or not value.strip():
        raise _invalid(argument, "is missing")
    text = value.strip()
    if _CONTROL.search(text) or text in (".", "..") or len(text) > 512:
        raise _invalid(argument, f"{text!r:.60} is not an id")
    return text


def attachments(value: Attachables | None) -> list[dict[str, str]] | None:
    """Return attachments as the API takes them.

    Args:
        value: One or several of: a path, a `File`, `(name, bytes)`, or the API's own object.

    Raises:
        ValidationError: A file cannot be read, or an item is of another kind.
    """
    if value is None:
        return None
    if isinstance(value, str | PathLike | File | Mapping) or _is_pair(value):
        return [_attachment(value)]
    if not isinstance(value, Iterable):
        return [_attachment(value)]
    return [_attachment(one) for one in value] or None


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes)


def _attachment(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return _as_the_api_takes_it(value)
    if isinstance(value, File):
        return _encoded(value.name, value.content, value.content_type)
    if _is_pair(value):
        return _encoded(value[0], value[1], None)
    if isinstance(value, str | PathLike):
        path = Path(value)
        try:
            return _encoded(path.name, path.read_bytes(), None)
        except (OSError, ValueError) as fault:
            why = getattr(fault, "strerror", None) or "not a path"
            raise _invalid("attachments", f"cannot read {path.name!r}: {why}") from None
    raise _invalid("attachments", f"give a path, (name, bytes) or File, not {type(value).__name__}")


def _encoded(name: str, content: bytes, content_type: str | None) -> dict[str, str]:
    guessed = content_type or mimetypes.guess_type(str(name))[0] or "application/octet-stream"
    return {
        "name": _one_line(name),
        "content_type": _one_line(guessed),
        "content_base64": base64.b64encode(content).decode("ascii"),
    }


def _as_the_api_takes_it(value: Mapping[str, Any]) -> dict[str, str]:
    if not isinstance(value.get("content_base64"), str) or not value.get("name"):
        raise _invalid("attachments", "an object needs name and content_base64, both text")
    return {str(name): _one_line(part) for name, part in value.items() if part is not None}


def _one_line(value: Any) -> str:
    if not isinstance(value, str) or _CONTROL.search(value):
        raise _invalid("attachments", "a name or type is no text, or has a control character")
    return value


def given(**values: Any) -> dict[str, Any]:
    """Return the arguments that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _invalid(argument: str, problem: str) -> ValidationError:
    return ValidationError(f"{argument}: {problem}.", code=f"invalid_{argument}")
