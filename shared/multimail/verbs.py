"""Verbs: the methods that both clients have, each made from its endpoint."""

from __future__ import annotations

from . import endpoints as api
from .verb import paging, verb


class Verbs:
    """Every operation of the API as a method; `multimail.endpoints` documents the arguments."""

    check_inbox = verb(api.check_inbox)
    iter_inbox = paging(api.check_inbox)
    read_email = verb(api.read_email)
    read_raw = verb(api.read_raw)
    get_thread = verb(api.get_thread)
    wait_for_email = verb(api.wait_for_email)
    download_attachment = verb(api.download_attachment)

    get_tags = verb(api.get_tags)
    set_tags = verb(api.set_tags)
    tag_email = verb(api.tag_email)
    delete_tag = verb(api.delete_tag)

    list_spam = verb(api.list_spam)
    report_spam = verb(api.report_spam)
    report_not_spam = verb(api.report_not_spam)

    send_email = verb(api.send_email)
    reply_email = verb(api.reply_email)
    cancel_message = verb(api.cancel_message)
    reschedule_email = verb(api.reschedule_email)

    list_pending = verb(api.list_pending)
    decide_email = verb(api.decide_email)
    get_approval = verb(api.get_approval)
    approve_by_token = verb(api.approve_by_token)

    list_mailboxes = verb(api.list_mailboxes)
    get_mailbox = verb(api.get_mailbox)
    create_mailbox = verb(api.create_mailbox)
    update_mailbox = verb(api.update_mailbox)
    configure_mailbox = verb(api.configure_mailbox)
    delete_mailbox = verb(api.delete_mailbox)
    request_upgrade = verb(api.request_upgrade)
    redeem_upgrade = verb(api.redeem_upgrade)

    search_contacts = verb(api.search_contacts)
    add_contact = verb(api.add_contact)
    delete_contact = verb(api.delete_contact)

    get_account = verb(api.get_account)
    update_account = verb(api.update_account)
    delete_account = verb(api.delete_account)
    export_account = verb(api.export_account)
    get_usage = verb(api.get_usage)
    get_audit_log = verb(api.get_audit_log)
    iter_audit_log = paging(api.get_audit_log)

    list_api_keys = verb(api.list_api_keys)
    create_api_key = verb(api.create_api_key)
    update_api_key = verb(api.update_api_key)
    revoke_api_key = verb(api.revoke_api_key)

    list_webhooks = verb(api.list_webhooks)
    create_webhook = verb(api.create_webhook)
    get_webhook = verb(api.get_webhook)
    delete_webhook = verb(api.delete_webhook)
    list_webhook_deliveries = verb(api.list_webhook_deliveries)

    list_domains = verb(api.list_domains)
    add_domain = verb(api.add_domain)
    get_domain = verb(api.get_domain)
    verify_domain = verb(api.verify_domain)
    delete_domain = verb(api.delete_domain)

    list_suppressions = verb(api.list_suppressions)
    remove_suppression = verb(api.remove_suppression)

    get_health = verb(api.get_health)
    get_signing_key = verb(api.get_signing_key)
