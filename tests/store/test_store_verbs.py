"""The contract of any store: each verb, and that every field comes back as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.store import rows
from tests.store.rows import hours, message

from multimail_server.oversight import Direction, Mode, State
from multimail_server.store.protocol import Reader, Store, Tx
from multimail_server.store.records import MessageFilter


def ids(found: list[Any]) -> list[int]:
    return [int(one.id.rpartition("_")[2]) for one in found]


def put(store: Store, *messages: Any) -> None:
    store.write(lambda tx: rows.insert(tx, *messages))


def each(store: Store, verb: str, *records: Any) -> None:
    """Let one transaction do the same with each record."""

    def work(tx: Tx) -> None:
        for record in records:
            getattr(tx, verb)(record)

    store.write(work)


def test_records_come_back_as_they_were(store: Store) -> None:
    full = message(1, send_at=hours(1), decided_by="key_1", spam_score=1.5, bounce_code=550)
    put(store, full)

    def look(tx: Reader) -> list[object]:
        return [tx.account("acc_1"), tx.mailbox("mbx_1"), tx.key("key_1"), tx.message("msg_0001"),
                tx.content("msg_0001")]  # fmt: skip

    assert store.read(look) == [rows.ACCOUNT, rows.MAILBOX, rows.KEY, full, rows.content(1)]


def test_what_is_not_there_is_none(store: Store) -> None:
    def look(tx: Reader) -> list[object]:
        return [tx.account("x"), tx.mailbox("x"), tx.key("x"), tx.key_by_sha256("x"),
                tx.message("x"), tx.content("x"), tx.attachment("x"), tx.idempotency("mbx_1", "x"),
                tx.outbox_row("x"), tx.next_outbox_due(), tx.next_expiry(), tx.test_delivery("x"),
                tx.contact("x"), tx.contact_by_email("acc_1", "x"), tx.setting("x"),
                tx.mailbox_by_address("x")]  # fmt: skip

    assert set(store.read(look)) == {None}


def test_putting_again_replaces(store: Store) -> None:
    changed = replace(rows.MAILBOX, oversight_mode=Mode.GATED_ALL, settings={})
    revoked = replace(rows.KEY, revoked_at=hours(1), scopes=("read",))

    def work(tx: Tx) -> None:
        tx.put_mailbox(changed)
        tx.put_key(revoked)
        tx.set_setting("name", "one")
        tx.set_setting("name", "two")

    store.write(work)
    assert store.read(lambda tx: tx.mailboxes("acc_1")) == [changed]
    assert store.read(lambda tx: tx.keys("acc_1")) == [revoked]
    assert store.read(lambda tx: tx.key_by_sha256("5ha")) == revoked
    assert store.read(lambda tx: tx.setting("name")) == "two"


def test_a_deleted_mailbox_gives_its_address_free(store: Store) -> None:
    after = replace(rows.MAILBOX, id="mbx_2")
    store.write(lambda tx: tx.put_mailbox(replace(rows.MAILBOX, deleted_at=hours(1))))
    store.write(lambda tx: tx.put_mailbox(after))
    assert store.read(lambda tx: tx.mailbox_by_address("box@example.com")) == after
    assert store.read(lambda tx: tx.mailboxes("acc_1")) == [after]


def test_an_address_belongs_to_one_mailbox(store: Store) -> None:
    twin = replace(rows.MAILBOX, id="mbx_2")
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.write(lambda tx: tx.put_mailbox(twin))
    assert store.read(lambda tx: tx.mailboxes("acc_1")) == [rows.MAILBOX]


def test_a_move_changes_what_it_names_and_nothing_else(store: Store) -> None:
    put(store, message(1), message(2))
    changes = {"decision": "approve", "decided_at": hours(2), "delivery": {"a": {"code": 1}}}
    moved = store.write(lambda tx: tx.update_message(message(1), State.SENDING, **changes))
    assert moved == message(1, status=State.SENDING, **changes)
    assert store.read(lambda tx: tx.message("msg_0001")) == moved
    assert store.read(lambda tx: tx.message("msg_0002")) == message(2)


def test_a_move_from_another_status_changes_nothing(store: Store) -> None:
    put(store, message(1, status=State.CANCELLED))
    assert store.write(lambda tx: tx.update_message(message(1), State.SENDING)) is None
    assert store.read(lambda tx: tx.message("msg_0001")) == message(1, status=State.CANCELLED)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"limit": 2}, [6, 5]),
        ({"limit": 2, "offset": 1}, [5, 4]),
        ({"before_id": "msg_0004"}, [3, 2, 1]),
        ({"since_id": "msg_0004"}, [6, 5]),
        ({"before_id": "msg_0005", "since_id": "msg_0002"}, [4, 3]),
        ({"direction": Direction.INBOUND}, [4, 3, 2]),
        ({"statuses": (State.UNREAD, State.SENT)}, [5, 2]),
        ({"sender": "ÉLISE"}, [2]),
        ({"sender": "elsewhere"}, [2]),
        ({"sender": "elsewhere", "reviewer": True}, [4, 3, 2]),
        ({"sender": "%"}, [6, 5, 1]),
        ({"subject_contains": "GRÜSSE"}, [6, 5, 1]),
        ({"subject_contains": "secret"}, []),
        ({"subject_contains": "secret", "reviewer": True}, [4, 3]),
        ({"date_after": hours(3), "date_before": hours(5)}, [4, 3]),
        ({"has_attachments": True}, [6]),
        ({"has_attachments": True, "reviewer": True}, [6, 3]),
    ],
)
def test_a_listing_filters_and_pages(
    store: Store, filters: dict[str, Any], expected: list[int]
) -> None:
    inbound: dict[str, Any] = {"direction": Direction.INBOUND, "from_address": "a@elsewhere.test"}
    hidden = {**inbound, "from_name": "", "subject": "a secret"}
    put(
        store,
        message(1),
        message(2, **inbound, status=State.UNREAD, from_name="élise", subject="Hello"),
        message(3, **hidden, status=State.PENDING_INBOUND_APPROVAL, has_attachments=True),
        message(4, **hidden, status=State.REJECTED),
        message(5, status=State.SENT),
        message(6, has_attachments=True),
    )
    where = MessageFilter(**{"mailbox_id": "mbx_1", "limit": 100, **filters})
    assert ids(store.read(lambda tx: tx.list_messages(where))) == expected


def test_a_thread_is_its_newest_messages_oldest_first(store: Store) -> None:
    put(store, message(1), message(2), message(3), message(4, thread_id="thr_2"))
    assert ids(store.read(lambda tx: tx.thread("mbx_1", "thr_1", 2))) == [2, 3]
    assert store.read(lambda tx: tx.thread("mbx_2", "thr_1", 2)) == []


def test_messages_are_found_by_what_they_are(store: Store) -> None:
    put(store, message(1, direction=Direction.INBOUND), message(2))

    def look(tx: Reader) -> list[object]:
        found = [
            tx.find_by_rfc_ids("mbx_1", ["<1@example.com>", "<2@example.com>"]),
            tx.find_by_raw("mbx_1", "raw 1", hours(0)),
            tx.find_by_fingerprint("mbx_1", "print 2", hours(0)),
        ]
        return [one and one.id for one in found]

    assert store.read(look) == ["msg_0002", "msg_0001", "msg_0002"]

    def miss(tx: Reader) -> list[object]:
        return [tx.find_by_rfc_ids("mbx_1", []), tx.find_by_rfc_ids("mbx_2", ["<1@example.com>"]),
                tx.find_by_raw("mbx_1", "raw 1", hours(1)),
                tx.find_by_raw("mbx_1", "raw 2", hours(0)),
                tx.find_by_fingerprint("mbx_1", "print 2", hours(2))]  # fmt: skip

    assert set(store.read(miss)) == {None}


def test_the_queue_is_what_can_still_be_decided_oldest_first(store: Store) -> None:
    put(
        store,
        message(1),
        message(2, status=State.SENT),
        message(3, expires_at=hours(5)),
        message(4, direction=Direction.INBOUND, status=State.PENDING_INBOUND_APPROVAL,
                expires_at=None),
        message(5),
    )  # fmt: skip

    def queue(at: float, after: str, limit: int, mailbox: str | None = None) -> list[int]:
        return ids(
            store.read(lambda tx: tx.pending_messages("acc_1", mailbox, hours(at), after, limit))
        )

    assert queue(4, "", 10) == [1, 3, 4, 5]
    assert queue(5, "", 10) == [1, 4, 5]
    assert queue(4, "msg_0001", 2) == [3, 4]
    assert queue(4, "", 10, "mbx_1") == [1, 3, 4, 5]
    assert queue(4, "", 10, "mbx_2") == []


def test_expiry_is_of_what_awaits_a_decision_alone(store: Store) -> None:
    put(store, message(1, expires_at=hours(1), status=State.SENT), message(2, expires_at=hours(3)),
        message(3, expires_at=hours(2)))  # fmt: skip
    assert store.read(lambda tx: tx.next_expiry()) == hours(2)
    assert store.read(lambda tx: tx.expired_messages(hours(1.9), 10)) == []
    assert ids(store.read(lambda tx: tx.expired_messages(hours(2), 10))) == [3]
    assert len(store.read(lambda tx: tx.expired_messages(hours(9), 1))) == 1
    assert sorted(ids(store.read(lambda tx: tx.expired_messages(hours(9), 10)))) == [2, 3]


def test_in_state_and_counts(store: Store) -> None:
    put(store, message(1), message(2, status=State.SCHEDULED),
        message(3, status=State.UNREAD, direction=Direction.INBOUND))  # fmt: skip
    wanted = (State.SCHEDULED, State.PENDING_SEND_APPROVAL)
    assert ids(store.read(lambda tx: tx.messages_in_states("mbx_1", wanted))) == [1, 2]
    counts = store.read(lambda tx: tx.count_messages("acc_1", hours(2)))
    assert counts == {"outbound": 1, "inbound": 1}


def test_attachments_keep_their_order_and_their_bytes(store: Store) -> None:
    first, second = rows.attachment(1, 0), rows.attachment(1, 1)

    def work(tx: Tx) -> None:
        rows.insert(tx, message(1))
        tx.insert_attachment(second, b"\x00\xff")
        tx.insert_attachment(first, b"")

    store.write(work)
    assert store.read(lambda tx: tx.attachments("msg_0001")) == [first, second]
    assert store.read(lambda tx: tx.attachment(second.id)) == second
    assert store.read(lambda tx: tx.attachment_content(second.id)) == b"\x00\xff"
    assert store.read(lambda tx: tx.attachment_content(first.id)) == b""


def test_a_message_s_files_are_removed_together(store: Store) -> None:
    put(store, message(1), message(2))

    def work(tx: Tx) -> None:
        for number in (1, 2):
            for position in (0, 1):
                tx.insert_attachment(rows.attachment(number, position), b"x")
        tx.remove_attachments("msg_0001")
        tx.insert_attachment(rows.attachment(1, 0), b"new")

    store.write(work)

    def look(tx: Reader) -> list[object]:
        return [tx.attachments("msg_0001"), tx.attachment_content("att_1_0"),
                tx.attachment("att_1_1"), len(tx.attachments("msg_0002")),
                tx.attachment_content("att_2_1")]  # fmt: skip

    assert store.read(look) == [[rows.attachment(1, 0)], b"new", None, 2, b"x"]


def test_tags_are_replaced_as_a_whole(store: Store) -> None:
    put(store, message(1))
    store.write(lambda tx: tx.set_tags("msg_0001", {"b": rows.WORDS, "a": ""}))
    assert list(store.read(lambda tx: tx.tags("msg_0001"))) == ["a", "b"]
    store.write(lambda tx: tx.set_tags("msg_0001", {"c": "1"}))
    assert store.read(lambda tx: tx.tags("msg_0001")) == {"c": "1"}


def test_idempotency_is_remembered_replaced_and_forgotten(store: Store) -> None:
    put(store, message(1), message(2))
    store.write(lambda tx: tx.put_idempotency(rows.idempotency("old", 1)))
    store.write(lambda tx: tx.put_idempotency(rows.idempotency("new", 1)))
    later = rows.idempotency("new", 2, hours(1))
    store.write(lambda tx: tx.put_idempotency(later))
    store.write(lambda tx: tx.purge_idempotency(hours(1)))
    assert store.read(lambda tx: tx.idempotency("mbx_1", "old")) is None
    assert store.read(lambda tx: tx.idempotency("mbx_1", "new")) == later


def test_the_outbox_gives_what_is_due_in_its_order(store: Store) -> None:
    put(store, message(1), message(2), message(3))
    late, soon = rows.outbox(1, hours(2)), rows.outbox(2, hours(1))

    def work(tx: Tx) -> None:
        for row in (late, soon, rows.outbox(3, hours(3))):
            tx.put_outbox(row)

    store.write(work)
    assert store.read(lambda tx: tx.next_outbox_due()) == hours(1)
    assert store.read(lambda tx: tx.outbox_due(hours(2), 10)) == [soon, late]
    assert store.read(lambda tx: tx.outbox_due(hours(2), 1)) == [soon]
    store.write(lambda tx: tx.put_outbox(replace(soon, attempts=9)))
    assert store.read(lambda tx: tx.outbox_row("msg_0002")) == replace(soon, attempts=9)
    store.write(lambda tx: tx.remove_outbox("msg_0002"))
    store.write(lambda tx: tx.remove_outbox("msg_0002"))
    assert store.read(lambda tx: tx.outbox_due(hours(2), 10)) == [late]


def test_test_deliveries_are_newest_first(store: Store) -> None:
    put(store, message(1), message(2))
    one, two = rows.delivery(1), rows.delivery(2)
    each(store, "insert_test_delivery", one, two)
    assert store.read(lambda tx: tx.test_deliveries("acc_1", None, 10)) == [two, one]
    assert store.read(lambda tx: tx.test_deliveries("acc_1", "mbx_1", 1)) == [two]
    assert store.read(lambda tx: tx.test_deliveries("acc_1", "mbx_2", 1)) == []
    assert store.read(lambda tx: tx.test_delivery("msg_0001")) == one


def test_contacts_are_found_by_any_part_in_any_case(store: Store) -> None:
    one, two = rows.contact(1, "b@example.com", "Élise"), rows.contact(2, "a@example.com")
    each(store, "put_contact", one, two)

    def search(query: str) -> list[int]:
        return ids(store.read(lambda tx: tx.contacts("acc_1", query, 10)))

    assert (search(""), search("éLI"), search("EXAMPLE"), search("%")) == ([2, 1], [1], [2, 1], [])
    store.write(lambda tx: tx.put_contact(replace(one, name=None, tags=())))
    assert store.read(lambda tx: tx.contact("con_1")) == replace(one, name=None, tags=())
    store.write(lambda tx: tx.remove_contact("con_1"))
    assert store.read(lambda tx: tx.contact_by_email("acc_1", "b@example.com")) is None


def test_the_audit_log_pages_newest_first(store: Store) -> None:
    lines = [rows.audit(1), rows.audit(2, None), rows.audit(3)]
    each(store, "add_audit", *lines)

    def page(mailbox: str | None, before: str | None, limit: int) -> list[Any]:
        return store.read(lambda tx: tx.audit("acc_1", mailbox, before, limit))

    assert page(None, None, 10) == lines[::-1]
    assert page(None, "aud_3", 1) == [lines[1]]
    assert page("mbx_1", None, 10) == [lines[2], lines[0]]
    assert page("mbx_2", None, 10) == []
