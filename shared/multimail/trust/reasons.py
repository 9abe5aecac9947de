"""The reasons for holding or refusing: for each code a sentence for the model and one for people.

The only list of them. Tools, the review page, the metadata of a held message and the table in
`docs/trust.md` take their words from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CAP_PER_ADDRESS, CAP_PER_ORGANISATION = "cap_per_address", "cap_per_organisation"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is held or refused. `{}` in a sentence stands for the detail.

    Attributes:
        model: For the model, as a clause without a full stop. Its detail never comes from mail.
        approver: For the person who decides, as a whole sentence. Its detail may name addresses.
    """

    model: str
    approver: str


REASONS: Mapping[str, Reason] = {
    "sender_not_listed": Reason(
        "the operator does not list the sender",
        "The sender is not on your list of trusted senders.",
    ),
    "sender_authenticated_path": Reason(
        "only the route of the sender's mail is authenticated: {}",
        "The mail came by a server that its domain allows, but no signature protects its text: {}.",
    ),
    "sender_unauthenticated": Reason(
        "the sender is unauthenticated: {}",
        "Nothing proves that the mail comes from the address that it shows: {}.",
    ),
    "sender_unknown": Reason(
        "the sender is unknown: {}",
        "It could not be checked whether the mail comes from the address that it shows: {}.",
    ),
    "sender_failed": Reason(
        "the sender failed its checks: {}",
        "The mail looks forged: {}.",
    ),
    "reply_to_differs": Reason(
        "Reply-To is not the address in From",
        "The answer would go to another address than the one that the mail came from: {}.",
    ),
    "tainted_not_listed": Reason(
        "the conversation was shown mail of a sender whom the operator does not list",
        "The agent had read mail of a sender who is not on your list before it wrote this.",
    ),
    "tainted_authenticated_path": Reason(
        "the conversation was shown mail of which only the route is authenticated",
        "The agent had read mail without a signature before it wrote this.",
    ),
    "tainted_unauthenticated": Reason(
        "the conversation was shown mail that is unauthenticated",
        "The agent had read mail that anybody could have sent before it wrote this.",
    ),
    "tainted_unknown": Reason(
        "the conversation was shown mail that is unknown",
        "The agent had read mail whose sender could not be checked before it wrote this.",
    ),
    "tainted_failed": Reason(
        "the conversation was shown mail that failed its checks",
        "The agent had read mail that looks forged before it wrote this.",
    ),
    "recipient_from_mail": Reason(
        "{} may come only from mail",
        "The agent may have taken this address from somebody's mail, not from you: {}.",
    ),
    "payment_from_mail": Reason(
        "it names payment details that came from mail",
        "It names a bank account, card or wallet that somebody's mail named. Check by another way"
        " that it is right: {}.",
    ),
    "file_from_mail": Reason(
        "it encloses a file of received mail, for others than its sender",
        "It sends a file on that came with somebody's mail, to others than its sender: {}.",
    ),
    "file_from_failed": Reason(
        "it encloses a file of mail that failed its checks",
        "It encloses a file of mail that looks forged.",
    ),
    "file_of_others": Reason(
        "it encloses a file of earlier mail, for others than had it",
        "It encloses a file of an earlier message of this mailbox, for others than had it: {}.",
    ),
    "forward_of_failed": Reason(
        "it sends mail on that failed its checks, to others than the operator lists",
        "It sends mail on that looks forged, to others than those on your list: {}.",
    ),
    "target_not_from_user": Reason(
        "{} is in neither the user's words nor trusted data",
        "The agent may have taken what it acts on from somebody's mail or document, not from you:"
        " {}.",
    ),
    "too_many_targets": Reason(
        "it has more than {} targets",
        "The call acts on more than {} things at once, too many to check each.",
    ),
    "own_mail": Reason(
        "it claims to be from this very mailbox",
        "The mail claims to come from this mailbox itself.",
    ),
    "auto_submitted": Reason(
        "a program sent it (Auto-Submitted)",
        "A program sent the mail, and an answer could start two programs writing to each other.",
    ),
    "empty_return_path": Reason(
        "its return path is empty, as that of a bounce",
        "The mail accepts no answers: it is a notice of a mail system.",
    ),
    "report": Reason(
        "it is the report of a mail system",
        "The mail is a delivery report, not the message of a person.",
    ),
    "daemon_sender": Reason(
        "a mail system sent it (MAILER-DAEMON, postmaster)",
        "A mail system sent the mail, not a person.",
    ),
    "automatic_reply": Reason(
        "it is an automatic reply",
        "The mail is an automatic answer, such as an absence notice.",
    ),
    "automatic_precedence": Reason(
        "a program sent it (Precedence)",
        "A program sent the mail.",
    ),
    "no_auto_response": Reason(
        "its sender asks for no automatic answer (X-Auto-Response-Suppress)",
        "The sender asks that no program answers.",
    ),
    "mailing_list": Reason(
        "it came through a mailing list, or reaches one (List-Id, List-Post)",
        "The answer may reach everybody on a mailing list.",
    ),
    "bulk_mail": Reason(
        "it is bulk mail (Precedence)",
        "The mail was sent to many people, and the answer reaches others than its author.",
    ),
    "tag_from_mail": Reason(
        "after mail of others a tag is one word, or a name and a word",
        "The agent wanted to write a long tag after it had read somebody's mail.",
    ),
    "other_message": Reason(
        "this conversation has not opened the message that it changes",
        "The agent wanted to change a message that it had not opened.",
    ),
    "opened_earlier": Reason(
        "it was opened earlier in this process: give each job its own conversation",
        "Another job of the same program had opened that mail. Developers: see `conversation`.",
    ),
    "cap_per_session": Reason(
        "this conversation has sent as many messages as it may",
        "The agent has sent as many messages in one conversation as it may.",
    ),
    "cap_per_thread": Reason(
        "this thread has as many messages within 24 hours as it may",
        "The agent has sent as many messages in one thread within 24 hours as it may.",
    ),
    CAP_PER_ADDRESS: Reason(
        "this address got as much mail within 24 hours as leaves without a human",
        "The agent has already written to this address many times today: {}.",
    ),
    CAP_PER_ORGANISATION: Reason(
        "this organisation got as much mail within 24 hours as leaves without a human",
        "The agent has already written to this organisation many times today: {}.",
    ),
    "cannot_hold": Reason(
        "this mailbox cannot hold a single message for a human, so it was refused",
        "The mail service cannot make a single message wait for you, so it was refused.",
    ),
    "cannot_wait": Reason(
        "a human would have to decide, and this kind of change cannot be kept for one, so it was"
        " refused",
        "You would have to decide, but this kind of change cannot be kept for you, so it was"
        " refused. Make it yourself if it is right.",
    ),
}
"""By code. A code is stable; programs compare it."""


def describe_for_model(code: str, detail: str = "") -> str:
    """Return the sentence for the model; of a code that is not in `REASONS`, the detail."""
    return _fill(REASONS[code].model, detail) if code in REASONS else detail


def describe_for_approver(code: str, detail: str = "") -> str:
    """Return the sentence for a person; of a code that is not in `REASONS`, the detail."""
    return _fill(REASONS[code].approver, detail) if code in REASONS else detail


def _fill(sentence: str, detail: str) -> str:
    return sentence.replace("{}", detail) if detail else sentence.replace(": {}", "")
