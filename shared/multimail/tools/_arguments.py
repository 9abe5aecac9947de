"""What models write for an argument, read as what they mean.

Small models fill every optional argument (`""`, `[]`, `"null"`), write lists as JSON text, and copy
an id with its label or its quotes. What has one meaning is read as such; nothing is guessed.
"""

from __future__ import annotations

import functools
import json
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..endpoints._arguments import split_texts, unquote

_NOTHING = frozenset(
    {"null", "none", "nil", "undefined", "n/a", "nan", "default", "[]", "{}", "()"}
)
_EXACT_NOTHING = frozenset({"null", "None"})
_NOT_A_CHOICE = frozenset({"any", "all", "auto", "0", "false"})
_NOT_A_TEXT = frozenset({"0", "false"})
_DECORATION = " \t\r\n\u00a0\u200b\ufeff\"'`“”\u2018\u2019«»<>[](){}*.,;"
_LABEL = re.compile(
    r"(?:[a-z][a-z _-]{0,30}[\"'`]?\s*[:=]|(?:[a-z _-]{0,20}[ _-])?(?:id|email|message|thread)\s)"
    r"\s*(?=[^\s=])",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"<([a-z_]{1,40})>(.*)</\1>", re.IGNORECASE | re.DOTALL)
_ADDRESS_LABEL = re.compile(
    r"(?:(?:mailto|mailbox|to|from|sender|recipients?|e-?mails?|(?:e-?mail )?address(?:es)?):\s*)+",
    re.IGNORECASE,
)
_LINK = re.compile(r"\[([^\[\]]+)\]\((?:mailto:)?([^()\s]+)\)")
_NAMED_ADDRESS = re.compile(r"[^<>]*<([^<>]+)>")
_ADDRESS_NAMES = ("email", "address", "email_address", "to")
_ID_NAMES = ("id", "email_id", "message_id", "thread_id")
_MAX_WRAPPED = 3
_MARKS = {"archive": "archived", "unarchive": "unarchived", "seen": "read", "unseen": "unread"}
_NOT_IN_A_LABEL = frozenset('[]{}"`')


class FreeText:
    """Marks an argument whose text may be any words, so that `none` may be meant."""


FREE_TEXT = FreeText()


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an argument takes.

    Attributes:
        base: `str`, `int`, `float`, `bool` or `list`.
        optional: Whether it may be left out.
        free: Whether its text may be any words.
        choices: The texts to choose from; empty where any is accepted.
        positive: Whether it is a number that cannot be 0.
    """

    base: type
    optional: bool
    free: bool
    choices: tuple[str, ...]
    positive: bool


def read_arguments(model: type[BaseModel], given: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the arguments without those that mean "not given".

    Args:
        model: The model of the arguments.
        given: What the model wrote.

    Returns:
        The rest: numbers, booleans and choices without blanks and quotes around them. An unknown
        one stays, unless it is empty and says nothing.
    """
    kinds = _get_kinds(model)
    read = {}
    for name, value in given.items():
        kind = kinds.get(name)
        tidy = value if kind is None else _tidy(value, kind)
        if not _is_left_out(tidy, kind):
            read[name] = tidy
    return read


def is_blank(value: Any) -> bool:
    """Return whether a value says nothing: null, blanks, quotes around nothing, an empty list."""
    if isinstance(value, str):
        return not value.strip(" \t\r\n\u00a0\u200b\ufeff\"'`")
    if isinstance(value, Mapping):
        return not value
    return value is None or (isinstance(value, list | tuple) and all(map(is_blank, value)))


def read_id(value: Any) -> Any:
    """Return an id without what models put around it: blanks, quotes, brackets, a label."""
    value = _unwrap(value, _ID_NAMES)
    if not isinstance(value, str):
        return value
    if link := _LINK.fullmatch(value.strip()):
        value = link[1]
    element = _ELEMENT.fullmatch(value.strip())
    text = (element[2] if element else value).strip(_DECORATION)
    text = text[label.end() :] if (label := _LABEL.match(text)) else text
    return text.strip(_DECORATION) or value


def read_address(value: Any) -> Any:
    """Return one address without quotes, label, link or the name before it."""
    value = _unwrap(value, _ADDRESS_NAMES)
    if not isinstance(value, str):
        return value
    text = _strip_address(value)
    named = _NAMED_ADDRESS.fullmatch(text)
    return named[1].strip() if named else text


def read_addresses(value: Any) -> Any:
    """Return a list of addresses from a list, JSON text or text; each may have a name before it."""
    return _read_list(value, _split_addresses, _ADDRESS_NAMES)


def read_labels(value: Any) -> Any:
    """Return a list of labels from a list, JSON text or comma-separated text."""
    return _read_list(
        value, lambda item: split_texts(item) if item.lstrip()[:1] == "[" else [unquote(item)]
    )


def read_ids(value: Any) -> Any:
    """Return a list of ids from a list, JSON text or text, each without what stands around it."""

    def split(item: str) -> list[Any]:
        return [read_id(part) for part in split_texts(item)]

    return _read_list(value, split, _ID_NAMES)


