"""The contract of every store: each query and change, and that every field comes back as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.store import rows
from tests.store.rows import hours, message

from multimail_server.oversight import Direction, Mode, State
from multimail_server.store.protocol import Reader, Store, Tx
from multimail_server.store.records import (
    BrowserSession,
    DeliveryFilter,
    DeliveryStatus,
    EventFilter,
    MessageFilter,
    Notification,
    OneTimeCode,
    Purpose,
    SignedHeaders,
    SignInFailure,
    Tag,
)


def ids(records: list[Any]) -> list[int]:
    return [int(record.id.rpartition("_")[2]) for record in records]


def insert(store: Store, *messages: Any) -> None:
    store.write(lambda tx: rows.insert(tx, *messages))


def write_each(store: Store, change: str, *records: Any) -> None:
    """Make the same change with each record, in one transaction."""

    def work(tx: Tx) -> None:
        for record in records:
            getattr(tx, change)(record)

    store.write(work)


def test_records_are_read_as_they_were_written(store: Store) -> None:
    full = message(1, send_at=hours(1), decided_by="key_1", spam_score=1.5, bounce_code=550)
    insert(store, full)

    def read_all(tx: Reader) -> list[object]:
        return [tx.account("acc_1"), tx.mailbox("mbx_1"), tx.key("key_1"), tx.message("msg_0001"),
                tx.content("msg_0001")]  # fmt: skip

    assert store.read(read_all) == [rows.ACCOUNT, rows.MAILBOX, rows.KEY, full, rows.content(1)]
    store.write(lambda tx: tx.put(replace(rows.ACCOUNT, id="acc_2")))
    assert store.read(lambda tx: tx.first_account()) == rows.ACCOUNT
    edited = replace(rows.content(1), markdown="edited", removed=())
    store.write(lambda tx: tx.put(edited))
    assert store.read(lambda tx: tx.content("msg_0001")) == edited


def test_a_missing_record_is_none(store: Store) -> None:
    def read_all(tx: Reader) -> list[object]:
        return [tx.account("x"), tx.mailbox("x"), tx.key("x"), tx.key_by_sha256("x"),
                tx.message("x"), tx.content("x"), tx.attachment("x"), tx.idempotency("mbx_1", "x"),
                tx.outbox_row("x"), tx.next_outbox_due(), tx.next_expiry(), tx.test_delivery("x"),
                tx.contact("x"), tx.contact_by_email("acc_1", "x"), tx.setting("x"),
                tx.mailbox_by_address("x")]  # fmt: skip

    assert set(store.read(read_all)) == {None}


def test_put_replaces_a_record(store: Store) -> None:
    changed = replace(rows.MAILBOX, oversight_mode=Mode.GATED_ALL, settings={})
    revoked = replace(rows.KEY, revoked_at=hours(1), scopes=("read",))

    def work(tx: Tx) -> None:
        tx.put(changed)
        tx.put(revoked)
        tx.set_setting("name", "one")
        tx.set_setting("name", "two")

    store.write(work)
    assert store.read(lambda tx: tx.mailboxes("acc_1")) == [changed]
    assert store.read(lambda tx: tx.keys("acc_1")) == [revoked]
    assert store.read(lambda tx: tx.key_by_sha256("5ha")) == revoked
    assert store.read(lambda tx: tx.setting("name")) == "two"


def test_the_address_of_a_deleted_mailbox_can_be_used_again(store: Store) -> None:
    after = replace(rows.MAILBOX, id="mbx_2")
    store.write(lambda tx: tx.put(replace(rows.MAILBOX, deleted_at=hours(1))))
    store.write(lambda tx: tx.put(after))
    assert store.read(lambda tx: tx.mailbox_by_address("box@example.com")) == after
    assert store.read(lambda tx: tx.mailboxes("acc_1")) == [after]


def test_an_address_belongs_to_one_mailbox(store: Store) -> None:
    twin = replace(rows.MAILBOX, id="mbx_2")
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.write(lambda tx: tx.put(twin))
    assert store.read(lambda tx: tx.mailboxes("acc_1")) == [rows.MAILBOX]


def test_update_message_changes_only_the_named_fields(store: Store) -> None:
    insert(store, message(1), message(2))
    changes = {"decision": "approve", "decided_at": hours(2), "delivery": {"a": {"code": 1}}}
    moved = store.write(lambda tx: tx.update_message(message(1), State.SENDING, **changes))
    assert moved == message(1, status=State.SENDING, **changes)
    assert store.read(lambda tx: tx.message("msg_0001")) == moved
    assert store.read(lambda tx: tx.message("msg_0002")) == message(2)


def test_update_message_needs_the_expected_status(store: Store) -> None:
    insert(store, message(1, status=State.CANCELLED))
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
def test_list_messages_filters_and_pages(
    store: Store, filters: dict[str, Any], expected: list[int]
) -> None:
    inbound: dict[str, Any] = {"direction": Direction.INBOUND, "from_address": "a@elsewhere.test"}
    hidden = {**inbound, "from_name": "", "subject": "a secret"}
    insert(
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
    insert(store, message(1), message(2), message(3), message(4, thread_id="thr_2"))
    assert ids(store.read(lambda tx: tx.thread("mbx_1", "thr_1", 2))) == [2, 3]
    assert store.read(lambda tx: tx.thread("mbx_2", "thr_1", 2)) == []


def test_messages_are_found_by_message_id_bytes_and_fingerprint(store: Store) -> None:
    insert(
        store,
        message(1, direction=Direction.INBOUND),
        message(2),
        message(3, fingerprint="print 2"),
    )

    def read_all(tx: Reader) -> list[object]:
        records = [
            tx.find_by_rfc_ids("mbx_1", ["<1@example.com>", "<2@example.com>"]),
            tx.find_by_raw("mbx_1", "raw 1", hours(0)),
            tx.find_by_fingerprint("mbx_1", "print 2", hours(0)),
        ]
        return [record and record.id for record in records]

    assert store.read(read_all) == ["msg_0002", "msg_0001", "msg_0003"]

    def read_missing(tx: Reader) -> list[object]:
        return [tx.find_by_rfc_ids("mbx_1", []), tx.find_by_rfc_ids("mbx_2", ["<1@example.com>"]),
                tx.find_by_raw("mbx_1", "raw 1", hours(1)),
                tx.find_by_raw("mbx_1", "raw 2", hours(0)),
                tx.find_by_fingerprint("mbx_1", "print 2", hours(3))]  # fmt: skip

    assert set(store.read(read_missing)) == {None}


def test_pending_messages_are_those_that_can_still_be_decided(store: Store) -> None:
    insert(
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


def test_only_messages_that_await_a_decision_expire(store: Store) -> None:
    insert(
        store,
        message(1, expires_at=hours(1), status=State.SENT),
        message(2, expires_at=hours(3)),
        message(3, expires_at=hours(2)),
    )
    assert store.read(lambda tx: tx.next_expiry()) == hours(2)
    assert store.read(lambda tx: tx.expired_messages(hours(1.9), 10)) == []
    assert ids(store.read(lambda tx: tx.expired_messages(hours(2), 10))) == [3]
    assert len(store.read(lambda tx: tx.expired_messages(hours(9), 1))) == 1
    assert sorted(ids(store.read(lambda tx: tx.expired_messages(hours(9), 10)))) == [2, 3]


def test_messages_by_state_and_counts_by_direction(store: Store) -> None:
    insert(store, message(1), message(2, status=State.SCHEDULED),
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


def test_remove_attachments_removes_those_of_one_message(store: Store) -> None:
    insert(store, message(1), message(2))

    def work(tx: Tx) -> None:
        for number in (1, 2):
            for position in (0, 1):
                tx.insert_attachment(rows.attachment(number, position), b"x")
        tx.remove_attachments("msg_0001")
        tx.insert_attachment(rows.attachment(1, 0), b"new")

    store.write(work)

    def read_all(tx: Reader) -> list[object]:
        return [tx.attachments("msg_0001"), tx.attachment_content("att_1_0"),
                tx.attachment("att_1_1"), len(tx.attachments("msg_0002")),
                tx.attachment_content("att_2_1")]  # fmt: skip

    assert store.read(read_all) == [[rows.attachment(1, 0)], b"new", None, 2, b"x"]


def test_tags_are_replaced_as_a_whole(store: Store) -> None:
    insert(store, message(1))
    tags = [Tag("msg_0001", "b", rows.WORDS, "failed"), Tag("msg_0001", "a", "")]
    store.write(lambda tx: tx.set_tags("msg_0001", tags))
    assert store.read(lambda tx: tx.tags("msg_0001")) == tags[::-1]
    store.write(lambda tx: tx.set_tags("msg_0001", [rows.TAG]))
    assert store.read(lambda tx: tx.tags("msg_0001")) == [rows.TAG]


def test_idempotency_is_stored_replaced_and_purged(store: Store) -> None:
    insert(store, message(1), message(2))
    store.write(lambda tx: tx.put(rows.idempotency("old", 1)))
    store.write(lambda tx: tx.put(rows.idempotency("new", 1)))
    later = rows.idempotency("new", 2, hours(1))
    store.write(lambda tx: tx.put(later))
    store.write(lambda tx: tx.purge_idempotency(hours(1)))
    assert store.read(lambda tx: tx.idempotency("mbx_1", "old")) is None
    assert store.read(lambda tx: tx.idempotency("mbx_1", "new")) == later


def test_the_outbox_returns_due_messages_in_order(store: Store) -> None:
    insert(store, message(1), message(2), message(3))
    late, soon = rows.outbox(1, hours(2)), rows.outbox(2, hours(1))

    def work(tx: Tx) -> None:
        for row in (late, soon, rows.outbox(3, hours(3))):
            tx.put(row)

    store.write(work)
    assert store.read(lambda tx: tx.next_outbox_due()) == hours(1)
    assert store.read(lambda tx: tx.outbox_due(hours(2), 10)) == [soon, late]
    assert store.read(lambda tx: tx.outbox_due(hours(2), 1)) == [soon]
    live = replace(message(4), live=True)
    insert(store, live)
    ids = ["msg_0001", live.id]
    assert store.read(lambda tx: tx.live_mailboxes(ids)) == {live.id: live.mailbox_id}
    store.write(lambda tx: tx.put(replace(soon, attempts=9)))
    assert store.read(lambda tx: tx.outbox_row("msg_0002")) == replace(soon, attempts=9)
    counts = store.read(lambda tx: tx.count_work())
    assert counts == {"outbox": 3, "retries": 3, "held": 4, "webhooks": 0}
    store.write(lambda tx: tx.remove_outbox("msg_0002"))
    store.write(lambda tx: tx.remove_outbox("msg_0002"))
    assert store.read(lambda tx: tx.outbox_due(hours(2), 10)) == [late]


def test_test_deliveries_are_newest_first(store: Store) -> None:
    insert(store, message(1), message(2))
    older, newer = rows.delivery(1), rows.delivery(2)
    write_each(store, "put", older, newer)
    assert store.read(lambda tx: tx.test_deliveries("acc_1", None, 10)) == [newer, older]
    assert store.read(lambda tx: tx.test_deliveries("acc_1", "mbx_1", 1)) == [newer]
    assert store.read(lambda tx: tx.test_deliveries("acc_1", "mbx_2", 1)) == []
    assert store.read(lambda tx: tx.test_delivery("msg_0001")) == older


def test_contacts_are_found_by_any_part_in_any_case(store: Store) -> None:
    elise = rows.contact(1, "b@example.com", "Élise")
    write_each(store, "put", elise, rows.contact(2, "a@example.com"))

    def search(query: str) -> list[int]:
        return ids(store.read(lambda tx: tx.contacts("acc_1", query, 10)))

    assert (search(""), search("éLI"), search("EXAMPLE"), search("%")) == ([2, 1], [1], [2, 1], [])
    store.write(lambda tx: tx.put(replace(elise, name=None, tags=())))
    assert store.read(lambda tx: tx.contact("con_1")) == replace(elise, name=None, tags=())
    store.write(lambda tx: tx.remove_contact("con_1"))
    assert store.read(lambda tx: tx.contact_by_email("acc_1", "b@example.com")) is None


def test_the_audit_log_pages_newest_first(store: Store) -> None:
    lines = [rows.audit(1), rows.audit(2, None), rows.audit(3)]
    write_each(store, "insert", *lines)

    def page(mailbox: str | None, before: str | None, limit: int) -> list[Any]:
        return store.read(lambda tx: tx.audit("acc_1", mailbox, before, limit))

    assert page(None, None, 10) == lines[::-1]
    assert page(None, "aud_3", 1) == [lines[1]]
    assert page("mbx_1", None, 10) == [lines[2], lines[0]]
    assert page("mbx_2", None, 10) == []


def test_webhooks_are_found_by_account_and_mailbox(store: Store) -> None:
    bound, deleted = (
        replace(rows.WEBHOOK, id="whk_2", mailbox_id="mbx_1"),
        replace(rows.WEBHOOK, id="whk_3", deleted_at=hours(1)),
    )
    assert not store.read(lambda tx: tx.has_webhooks())

    def work(tx: Tx) -> None:
        for hook in (rows.WEBHOOK, bound, deleted):
            tx.put(hook)

    store.write(work)
    assert store.read(lambda tx: tx.has_webhooks())
    assert store.read(lambda tx: tx.webhooks("acc_1")) == [rows.WEBHOOK, bound]
    assert store.read(lambda tx: tx.webhooks_of_mailbox("acc_1", "mbx_1")) == [rows.WEBHOOK, bound]
    assert store.read(lambda tx: tx.webhooks_of_mailbox("acc_1", "mbx_2")) == [rows.WEBHOOK]
    assert store.read(lambda tx: tx.webhook("whk_3")) == deleted


def test_webhook_deliveries_fall_due_for_each_subscription(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.put(rows.WEBHOOK)
        tx.put(replace(rows.WEBHOOK, id="whk_2"))
        for number, due, hook in ((1, 3, "whk_1"), (2, 1, "whk_2"), (3, 2, "whk_1")):
            tx.insert_webhook_delivery(rows.webhook_delivery(number, due, hook), b"\x00body")
        tx.insert_webhook_delivery(rows.webhook_delivery(4, None), b"")

    store.write(work)
    assert store.read(lambda tx: tx.webhooks_due(hours(2), 10)) == ["whk_2", "whk_1"]
    assert store.read(lambda tx: tx.webhooks_due(hours(2), 1)) == ["whk_2"]
    assert store.read(lambda tx: tx.webhooks_due(hours(0), 10)) == []
    following = store.read(lambda tx: tx.next_webhook_delivery("whk_1", hours(9)))
    assert following == rows.webhook_delivery(3, 2)
    assert store.read(lambda tx: tx.next_webhook_delivery("whk_1", hours(2))) == following
    assert store.read(lambda tx: tx.next_webhook_delivery("whk_1", hours(1.9))) is None
    assert store.read(lambda tx: tx.next_webhook_due(hours(1))) == hours(2)
    assert store.read(lambda tx: tx.next_webhook_due(hours(3))) is None
    assert store.read(lambda tx: tx.webhook_body("evt_1")) == b"\x00body"
    assert store.read(lambda tx: tx.webhook_body("none")) is None
    assert store.read(lambda tx: tx.count_webhook_deliveries("msg_0001")) == 4
    ended = replace(rows.webhook_delivery(1, None), attempts=3, response_status=200)
    store.write(lambda tx: tx.put(ended))
    assert store.read(lambda tx: tx.webhook_delivery("evt_1")) == ended
    assert store.read(lambda tx: tx.webhooks_due(hours(9), 10)) == ["whk_2", "whk_1"]


def test_webhook_deliveries_are_listed_failed_and_purged(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.put(replace(rows.WEBHOOK, mailbox_id="mbx_1"))
        for number, due in ((1, 1.0), (2, None), (3, 2.0)):
            tx.insert_webhook_delivery(rows.webhook_delivery(number, due), b"body")

    def listed(**filters: Any) -> list[str]:
        where = replace(DeliveryFilter("acc_1", 10), **filters)
        deliveries = store.read(lambda tx: tx.webhook_deliveries(where))
        return [delivery.id for delivery in deliveries]

    store.write(work)
    assert listed() == ["evt_3", "evt_2", "evt_1"]
    assert listed(before_id="evt_3", limit=1) == ["evt_2"]
    assert listed(status=DeliveryStatus.PENDING, bound_to="mbx_1") == ["evt_3", "evt_1"]
    assert listed(webhook_id="whk_2") == listed(bound_to="mbx_2") == []
    store.write(lambda tx: tx.fail_webhook_deliveries("whk_1", "ended"))
    assert listed(status=DeliveryStatus.FAILED) == ["evt_3", "evt_1"]
    store.write(lambda tx: tx.purge_webhook_deliveries(rows.NOW))
    assert len(listed()) == 3
    store.write(lambda tx: tx.purge_webhook_deliveries(hours(1)))
    assert listed() == []
    assert store.read(lambda tx: tx.webhook_body("evt_1")) is None


def test_one_time_codes_and_notifications_are_found_by_time(store: Store) -> None:
    upgrade = replace(rows.CODE, id="otc_2", purpose=Purpose.UPGRADE, mailbox_id="mbx_1")
    later = replace(rows.NOTIFICATION, id="ntc_2", due_at=None, message_id=None)

    def work(tx: Tx) -> None:
        rows.insert(tx, message(1))
        for code in (rows.CODE, upgrade):
            tx.put(code)
        for notice in (rows.NOTIFICATION, later):
            tx.put(notice)
        tx.put(replace(rows.CODE, tries=3))

    def codes(purpose: Purpose, mailbox: str | None, since: float) -> list[OneTimeCode]:
        return store.read(lambda tx: tx.one_time_codes("acc_1", purpose, mailbox, hours(since)))

    def notices(mailbox: str | None, before: str | None) -> list[Notification]:
        return store.read(lambda tx: tx.notifications("acc_1", mailbox, before, 10))

    store.write(work)
    assert codes(Purpose.CHANGE, None, 0) == [replace(rows.CODE, tries=3)]
    assert codes(Purpose.UPGRADE, "mbx_1", 0) == [upgrade]
    assert codes(Purpose.UPGRADE, "mbx_2", 0) == codes(Purpose.CHANGE, None, 1) == []
    assert notices(None, None) == notices("mbx_1", None) == [later, rows.NOTIFICATION]
    assert notices(None, "ntc_2") == [rows.NOTIFICATION]
    assert notices("mbx_2", None) == []
    assert store.read(lambda tx: tx.notifications_due(hours(1), 10)) == [rows.NOTIFICATION]
    assert store.read(lambda tx: tx.next_notification_due()) == hours(1)


def test_retention_finds_the_oldest_messages(store: Store) -> None:
    mailbox = replace(rows.MAILBOX, settings={"note": "\0", "retention_days": 3})
    excluded = (State.PENDING_SEND_APPROVAL.value,)

    def work(tx: Tx) -> None:
        rows.insert(tx, message(1), message(2, status=State.SENT), message(3, status=State.SENT))
        rows.insert(tx, message(4, status=State.DELETED))

    def older(until: float, *not_in: str) -> list[str]:
        messages = store.read(lambda tx: tx.older_messages("mbx_1", not_in, hours(until), 10))
        return [message.id for message in messages]

    store.write(work)
    assert store.read(lambda tx: tx.mailboxes_with_retention()) == []
    store.write(lambda tx: tx.put(mailbox))
    assert store.read(lambda tx: tx.mailboxes_with_retention()) == [mailbox]
    store.write(lambda tx: tx.put(replace(mailbox, settings={"retention_days": None})))
    assert store.read(lambda tx: tx.mailboxes_with_retention()) == []
    oldest = store.read(lambda tx: tx.oldest_message("mbx_1", excluded))
    assert oldest == message(2, status=State.SENT)
    assert (older(2, *excluded), older(9)) == (["msg_0002"], ["msg_0001", "msg_0002", "msg_0003"])
    after = store.read(lambda tx: tx.messages_after("acc_1", "msg_0002", 1))
    assert [message.id for message in after] == ["msg_0003"]


def test_approved_recipients_domains_and_suppressions(store: Store) -> None:
    newer = replace(rows.SUPPRESSION, address="b@example.com", id="sup_2")

    def work(tx: Tx) -> None:
        tx.add_approved_recipients("mbx_1", ["A@Example.com", "a@example.com"])
        tx.add_approved_recipients("mbx_1", ["a@example.com"])
        tx.put(rows.DOMAIN)
        tx.put(rows.SUPPRESSION)
        tx.put(newer)

    store.write(work)

    def approved(tx: Reader) -> list[set[str]]:
        queries: list[list[str]] = [["A@example.com", "b@example.com"], []]
        return [tx.approved_recipients("mbx_1", addresses) for addresses in queries]

    assert store.read(approved) == [{"a@example.com"}, set()]
    assert store.read(lambda tx: tx.domains("acc_1")) == [rows.DOMAIN]
    assert store.read(lambda tx: (tx.domain("dom_1"), tx.domain_by_name("none"))) == (
        rows.DOMAIN,
        None,
    )
    assert store.read(lambda tx: tx.suppression("acc_1", "A@example.com")) == rows.SUPPRESSION
    both = {entry.address: entry for entry in (rows.SUPPRESSION, newer)}
    asked = [*map(str.upper, both), "none@example.com"]
    assert store.read(lambda tx: tx.suppressed("acc_1", asked)) == both
    assert store.read(lambda tx: tx.suppressed("acc_2", asked)) == {}
    assert store.read(lambda tx: tx.suppressed("acc_1", [])) == {}
    assert store.read(lambda tx: tx.suppressions("acc_1", None, 10)) == [newer, rows.SUPPRESSION]
    assert store.read(lambda tx: tx.suppressions("acc_1", "sup_2", 10)) == [rows.SUPPRESSION]
    store.write(lambda tx: tx.remove_suppression("acc_1", "A@EXAMPLE.com"))
    store.write(lambda tx: tx.remove_domain("dom_1"))
    assert store.read(lambda tx: tx.suppression("acc_1", "a@example.com")) is None
    assert store.read(lambda tx: tx.domain_by_name("example.com")) is None
    assert store.read(lambda tx: tx.messages_in_states("mbx_1", ())) == []


def test_references_lead_to_threads_and_move_with_them(store: Store) -> None:
    twin = message(3, thread_id="thr_3", rfc_message_id="<1@example.com>")
    insert(store, message(1), message(2, thread_id="thr_2"), twin)
    names = [f"<{name}@example.com>" for name in ("parent", "root", "alias")]
    parent, root, alias = (
        rows.reference(2, names[0], "parent", "2"), rows.reference(2, names[1], "root", "2"),
        rows.reference(1, names[2], "alias", "1"),
    )  # fmt: skip
    write_each(store, "put", rows.reference(1, names[0]), parent, root, alias)

    def lead(tx: Reader) -> dict[str, str]:
        wanted = ["<1@example.com>", "<2@example.com>", *names, "<nothing>"]
        assert tx.threads_by_rfc_ids("mbx_2", wanted) == tx.threads_by_rfc_ids("mbx_1", []) == {}
        assert tx.message_references("mbx_2", wanted) == tx.message_references("mbx_1", []) == {}
        references = tx.message_references("mbx_1", wanted)
        return tx.threads_by_rfc_ids("mbx_1", wanted) | {
            rfc_id: reference.thread_id for rfc_id, reference in references.items()
        }

    copies = store.read(lambda tx: tx.messages_by_rfc_id("mbx_1", "<1@example.com>", 2))
    assert copies == [twin, message(1)]
    before = {"<1@example.com>": "thr_3", "<2@example.com>": "thr_2"}
    assert store.read(lead) == before | dict(zip(names, ["thr_2", "thr_2", "thr_1"], strict=True))
    assert store.write(lambda tx: tx.merge_thread("mbx_1", "thr_2", "thr_1")) == 1
    assert store.read(lead) == {**before, **dict.fromkeys(["<2@example.com>", *names], "thr_1")}
    store.write(lambda tx: tx.remove_message_references("mbx_1", "thr_9", names[1]))
    assert store.read(lead).keys() & set(names) == {names[0], names[2]}
    store.write(lambda tx: tx.remove_message_references("mbx_1", "thr_1", "<nothing>"))
    assert store.read(lambda tx: tx.message_references("mbx_1", names)) == {names[2]: alias}


def test_purge_content_removes_what_belongs_to_a_message(store: Store) -> None:
    store.write(rows.everything)
    assert store.read(lambda tx: tx.revisions("msg_0001")) == [rows.REVISION]
    assert store.read(lambda tx: tx.approval_link("5ha")) == rows.LINK
    assert store.read(lambda tx: tx.signed_headers("msg_0001")) == SignedHeaders(
        "msg_0001", b"\x00head"
    )
    store.write(lambda tx: tx.purge_content("msg_0001"))

    def left(tx: Reader) -> list[object]:
        id_ = "msg_0001"
        return [tx.content(id_), tx.attachments(id_), tx.tags(id_), tx.revisions(id_),
                tx.signed_headers(id_), tx.test_delivery(id_), tx.approval_link("5ha"),
                tx.count_webhook_deliveries(id_),
                tx.message_references("mbx_1", ["<0@example.com>"]),
                tx.idempotency("mbx_1", "key")]  # fmt: skip

    assert not any(store.read(left))
    notice = replace(rows.NOTIFICATION, facts={}, recipients=(), due_at=None)
    assert store.read(lambda tx: tx.notifications("acc_1", None, None, 10)) == [notice]
    assert store.read(lambda tx: tx.message("msg_0001")) == message(1)
    assert store.read(lambda tx: tx.content("msg_0002")) == rows.content(2)


def list_events(store: Store, **where: Any) -> list[tuple[int | None, str]]:
    rows_ = store.read(lambda tx: tx.events(EventFilter("acc_1", 100, **where)))
    return [(row.position, row.message_id[-1]) for row in rows_]


def number_events(store: Store, limit: int = 100) -> int:
    return store.write(lambda tx: tx.number_events(limit))


def test_events_are_numbered_in_their_order_and_filtered(store: Store) -> None:
    kinds = ("message.sent", "message.received", "message.sent")
    for number, kind in enumerate(kinds, start=1):
        store.write(lambda tx, n=number, k=kind: tx.insert(rows.event(n, k)))  # type: ignore[misc]
    assert store.read(lambda tx: tx.has_unnumbered_events())
    assert list_events(store) == []
    assert [number_events(store, 2) for _ in range(3)] == [2, 1, 0]
    assert store.read(lambda tx: (tx.last_event_position(), tx.has_unnumbered_events())) == (3, 0)
    assert store.read(lambda tx: (tx.event_time(3), tx.event_time(4))) == (rows.NOW, None)
    assert list_events(store) == [(1, "1"), (2, "2"), (3, "3")]
    assert list_events(store, after=1, kinds=("message.sent",)) == [(3, "3")]
    assert list_events(store, mailbox_id="mbx_2") == []
    [first, *_] = store.read(lambda tx: tx.events(EventFilter("acc_1", 1)))
    assert first == replace(rows.event(1), position=1)


def test_old_events_leave_what_was_lost(store: Store) -> None:
    def insert(tx: Tx) -> None:
        for number, (kind, at) in enumerate([("a", -3), ("b", -2), ("a", 0), ("b", -1)], start=1):
            tx.insert(rows.event(number, kind, rows.hours(at)))
        tx.number_events(100)

    def lost(**where: Any) -> int:
        return store.read(lambda tx: tx.lost_event_position(EventFilter("acc_1", 100, **where)))

    store.write(insert)
    assert store.read(lambda tx: tx.oldest_event_time()) == rows.hours(-3)
    before = rows.hours(-0.5)
    assert [store.write(lambda tx: tx.purge_events(before, 1)) for _ in range(3)] == [1, 1, 0]
    # The fourth is old too, but behind one that stays.
    assert list_events(store) == [(3, "3"), (4, "4")]
    assert (lost(), lost(kinds=("a",)), lost(kinds=("a",), after=1), lost(after=2)) == (2, 1, 0, 0)
    assert lost(mailbox_id="mbx_2") == 0


def test_what_is_erased_of_a_message_is_erased_of_its_events(store: Store) -> None:
    store.write(lambda tx: rows.insert(tx, rows.message(1)))
    store.write(lambda tx: (tx.insert(rows.event(1)), tx.number_events(1)))
    text = rows.content(1).markdown
    assert store.read(lambda tx: tx.text_start("msg_0001", 3)) == text[:3]
    store.write(lambda tx: tx.purge_content("msg_0001"))
    [event] = store.read(lambda tx: tx.events(EventFilter("acc_1", 1)))
    assert (event.message_id, event.details) == ("msg_0001", {})
    assert store.read(lambda tx: tx.text_start("msg_0001", 3)) is None


def test_purge_mail_leaves_everything_else(store: Store) -> None:
    store.write(rows.everything)
    store.write(lambda tx: tx.purge_mail())
    assert store.read(lambda tx: tx.thread("mbx_1", "thr_1", 10)) == []
    assert store.read(lambda tx: tx.contacts("acc_1", "", 10)) == []
    assert store.read(lambda tx: tx.webhooks("acc_1")) == [rows.WEBHOOK]
    assert store.read(lambda tx: tx.audit("acc_1", None, None, 10)) == [rows.audit(1)]
    assert store.read(lambda tx: (tx.mailbox("mbx_1"), tx.key("key_1"))) == (
        rows.MAILBOX,
        rows.KEY,
    )


def test_browser_sessions_are_replaced_ended_and_purged(store: Store) -> None:
    sessions = [BrowserSession(f"5ha{n}", "key_1", hours(n), rows.WORDS) for n in (1, 2, 3)]
    write_each(store, "put", *sessions, replace(sessions[2], flash=""))
    store.write(lambda tx: tx.purge_browser_sessions(hours(2)))
    store.write(lambda tx: tx.remove_browser_session("5ha2"))
    found = store.read(lambda tx: [tx.browser_session(f"5ha{n}") for n in (1, 2, 3)])
    assert found == [None, None, replace(sessions[2], flash="")]


def test_wrong_keys_are_counted_by_address_and_time(store: Store) -> None:
    failures = [SignInFailure(str(n), "::1" if n == 2 else "127.0.0.1", hours(n)) for n in range(5)]
    write_each(store, "insert", *failures)

    def count(since: float, limit: int = 10) -> list[str]:
        return [
            row.id
            for row in store.read(lambda tx: tx.sign_in_failures("127.0.0.1", hours(since), limit))
        ]

    assert [count(-1), count(1), count(-1, 2)] == [["4", "3", "1", "0"], ["4", "3"], ["4", "3"]]
    store.write(lambda tx: tx.purge_sign_in_failures(hours(3)))
    assert count(-1) == ["4", "3"]
