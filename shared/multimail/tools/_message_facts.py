"""What a message says of itself to the guard: whom it names, what it proves, what wrote it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from ..models import Contact, Email, EmailSummary, FoundEmail, Mailbox
from ..trust import OWN, Assessment, AutoReplyHeaders, ReplyFacts
from ..trust.addresses import find_addresses, normalize_address, normalize_addresses, strip_tag
from ..trust.labels import Label
from ..trust.payment import find_payment_details
from ..trust.policy import is_plain_tag
from ..trust.provenance import (
    build_names,
    get_organisation,
    get_signed_fields,
    is_in_organisation,
    name_message,
    name_payment,
)

TAINT_KEY = "guard_taint"
"""The metadata of a send that says the worst label that its conversation was shown."""
UNREPORTED = Assessment(Label.UNKNOWN)
"""The assessment of text of which the API doesn't say what its writer had read."""


def get_written_under(message: EmailSummary) -> Assessment | None:
    """Return the worst label that the writer of an own message had read; None for none."""
    label = message.written_under
    if isinstance(message, Email) and label is None:
        label = message.metadata.get(TAINT_KEY)
    return Assessment(parse_label(label)) if label else None


def parse_label(text: object) -> Label:
    """Return the label of a name; `unknown` for a name that is not one."""
    try:
        return Label(str(text))
    except ValueError:
        return Label.UNKNOWN


def list_shown_names(
    message: EmailSummary,
    assessment: Assessment,
    texts: Sequence[str],
    public_providers: Collection[str],
) -> frozenset[str]:
    """Return what a message names and proves, as the names that a taint keeps (`provenance`).

    Args:
        message: The message.
        assessment: Of the message.
        texts: What is shown of it beside its header.
        public_providers: Domains that are no organisation.
    """
    if isinstance(message, FoundEmail):
        texts = (*texts, message.snippet)
    names = _list_row_names(
        assessment.label,
        message.direction != "outbound",
        message.subject,
        message.sender,
        get_organisation(message.authentication, public_providers),
        tuple(list_unsigned(message)),
    )
    names |= get_header_addresses(message)
    if texts:
        names |= _find_named(assessment.label, *texts)
    return names | {name_message(message.id)} if isinstance(message, Email) else names


@lru_cache(1024)  # an agent lists the same inbox again and again
def _list_row_names(
    label: Label,
    is_inbound: bool,
    subject: str,
    sender: str,
    organisation: str,
    unsigned: tuple[str, ...],
) -> frozenset[str]:
    """Return what a row names in its subject and From, and what the message proves."""
    names = _find_named(label, subject) | find_addresses(sender)
    if is_inbound:
        names |= frozenset(build_names(label, sender, organisation, unsigned))
    return names


def _find_named(label: Label, *texts: str) -> frozenset[str]:
    """Return the addresses and the payment details in texts."""
    names = find_addresses(*texts)
    if label is not Label.OWN:  # an own message may repeat what its writer had read
        names |= frozenset(map(name_payment, find_payment_details(*texts)))
    return names


def get_signing_organisation(
    message: Email, assessment: Assessment, public_providers: Collection[str]
) -> str:
    """Return the organisational domain that signed a message; empty for none.

    Args:
        message: The message.
        assessment: Of the message.
        public_providers: Domains that are no organisation.
    """
    if assessment.label is not Label.AUTHENTICATED:
        return ""
    return get_organisation(message.authentication, public_providers)


def list_signed(message: Email) -> frozenset[str]:
    """Return From and the addresses of the fields that an aligned signature covers, normalized."""
    return normalize_addresses([*_list_addresses(message, is_signed=True), message.sender])


def list_unsigned(message: EmailSummary) -> list[str]:
    """Return the addresses of a message's fields that no aligned signature covers."""
    return _list_addresses(message, is_signed=False)


def _list_addresses(message: EmailSummary, *, is_signed: bool) -> list[str]:
    signed = get_signed_fields(message.authentication)
    fields = {"to": message.to}
    if isinstance(message, Email):
        fields |= {"cc": message.cc, "reply-to": message.reply_to}
    names = [name for name in fields if (name in signed) is is_signed]
    return [address for name in names for address in fields[name]]


def get_header_addresses(message: EmailSummary) -> frozenset[str]:
    """Return the addresses in a message's header fields, normalized."""
    addresses = [*message.to]
    if isinstance(message, Email):
        addresses += [*message.cc, *message.bcc, *message.reply_to]
    if message.direction != "outbound":
        addresses.append(message.sender)
    return normalize_addresses(addresses)


def get_auto_reply(original: Email, mailbox: Mailbox) -> AutoReplyHeaders:
    """Return what the header of a message says of automatic replies.

    Args:
        original: The inbound message that would be answered.
        mailbox: The mailbox that would answer.
    """
    return AutoReplyHeaders(
        auto_submitted=original.auto_submitted or "",
        list_id=original.list_id or "",
        precedence=original.precedence or "",
        automatic=original.automatic or "",
        is_from_own_mailbox=strip_tag(original.sender) == strip_tag(mailbox.address),
        list_post=tuple(original.list_post),
    )


def list_vouched(
    message: Email, assessment: Assessment, public_providers: Collection[str]
) -> frozenset[str]:
    """Return the proven sender and those of his organisation whom his signature names.

    He could have put anybody else into a signed Cc, and would get mail to them in our name.

    Args:
        message: The message.
        assessment: Of the message.
        public_providers: Domains that are no organisation.
    """
    organisation = get_signing_organisation(message, assessment, public_providers)
    colleagues = {to for to in list_signed(message) if is_in_organisation(to, organisation)}
    return frozenset({normalize_address(message.sender), *colleagues})


def build_reply_facts(
    original: Email,
    assessment: Assessment,
    recipients: Sequence[str],
    mailbox: Mailbox,
    public_providers: Collection[str],
) -> ReplyFacts:
    """Return what the decision on a reply depends on, without its payment details and files.

    Args:
        original: The message that is answered.
        assessment: Of that message.
        recipients: All recipients of the reply.
        mailbox: The mailbox that sends.
        public_providers: Domains that are no organisation.
    """
    inbound = assessment is not OWN
    return ReplyFacts(
        message_id=original.id,
        assessment=assessment,
        sender=original.sender,
        reply_to=tuple(original.reply_to) if inbound else (),
        recipients=tuple(recipients),
        auto_reply=get_auto_reply(original, mailbox) if inbound else AutoReplyHeaders(),
        organisation=get_signing_organisation(original, assessment, public_providers),
        signed=list_signed(original),
    )


def list_tag_words(message: Email) -> tuple[list[Label], list[str]]:
    """Return the tags of a message that may repeat mail, and what their writers had read."""
    free = [name for name, value in message.tags.items() if not is_plain_tag((name, value))]
    if message.tag_labels is None:
        labels = [UNREPORTED.label] if free else []
    else:
        labels = [parse_label(message.tag_labels[n]) for n in free if n in message.tag_labels]
    return labels, [f"{name} {message.tags[name]}" for name in free]


def list_contact_words(contact: Contact) -> tuple[list[Label], list[str]]:
    """Return the words of a contact that may repeat mail, and what their writer had read."""
    words = [contact.name or "", *contact.tags]
    if "made_by" not in contact.model_fields_set:
        return [UNREPORTED.label] if any(words) else [], words
    if contact.label is not None:
        return [parse_label(contact.label)], [contact.email, *words]
    return [], []
