"""The contract of any store: webhooks, codes, notices, retention, and what hangs on a message."""

from __future__ import annotations

from dataclasses import replace

from tests.store import rows
from tests.store.rows import hours, message

from multimail_server.oversight import State
from multimail_server.store.protocol import Reader, Store, Tx
from multimail_server.store.records import (
    DeliveryFilter,
    DeliveryStatus,
    Notification,
    OneTimeCode,
    Purpose,
    SignedHeaders,
)


def test_subscriptions_are_found_by_who_gets_what(store: Store) -> None:
    bound, deleted = (
        replace(rows.WEBHOOK, id="whk_2", mailbox_id="mbx_1"),
        replace(rows.WEBHOOK, id="whk_3", deleted_at=hours(1)),
    )
    assert not store.read(lambda tx: tx.has_webhooks())

    def work(tx: Tx) -> None:
        for hook in (rows.WEBHOOK, bound, deleted):
            tx.put_webhook(hook)

    store.write(work)
    assert store.read(lambda tx: tx.has_webhooks())
    assert store.read(lambda tx: tx.webhooks("acc_1")) == [rows.WEBHOOK, bound]
    assert store.read(lambda tx: tx.webhooks_of_mailbox("acc_1", "mbx_1")) == [rows.WEBHOOK, bound]
    assert store.read(lambda tx: tx.webhooks_of_mailbox("acc_1", "mbx_2")) == [rows.WEBHOOK]
    assert store.read(lambda tx: tx.webhook("whk_3")) == deleted