def check_label(value: str) -> str:
    """Reject what is left of a list that could not be read."""
    if _NOT_IN_A_LABEL & set(value):
        raise ValueError(f"{value!r:.80} is not a label; give a list of names")
    return value


def read_filename(value: Any) -> Any:
    """Return a file's name without quotes around it."""
    return unquote(value) if isinstance(value, str) else value


def read_send_time(value: Any) -> Any:
    """Return a time to send at; None for now."""
    is_now = isinstance(value, str) and value.casefold() in ("now", "immediately", "asap")
    return None if is_now else value


def read_filter_time(value: Any) -> Any:
    """Return a time that mail is filtered by; one without a time zone is UTC, as results are."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return value if moment.tzinfo else f"{moment.isoformat()}Z"


def read_mark(value: Any) -> Any:
    """Return a mark by its name, or by what is done to set it."""
    return _MARKS.get(value.strip().casefold(), value) if isinstance(value, str) else value


def read_json(text: str) -> str:
    """Return the JSON of a call's arguments: text in text is read once more, nothing is `{}`."""
    plain = text.strip()
    if plain[:1] == '"':
        try:
            plain = str(json.loads(plain)).strip()
        except ValueError:
            return text
    return "{}" if plain in ("", "null", "[]", "None") else plain


def _read_list(value: Any, split: Any, names: tuple[str, ...] = ()) -> Any:
    if isinstance(value, str):
        value = _read_object(value) or split_texts(value)
    if names and isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    items = [_unwrap(item, names) for item in value]
    parts: Iterable[Any] = (
        part for item in items for part in (split(item) if isinstance(item, str) else [item])
    )
    return [part for part in parts if not (is_blank(part) or _is_exact_nothing(part))]


def _is_exact_nothing(value: Any) -> bool:
    return isinstance(value, str) and value in _EXACT_NOTHING


def _read_object(text: str) -> Any:
    """Return the object that a text is as JSON, or None."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _unwrap(value: Any, names: tuple[str, ...]) -> Any:
    """Return the text that an object holds under one of these names, or a list of one holds."""
    for _ in range(_MAX_WRAPPED):
        if isinstance(value, Mapping) and (known := [name for name in names if name in value]):
            value = value[known[0]]
        elif names and isinstance(value, list) and len(value) == 1:
            value = value[0]
        else:
            break
    return value


def _split_addresses(item: str) -> list[Any]:
    # A line break in one address is no separator: it may be there to add a header.
    parts = [item] if "\n" in item.strip() or "\r" in item.strip() else split_texts(item)
    return [_strip_address(part) for part in parts]


def _strip_address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = unquote(value)
    link = _LINK.fullmatch(text)
    if link and ("@" not in link[1] or link[1] == link[2]):
        text = link[2]
    label = _ADDRESS_LABEL.match(text)
    return unquote(text[label.end() :]) if label else text


def _tidy(value: Any, kind: _Kind) -> Any:
    if not isinstance(value, str) or kind.free or kind.base is list:
        return value
    if kind.base is str and not kind.optional and not kind.choices:
        return value
    text = unquote(value)
    return text.casefold() if text.casefold() in kind.choices else text


def _is_left_out(value: Any, kind: _Kind | None) -> bool:
    if kind is None:
        return is_blank(value)
    if not kind.optional:
        return value is None
    return is_blank(value) or _means_nothing(value, kind)


def _means_nothing(value: Any, kind: _Kind) -> bool:
    if isinstance(value, str):
        return _is_word_for_nothing(value, kind)
    if kind.base in (str, list) and isinstance(value, int | float):
        return not value
    return kind.positive and not isinstance(value, bool) and value == 0


def _is_word_for_nothing(value: str, kind: _Kind) -> bool:
    if kind.free:
        return value.strip() in _EXACT_NOTHING | {"[]", "{}"}
    word = value.casefold().strip()
    if kind.choices:
        return word not in kind.choices and word in _NOTHING | _NOT_A_CHOICE
    if kind.base in (str, list):
        return word in _NOTHING | _NOT_A_TEXT
    return word in _NOTHING or (kind.positive and word == "0")


@functools.cache
def _get_kinds(model: type[BaseModel]) -> dict[str, _Kind]:
    return {name: _get_kind(field) for name, field in model.model_fields.items()}


def _get_kind(field: FieldInfo) -> _Kind:
    base = _get_base(field.annotation)
    choices = get_args(base) if get_origin(base) is Literal else ()
    limits = [part.ge for part in field.metadata if isinstance(part, annotated_types.Ge)]
    return _Kind(
        base=str if choices else (get_origin(base) or base),
        optional=not field.is_required(),
        free=any(isinstance(part, FreeText) for part in field.metadata),
        choices=choices,
        positive=any(limit > 0 for limit in limits if isinstance(limit, int | float)),
    )


def _get_base(annotation: Any) -> Any:
    """Return the type without `None` and without what is only said of it."""
    if get_origin(annotation) is Annotated:
        return _get_base(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        (base,) = (part for part in get_args(annotation) if part is not type(None))
        return _get_base(base)
    return annotation
