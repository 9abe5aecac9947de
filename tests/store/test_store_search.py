"""The full-text index of every store: what is found, in which order, and what leaves it."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from tests.store import rows
from tests.store.rows import hours, message

from multimail_server.oversight import Direction, State
from multimail_server.store.protocol import Store, Tx
from multimail_server.store.query_language import (
    MAX_TERMS,
    narrow,
    parse_part,
    parse_query,
)
from multimail_server.store.records import Content, SearchFilter, Tag

PASSED = {"dmarc": {"result": "pass", "domain": "bank.example"},
          "dkim": [{"result": "pass", "domain": "bank.example", "aligned": True}]}  # fmt: skip
INBOUND: dict[str, Any] = {"direction": Direction.INBOUND, "status": State.UNREAD}


def insert(store: Store, number: int, body: str, *files: str, **changes: Any) -> None:
    """Insert a message with a text and files, in one transaction."""
    fields = {"subject": "", "from_name": "", "has_attachments": bool(files), **changes}
    record = message(number, **fields)

    def work(tx: Tx) -> None:
        tx.insert_message(record, Content(record.id, body, b""))
        for position, name in enumerate(files):
            tx.insert_attachment(replace(rows.attachment(number, position), name=name), b"")

    store.write(work)


FIELDS = {"sender": "sender", "recipient": "receivers", "subject": "title"}
PAGES = ("mailbox_id", "limit", "before_id", "reviewer")


def search(store: Store, query: str = "", **filters: Any) -> list[int]:
    """Search with a query, parts of fields, filters and the options of a page."""
    parts = [p for name, field in FIELDS.items() for p in parse_part(filters.pop(name, ""), field)]
    page = {name: filters.pop(name) for name in PAGES if name in filters}
    narrowed = narrow(parse_query(query), *parts, **filters)
    where = SearchFilter(**{"mailbox_id": "mbx_1", "limit": 100, **page}, query=narrowed)
    found = store.read(lambda tx: tx.search_messages(where))
    return [int(record.id.rpartition("_")[2]) for record in found]


TEXTS = [
    "The quarterly report is due on Friday. Please send INV-2041 to accounts@shop.example.",
    "Die Größe der Straße: élan vital, naïve café, ŁÓDŹ, İstanbul, Tiếng Việt.",
    "会议记录在附件中。東京タワーの写真 안녕하세요 การประชุม नमस्ते दुनिया",
    "don't worry AND be happy; NEAR(us, 5) * ^ : \" ' \\ 100% {x} 🎉 soft\u00adhy\u200bphen",
]


@pytest.fixture
def texts(store: Store) -> Store:
    """A store with one message for each of `TEXTS`."""
    for number, text in enumerate(TEXTS, 1):
        insert(store, number, text)
    return store


EXPECTED = {
    "report friday": [1],
    "REPORT  friday\tquarterly": [1],
    "report straße": [],
    '"report is due"': [1],
    '"due is report"': [],
    '"report due"': [],
    'report "is due': [1],
    "report -friday": [],
    "-report": [4, 3, 2],
    '-"is due" -elan': [4, 3],
    "quart*": [1],
    "quart": [],
    '"report is d*"': [],
    '"report is d"*': [],
    '"report is du"*': [1],
    "q*": [],
    "inv-2041": [1],
    "2041": [1],
    "accounts@shop.example": [1],
    "shop.example": [1],
    "shop.exam": [],
    "GROSSE strasse ELAN": [2],
    "größe cafe lodz istanbul viet": [2],
    "\uff25\uff2c\uff21\uff2e": [2],
    unicodedata.normalize("NFD", "élan"): [2],
    "会议": [3],
    "议记录": [3],
    "议会": [],
    "京タワー": [3],
    "안녕": [3],
    "ประชุม": [3],
    "नमस्ते": [3],
    "🎉": [4],
    "don't": [4],
    "dont": [],
    "softhyphen": [4],
    "worry AND happy": [4],
    "AND": [4],
    "NEAR(us, 5)": [4],
    "happy OR worry": [],
    "100%": [4],
    "us ": [4],
    "*": [],
    '"': [],
    "- * \" ' ^ : ( ) { } \\ ? % _ ; --": [],
    "": [4, 3, 2, 1],
    "   ": [4, 3, 2, 1],
    "mbx1": [],
    "mbx*": [],
    "outbound": [],
    "\ue000 \ue001": [],
}


def test_a_query_finds_its_words(texts: Store) -> None:
    assert {query: search(texts, query) for query in EXPECTED} == EXPECTED


ANYTHING = [
    "a" * 10_240,
    "word " * 2048,
    '"' * 10_240,
    "-" * 10_240,
    "(" * 5000 + ")" * 5000,
    "会" * 10_240,
    "\0\x01\x7f\ud800 report",
    "' OR 1=1; DROP TABLE messages --",
    "{title} : x",
    "title: report",
    "report NOT AND OR NEAR",
    "a* b* c* -d* " * 200,
    '"a b" ' * 1000,
    "'_mbx1' & !'x' <-> 'y':*ABCD",
    "\u202e\u2066 mixed \u0600\u06dd \U000e0041",
]


def test_any_text_is_a_query(texts: Store) -> None:
    for query in ANYTHING:
        assert set(search(texts, query)) <= {1, 2, 3, 4}, query[:20]
        for field in ("sender", "recipient", "subject"):
            assert search(texts, **{field: query}) == [], (query[:20], field)


def test_the_first_terms_of_a_long_query_count(texts: Store) -> None:
    assert search(texts, "report " + "friday quarterly " * 40 + "nowhere") == [1]
    assert search(texts, " ".join(f"-x{number}" for number in range(MAX_TERMS)) + " report") == [
        4, 3, 2, 1,
    ]  # fmt: skip


def test_each_field_is_searched_and_a_phrase_stays_in_its_field(store: Store) -> None:
    people: dict[str, Any] = {"from_name": "Ann Lee", "from_address": "ann@shop.example"}
    insert(store, 1, "the body", "plan one.pdf", "two.txt", subject="Hello there", **people,
           to=("bob@x.example", "cy@x.example"), cc=("dee@y.example",))  # fmt: skip
    insert(store, 2, "hello ann bob one")
    for query, expected in {
        "hello": [2, 1], "ann": [2, 1], "dee": [1], "plan": [1], "two.txt": [1], "body": [1],
        '"there the"': [], '"pdf two"': [], '"example bob"': [], '"example ann"': [],
        '"bob x example"': [1],
    }.items():  # fmt: skip
        assert search(store, query) == expected, query
    assert search(store, sender="ann") == search(store, sender="ANN@shop.exa") == [1]
    assert search(store, sender="nn") == search(store, sender="bob") == []
    assert search(store, recipient="y.example") == search(store, recipient="dee") == [1]
    assert search(store, subject="hello th") == [1]
    assert search(store, "body", sender="lee", subject="there", recipient="cy") == [1]
    assert search(store, "-body", sender="lee") == []


def test_filters_choose_and_pages_follow(store: Store) -> None:
    insert(store, 1, "word", **INBOUND, authentication=PASSED, created_at=hours(1))
    insert(store, 2, "word", "a.pdf", **INBOUND, created_at=hours(2), thread_id="thr_2")
    insert(store, 3, "word", direction=Direction.INBOUND, status=State.ARCHIVED)
    insert(store, 4, "word", status=State.SENT)
    for state in (State.PENDING_INBOUND_APPROVAL, State.REJECTED, State.SPAM_QUARANTINED):
        number = 5 + len(search(store, "word", reviewer=True)) - 4
        insert(store, number, "word", direction=Direction.INBOUND, status=state)

    def tag(tx: Tx) -> None:
        tx.set_tags("msg_0001", [Tag("msg_0001", "kind", "bill"), Tag("msg_0001", "a", "true")])
        tx.set_tags("msg_0004", [Tag("msg_0004", "kind", "other")])

    store.write(tag)
    for filters, expected in (
        ({}, [4, 3, 2, 1]),
        ({"reviewer": True}, [7, 6, 5, 4, 3, 2, 1]),
        ({"direction": Direction.INBOUND}, [3, 2, 1]),
        ({"statuses": (State.UNREAD,)}, [2, 1]),
        ({"has_attachments": True}, [2]),
        ({"has_attachments": False}, [4, 3, 1]),
        ({"label": "authenticated"}, [1]),
        ({"label": "own"}, [4]),
        ({"label": "unknown"}, [3, 2]),
        ({"tag": ("kind", None)}, [4, 1]),
        ({"tag": ("kind", "bill")}, [1]),
        ({"tag": ("kind", "x")}, []),
        ({"thread_id": "thr_2"}, [2]),
        ({"date_after": hours(2), "direction": Direction.INBOUND}, [3, 2]),
        ({"date_before": hours(2)}, [1]),
        ({"limit": 2}, [4, 3]),
        ({"limit": 2, "before_id": "msg_0003"}, [2, 1]),
        ({"before_id": "msg_0003", "tag": ("kind", None)}, [1]),
        ({"mailbox_id": "mbx_2"}, []),
    ):
        for query in ("word", "", "-nothing"):
            assert search(store, query, **filters) == expected, (query, filters)


def test_ids_of_one_millisecond_keep_their_order_and_pages(store: Store) -> None:
    """SQLite orders by their first digits, which are the same; then by when they came."""
    ids = [f"msg_01KDYJ0M4G{number:016}" for number in range(20)]
    for place in (3, *range(4, 20), 0, 1, 2):
        record = message(1, id=ids[place], rfc_message_id=f"<{place}@x>", fingerprint=None)
        store.write(lambda tx: tx.insert_message(record, Content(record.id, "word", b"")))  # noqa: B023
    seen: list[str] = []
    where = SearchFilter("mbx_1", 7, parse_query("word"))
    while page := store.read(lambda tx: tx.search_messages(where)):  # noqa: B023
        seen += [record.id for record in page]
        where = replace(where, before_id=seen[-1])
    assert sorted(seen) == ids
    assert len(seen) == len(ids)
    assert [found for found in seen if found > ids[3]] == ids[:3:-1]


def test_what_changes_or_goes_leaves_the_index(store: Store) -> None:
    insert(store, 1, "first text", "old.pdf", subject="before")
    insert(store, 2, "first text")
    record = store.read(lambda tx: tx.message("msg_0001"))
    assert record is not None

    def edit(tx: Tx) -> None:
        tx.update_message(record, record.status, subject="after", to=("new@x.example",))
        tx.put(Content(record.id, "second text", b""))
        tx.remove_attachments(record.id)
        tx.insert_attachment(replace(rows.attachment(1, 0), name="new.doc"), b"")

    store.write(edit)
    for query, expected in (("first", [2]), ("before", []), ("old", []), ("second", [1]),
                            ("after new doc", [1]), ("text", [2, 1])):  # fmt: skip
        assert search(store, query) == expected, query
    assert search(store, recipient="new@x.example") == [1]

    def fail(tx: Tx) -> None:
        tx.put(Content("msg_0001", "third", b""))
        raise LookupError("on purpose")

    with pytest.raises(LookupError):
        store.write(fail)
    assert search(store, "third") == []
    assert search(store, "second") == [1]
    store.write(lambda tx: tx.purge_content("msg_0001"))
    assert search(store, "text") == [2]
    store.write(lambda tx: tx.purge_mail())
    assert search(store, "text") == []
    insert(store, 3, "text")
    assert search(store, "text") == [3]


def test_texts_are_the_beginnings_of_bodies(store: Store) -> None:
    insert(store, 1, "one")
    insert(store, 2, "two" * 100_000)
    texts = store.read(lambda tx: tx.texts(["msg_0001", "msg_0002", "msg_0003"]))
    assert texts == {"msg_0001": "one", "msg_0002": "two" * 50_000}
    assert store.read(lambda tx: tx.texts([])) == {}


def test_a_long_text_is_indexed_as_far_as_the_limit(store: Store) -> None:
    """Nor does one of long words, many files or recipients go beyond what a database takes."""
    many = "".join(chr(0x4E00 + number % 20_000) for number in range(200_000))
    long = " ".join(f"{number:x}" + "\U00020000" * 63 for number in range(5000))
    insert(store, 1, f"start {many} end", *(f"f{n}.txt" for n in range(300)), subject="x " * 499,
           to=tuple(f"n{n}@x.example" for n in range(5000)))  # fmt: skip
    insert(store, 2, f"start {long} end")
    insert(store, 3, "word " * 20_000 + "last phrase")
    assert search(store, "start") == [2, 1]
    assert search(store, "end") == []
    assert search(store, "last phrase") == [3]
