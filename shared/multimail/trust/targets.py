"""Targets: what a tool call acts on, and whether the user's words or trusted data supplied it.

A target is an address, URL, host, phone number, account, path or id. Text that others wrote must
not choose it: the guard asks where it stands instead of comparing it with that text, which could
spell it out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any

from .addresses import extract_address, find_addresses, normalize_address, normalize_domain
from .hosts import HOST, fold_width, is_linked_host
from .payment import find_payment_details, fold_payment
from .text import clean

MAX_TARGETS = 500
"""The most targets of one call; a call with more is not explained."""
MAX_DEPTH = 20
"""How deep arguments and results are looked into."""


class TargetKind(StrEnum):
    """What a target is. `reaches_others` says which kinds carry data out."""

    ADDRESS = "address"
    URL = "url"
    HOST = "host"
    PHONE = "phone"
    PAYMENT = "payment"
    NAME = "name"
    """An id, a path, or another name of a record."""

    @property
    def reaches_others(self) -> bool:
        """Whether a call on such a target sends something to somebody."""
        return self is not TargetKind.NAME

    @property
    def is_request(self) -> bool:
        """Whether even reading from such a target tells its owner something."""
        return self in (TargetKind.URL, TargetKind.HOST)


# A host is not among them: names of settings, such as `user.name`, look like one.
_KEY_KINDS = (TargetKind.ADDRESS, TargetKind.URL, TargetKind.PHONE, TargetKind.PAYMENT)


@dataclass(frozen=True, slots=True)
class Target:
    """One target of a call.

    Attributes:
        argument: The argument that names it, or the key within one.
        value: As the model wrote it.
        kind: What it is.
        about: Words that say what a number numbers: the argument's name, or the tool's where that
            is just `id`.
    """

    argument: str
    value: str
    kind: TargetKind
    about: str = ""


def find_targets(
    arguments: Mapping[str, Any], names: Collection[str] | None = None, tool: str = ""
) -> list[Target]:
    """Return the targets of a call's arguments, at most `MAX_TARGETS` + 1.

    Args:
        arguments: The call's, nested as JSON is.
        names: The arguments, or keys within them, that are targets. By default those whose name
            says so (`to`, `url`, `file_id`, `path`, …), every text that as a whole is an address,
            a URL, a host, a phone number or an account, and every link in another text.
        tool: The tool's name.
    """
    return list(islice(_iter_targets(arguments, names, tool), MAX_TARGETS + 1))


def _iter_targets(
    arguments: Mapping[str, Any], names: Collection[str] | None, tool: str
) -> Iterator[Target]:
    yield from _iter_key_targets(arguments, names)
    for keys, value in walk(arguments):
        is_named = _is_named(keys, names)
        text = clean(str(value)).text.strip()
        if not text or isinstance(value, bool) or _MOMENT.fullmatch(text):
            continue
        if is_named:
            for piece in _split(text):
                about = keys[-1] if _has_kind(keys[-1]) else tool
                yield Target(keys[-1], piece, _get_kind(piece), about)
                yield from _iter_beside(keys[-1], piece)
        elif names is None and (kind := _get_kind(text)).reaches_others:
            yield Target(keys[-1], text, kind)
            yield from _iter_beside(keys[-1], text)
        elif names is None:
            yield from (Target(keys[-1], link, TargetKind.URL) for link in _iter_links(text))


def _iter_key_targets(
    arguments: Mapping[str, Any], names: Collection[str] | None
) -> Iterator[Target]:
    """Yield the keys of nested data that are targets: `{"guests": {"ann@example.com": true}}`."""
    for argument, value in arguments.items():
        for key in walk_keys(value):
            kind = _get_kind(clean(key).text.strip())
            if (names is None or argument in names) and kind in _KEY_KINDS:
                yield Target(argument, key, kind)


def _iter_beside(argument: str, text: str) -> Iterator[Target]:
    """Yield the addresses in the display name of another one: a tool may read both."""
    if _get_kind(text) is TargetKind.ADDRESS:
        others = find_addresses(fold_width(text)) - {normalize_address(fold_width(text))}
        yield from (Target(argument, address, TargetKind.ADDRESS) for address in sorted(others))


def walk_keys(data: Any, depth: int = MAX_DEPTH) -> Iterator[str]:
    """Yield each key of nested data."""
    if depth and isinstance(data, Mapping):
        for key, value in data.items():
            yield str(key)
            yield from walk_keys(value, depth - 1)
    elif depth and isinstance(data, list | tuple):
        for value in data:
            yield from walk_keys(value, depth - 1)


def walk(
    data: Any, keys: tuple[str, ...] = (), depth: int = MAX_DEPTH
) -> Iterator[tuple[tuple[str, ...], str | int | float]]:
    """Yield the keys and the value of each scalar in nested data; None is left out.

    What is nested deeper than `depth` counts as one text.
    """
    if depth and isinstance(data, Mapping):
        for key, value in data.items():
            yield from walk(value, (*keys, str(key)), depth - 1)
    elif depth and isinstance(data, list | tuple):
        for value in data:
            yield from walk(value, keys, depth - 1)
    elif data is not None:
        yield keys or ("",), data if isinstance(data, str | int | float) else str(data)


def contains_words(text: str, words: str) -> bool:
    """Return whether words stand in a text as whole words, in any case."""
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def is_id_key(key: str) -> bool:
    """Return whether a key of data names an id, such as `id`, `file_id` or `eventIds`."""
    return not _ID_WORDS.isdisjoint(list_words(key))


def name_id(value: object, key: str, tool: str) -> str:
    """Return an id with what it is an id of, as `Sources.ids` keeps it.

    Args:
        value: The id.
        key: Its key in a result, such as `file_id`; a bare `id` is of what the tool's name says.
        tool: The tool that returned it.
    """
    kinds = _list_kinds(key if _has_kind(key) else tool)
    return f"{' '.join(sorted(kinds))}={str(value)[:_MAX_ID_CHARS]}"


def _is_named(keys: tuple[str, ...], names: Collection[str] | None) -> bool:
    if names is not None:
        return not set(names).isdisjoint(keys)
    if keys[1:] and keys[-1] in _DESCRIBING_KEYS:
        return False
    return any(not _TARGET_WORDS.isdisjoint(list_words(key)) for key in (keys[0], keys[-1]))


def list_words(key: str) -> list[str]:
    """Return the words of a name such as `file_id` or `eventIds`, in lower case."""
    return [word.lower() for word in _WORD.findall(key)]


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ID_WORDS = frozenset({"id", "ids", "uid", "uuid", "guid"})
_TARGET_WORDS = _ID_WORDS.union((
    "to", "cc", "bcc", "recipient", "recipients", "participant", "participants", "attendee",
    "attendees", "invitee", "invitees", "guest", "guests", "member", "members", "user", "users",
    "username", "owner", "assignee", "email", "emails", "mail", "address", "addresses", "url",
    "urls", "uri", "link", "links", "href", "host", "hostname", "domain", "server", "endpoint",
    "webhook", "callback", "site", "website", "phone", "mobile", "tel", "iban", "account",
    "accounts", "card", "wallet", "payee", "beneficiary", "path", "paths", "file", "files",
    "filename", "filenames", "folder", "directory", "dir", "dest", "destination", "target",
    "targets", "repo", "repository", "project", "bucket", "table", "database", "channel",
    "channels", "room", "group", "groups", "attachment", "attachments", "contact", "contacts",
    "customer", "order", "ticket", "invoice", "record", "key",
))  # fmt: skip
_DESCRIBING_KEYS = frozenset({"type", "kind", "role", "permission"})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?")
_PIECE = re.compile(r'(?:"[^"]*"|[^,;\n"]|")+')
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|(?:mailto|tel|sms|data|javascript|file):).*",
    re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(HOST, re.VERBOSE | re.IGNORECASE)
_PHONE = re.compile(r"(?:\+|00)[\d ()./-]{6,24}\d|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}")
_DIGITS = re.compile(r"\D+")


def _split(text: str) -> Iterator[str]:
    """Yield the items of a list that is written as one text; a URL is one item."""
    if _URL.fullmatch(text):
        yield text
        return
    yield from filter(None, (match[0].strip() for match in _PIECE.finditer(text)))


def _get_kind(text: str) -> TargetKind:
    folded = fold_width(text)
    address = extract_address(folded)
    if find_addresses(address) == {normalize_address(address)}:
        return TargetKind.ADDRESS
    if _URL.fullmatch(folded):
        return TargetKind.URL
    match = _HOST.match(folded)
    if match and is_linked_host(match[0], folded, match.end()):
        rest = folded[match.end() :]
        if not rest or rest[0] in ":/?#":
            return TargetKind.URL if rest else TargetKind.HOST
    if _PHONE.fullmatch(folded):
        return TargetKind.PHONE
    if fold_payment(folded) in find_payment_details(folded):
        return TargetKind.PAYMENT
    return TargetKind.NAME


def _iter_links(text: str) -> Iterator[str]:
    """Yield the links in a text: URLs, and names of hosts with or without a path."""
    folded = fold_width(text)
    for match in _LINK.finditer(folded):
        host = match["host"]
        if not host or is_linked_host(host, folded, match.end("host")):
            yield match[0].rstrip(".,;:!?")


_LINK = re.compile(
    rf"""
    (?: (?<![a-z0-9])[a-z][a-z0-9+.-]{{0,30}}:// | (?<![\w:/])//(?=[\w-]+\.) | (?P<host>{HOST}) )
    [^\s<>"'()\[\]{{}}]*
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Sources:
    """What the user said and what trusted data held: where a target may come from.

    Attributes:
        texts: The user's words, and texts of trusted data.
        ids: Ids of trusted data, and of what the conversation itself created, as `name_id` writes
            them.
        addresses: Addresses that are allowed for other reasons, normalized.
    """

    texts: Collection[str] = ()
    ids: Collection[str] = ()
    addresses: Collection[str] = field(default_factory=frozenset)

    @classmethod
    def from_entries(cls, entries: Collection[str]) -> Sources:
        """Return the sources that were stored as `to_entries` writes them, beside addresses."""
        split = [entry.partition(":") for entry in entries]
        return cls(
            texts=[text for kind, _, text in split if kind == _TEXT],
            ids=[text for kind, _, text in split if kind == _ID],
            addresses=frozenset(entries),
        )

    def to_entries(self) -> frozenset[str]:
        """Return the sources as texts for a session store, their addresses among them."""
        texts = frozenset(f"{_TEXT}:{text}" for text in self.texts)
        return texts.union((f"{_ID}:{text}" for text in self.ids), self._addresses)

    def explain(self, target: Target) -> bool:
        """Return whether the target stands in these sources, as a whole."""
        value = fold_width(target.value)
        match target.kind:
            case TargetKind.ADDRESS:
                return normalize_address(value) in self._addresses
            case TargetKind.URL | TargetKind.HOST:
                return _normalize_url(value) in self._urls
            case TargetKind.PHONE:
                return _fold_phone(value) in self._phones
            case TargetKind.PAYMENT:
                return fold_payment(value) in self._payments
            case TargetKind.NAME:
                return self._has_id(value, target.about) or self._names(value, target.about)

    def explain_text(self, text: str) -> bool:
        """Return whether a text, such as the words of a search, stands in these sources."""
        return self.explain(Target("", text.strip(), _get_kind(text.strip())))

    @cached_property
    def _folded(self) -> list[str]:
        return [fold_width(clean(text).text) for text in self.texts]

    @cached_property
    def _addresses(self) -> frozenset[str]:
        return find_addresses(*self._folded).union(self.addresses)

    @cached_property
    def _urls(self) -> frozenset[str]:
        tokens = (token for text in self._folded for token in text.split())
        bare = (token.strip("<>()[]{}\"'`,;!?*").rstrip(".:") for token in tokens)
        return frozenset(_normalize_url(token) for token in bare if "." in token or ":" in token)

    @cached_property
    def _phones(self) -> frozenset[str]:
        matches = (match[0] for text in self._folded for match in _PHONE.finditer(text))
        return frozenset(map(_fold_phone, matches))

    @cached_property
    def _payments(self) -> frozenset[str]:
        return find_payment_details(*self._folded)

    def _has_id(self, value: str, about: str) -> bool:
        """Return whether it is an id of the same kind of thing."""
        kinds = _list_kinds(about)
        entries = (entry.partition("=") for entry in self.ids)
        return any(
            known.casefold() == value.casefold() and not kinds.isdisjoint(names.split())
            for names, _, known in entries
        )

    def _names(self, name: str, about: str) -> bool:
        """Return whether a name stands in the texts by itself, and not as a part of another."""
        if name.isdigit() and len(name) <= _MAX_BARE_DIGITS:
            return any(_is_numbered(name, _list_kinds(about), text) for text in self._folded)
        names = [f"#{name}"] if name.casefold() in _COMMON_WORDS else [name, f"#{name}"]
        pattern = _NAMED.replace("NAME", "|".join(map(re.escape, names)))
        return bool(name) and any(re.search(pattern, text, re.IGNORECASE) for text in self._folded)


def _is_numbered(number: str, kinds: Collection[str], text: str) -> bool:
    """Return whether a text says of a number that it is the id of something of these kinds."""
    pattern = _NUMBERED.replace("KINDS", "|".join(map(re.escape, kinds)) or "id")
    for match in re.finditer(pattern.replace("NAME", number), text, re.IGNORECASE):
        start = max(0, match.start() - _KIND_DISTANCE)
        nouns = _KIND.findall(text[start : match.end()])
        if not nouns or nouns[-1].lower() in kinds:
            return True
    return False


_TEXT, _ID = "said", "id"
_MAX_BARE_DIGITS = 8
_NAMED = r"(?<![\w@/\\.:+-])(?:NAME)(?![\w@/\\+-]|[.:](?=\w))"
# A short number is an id only where a word says so: others are times, amounts and dates.
_NUMBERED = (
    r"(?:\b(?:ids?|nos?|nr|numbers?|(?:KINDS)s?)\b|\#)"
    r"[^\w\n]{0,3}(?:(?:ids?|no|nr|number|with|and|\d{1,8})\b[^\w\n]{1,3}){0,20}"
    r"(?<![\d:.,/-])(?:(?<!:\s)NAME|NAME(?![.)]\s))(?!\w|[:.,/-]\d|\s*(?:%|[ap]\.?m\b))"
)
_SAME_KINDS = (
    frozenset({"file", "document", "doc", "attachment"}),
    frozenset({"event", "meeting", "appointment"}),
    frozenset({"email", "mail", "message"}),
    frozenset({"ticket", "issue", "case"}),
)
_KIND = re.compile(
    r"\b(file|document|doc|attachment|event|meeting|appointment|e-?mail|mail|message|ticket|issue|"
    r"case|order|invoice|task|record|item|customer|user|account|contact|project|page|note)s?\b",
    re.IGNORECASE,
)
_KIND_DISTANCE = 30
_MAX_ID_CHARS = 200


def _has_kind(argument: str) -> bool:
    return not _ID_WORDS.issuperset(list_words(argument))


def _list_kinds(about: str) -> frozenset[str]:
    """Return the words for what is numbered, by a name such as `file_id` or `delete_file`."""
    words = frozenset(word.removesuffix("s") for word in list_words(about)) - _NO_KINDS
    return words.union(*(same for same in _SAME_KINDS if same & words))


_NO_KINDS = _ID_WORDS.union((
    "add", "all", "append", "archive", "book", "by", "cancel", "change", "close", "copy", "create",
    "current", "delete", "edit", "find", "for", "from", "get", "in", "insert", "list", "look",
    "make", "mark", "move", "name", "new", "of", "on", "open", "post", "put", "read", "remove",
    "rename", "reply", "reschedule", "save", "search", "send", "set", "share", "show", "to",
    "update", "upload", "use", "with", "write",
))  # fmt: skip
"""Words of a tool's name that say what it does and not to what."""


_COMMON_WORDS = frozenset((
    "a", "all", "also", "am", "an", "and", "any", "anyone", "as", "at", "be", "by", "can", "do",
    "each", "every", "everyone", "everybody", "for", "from", "general", "get", "go", "has",
    "have", "he", "her", "here", "him", "his", "i", "if", "in", "into", "is", "it", "its", "me",
    "more", "my", "new", "no", "not", "now", "of", "on", "one", "or", "our", "out", "please",
    "pm", "public", "send", "she", "so", "team", "that", "the", "their", "them", "then", "there",
    "they", "this", "to", "up", "us", "user", "was", "we", "what", "when", "where", "which",
    "who", "will", "with", "yes", "you", "your",
))  # fmt: skip


def get_host(target: Target) -> str:
    """Return the host of a URL or a host name; empty for any other target.

    A backslash ends the host for browsers and not for all libraries, so such a URL has none.
    """
    if not target.kind.is_request or "\\" in target.value:
        return ""
    rest = fold_width(target.value).partition("://")[2] or fold_width(target.value)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return normalize_domain(authority.rpartition("@")[2].partition(":")[0])


def _normalize_url(text: str) -> str:
    """Return a URL in a form in which equal ones are equal: without `https:` and a final slash."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    host, slash, path = rest.partition("/")
    kept = "" if scheme.lower() in ("", "http", "https") else f"{scheme.lower()}://"
    name, port_mark, port = host.partition(":")
    return f"{kept}{normalize_domain(name)}{port_mark}{port}{slash}{path}".rstrip("/")


def _fold_phone(text: str) -> str:
    digits = _DIGITS.sub("", text)
    return digits.removeprefix("00")