def test_each_subscription_has_its_turn_and_its_order(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.put_webhook(rows.WEBHOOK)
        tx.put_webhook(replace(rows.WEBHOOK, id="whk_2"))
        for number, due, hook in ((1, 3, "whk_1"), (2, 1, "whk_2"), (3, 2, "whk_1")):
            tx.insert_webhook_delivery(rows.webhook_delivery(number, due, hook), b"\x00body")
        tx.insert_webhook_delivery(rows.webhook_delivery(4, None), b"")

    store.write(work)
    assert store.read(lambda tx: tx.webhooks_due(hours(2), 10)) == ["whk_2", "whk_1"]
    assert store.read(lambda tx: tx.webhooks_due(hours(2), 1)) == ["whk_2"]
    assert store.read(lambda tx: tx.webhooks_due(hours(0), 10)) == []
    following = store.read(lambda tx: tx.next_webhook_delivery("whk_1", hours(9)))
    assert following == rows.webhook_delivery(3, 2)
    assert store.read(lambda tx: tx.next_webhook_due(hours(1))) == hours(2)
    assert store.read(lambda tx: tx.next_webhook_due(hours(3))) is None
    assert store.read(lambda tx: tx.webhook_body("evt_1")) == b"\x00body"
    assert store.read(lambda tx: tx.webhook_body("none")) is None
    assert store.read(lambda tx: tx.count_webhook_deliveries("msg_0001")) == 4


def test_deliveries_are_listed_failed_and_forgotten(store: Store) -> None:
    def work(tx: Tx) -> None:
        tx.put_webhook(replace(rows.WEBHOOK, mailbox_id="mbx_1"))
        for number, due in ((1, 1.0), (2, None), (3, 2.0)):
            tx.insert_webhook_delivery(rows.webhook_delivery(number, due), b"body")

    def listed(**filters: object) -> list[str]:
        where = replace(DeliveryFilter("acc_1", 10), **filters)
        return [one.id for one in store.read(lambda tx: tx.webhook_deliveries(where))]

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


def test_codes_and_notices_are_found_by_their_time(store: Store) -> None:
    upgrade = replace(rows.CODE, id="otc_2", purpose=Purpose.UPGRADE, mailbox_id="mbx_1")
    later = replace(rows.NOTIFICATION, id="ntc_2", due_at=None, message_id=None)

    def work(tx: Tx) -> None:
        rows.insert(tx, message(1))
        for code in (rows.CODE, upgrade):
            tx.put_code(code)
        for notice in (rows.NOTIFICATION, later):
            tx.put_notification(notice)
        tx.put_code(replace(rows.CODE, tries=3))

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


def test_retention_finds_the_oldest_that_is_not_in_hand(store: Store) -> None:
    keeping = replace(rows.MAILBOX, settings={"note": "\0", "retention_days": 3})
    in_hand = (State.PENDING_SEND_APPROVAL.value,)

    def work(tx: Tx) -> None:
        rows.insert(tx, message(1), message(2, status=State.SENT), message(3, status=State.SENT))
        rows.insert(tx, message(4, status=State.DELETED))

    def older(until: float, *not_in: str) -> list[str]:
        found = store.read(lambda tx: tx.older_messages("mbx_1", not_in, hours(until), 10))
        return [one.id for one in found]

    store.write(work)
    assert store.read(lambda tx: tx.mailboxes_with_retention()) == []
    store.write(lambda tx: tx.put_mailbox(keeping))
    assert store.read(lambda tx: tx.mailboxes_with_retention()) == [keeping]
    store.write(lambda tx: tx.put_mailbox(replace(keeping, settings={"retention_days": None})))
    assert store.read(lambda tx: tx.mailboxes_with_retention()) == []
    oldest = store.read(lambda tx: tx.oldest_message("mbx_1", in_hand))
    assert oldest == message(2, status=State.SENT)
    assert (older(2, *in_hand), older(9)) == (["msg_0002"], ["msg_0001", "msg_0002", "msg_0003"])
    after = store.read(lambda tx: tx.messages_after("acc_1", "msg_0002", 1))
    assert [one.id for one in after] == ["msg_0003"]


def test_recipients_domains_and_suppressions_are_kept(store: Store) -> None:
    newer = replace(rows.SUPPRESSION, address="b@example.com", id="sup_2")

    def work(tx: Tx) -> None:
        tx.add_approved_recipients("mbx_1", ["A@Example.com", "a@example.com"])
        tx.add_approved_recipients("mbx_1", ["a@example.com"])
        tx.put_domain(rows.DOMAIN)
        tx.put_suppression(rows.SUPPRESSION)
        tx.put_suppression(newer)

    store.write(work)

    def approved(tx: Reader) -> list[set[str]]:
        asked = (["A@example.com", "b@example.com"], [])
        return [tx.approved_recipients("mbx_1", addresses) for addresses in asked]

    assert store.read(approved) == [{"a@example.com"}, set()]
    assert store.read(lambda tx: tx.domains("acc_1")) == [rows.DOMAIN]
    assert store.read(lambda tx: (tx.domain("dom_1"), tx.domain_by_name("none"))) == (
        rows.DOMAIN,
        None,
    )
    assert store.read(lambda tx: tx.suppression("acc_1", "A@example.com")) == rows.SUPPRESSION
    assert store.read(lambda tx: tx.suppressions("acc_1", None, 10)) == [newer, rows.SUPPRESSION]
    assert store.read(lambda tx: tx.suppressions("acc_1", "sup_2", 10)) == [rows.SUPPRESSION]
    store.write(lambda tx: tx.remove_suppression("acc_1", "A@EXAMPLE.com"))
    store.write(lambda tx: tx.remove_domain("dom_1"))
    assert store.read(lambda tx: tx.suppression("acc_1", "a@example.com")) is None
    assert store.read(lambda tx: tx.domain_by_name("example.com")) is None
    assert store.read(lambda tx: tx.messages_in_states("mbx_1", ())) == []


def test_what_hangs_on_a_message_goes_with_its_content(store: Store) -> None:
    store.write(rows.everything)
    assert store.read(lambda tx: tx.revisions("msg_0001")) == [rows.REVISION]
    assert store.read(lambda tx: tx.approval_link("5ha")) == rows.LINK
    assert store.read(lambda tx: tx.signed_headers("msg_0001")) == SignedHeaders(
        "msg_0001", b"\x00head"
    )
    store.write(lambda tx: tx.purge_content("msg_0001"))

    def left(tx: Reader) -> list[object]:
        one = "msg_0001"
        return [tx.content(one), tx.attachments(one), tx.tags(one), tx.revisions(one),
                tx.signed_headers(one), tx.test_delivery(one), tx.approval_link("5ha"),
                tx.count_webhook_deliveries(one), tx.idempotency("mbx_1", "key")]  # fmt: skip

    assert not any(store.read(left))
    notice = replace(rows.NOTIFICATION, facts={}, recipients=(), due_at=None)
    assert store.read(lambda tx: tx.notifications("acc_1", None, None, 10)) == [notice]
    assert store.read(lambda tx: tx.message("msg_0001")) == message(1)
    assert store.read(lambda tx: tx.content("msg_0002")) == rows.content(2)


def test_erasing_the_mail_leaves_everything_else(store: Store) -> None:
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
