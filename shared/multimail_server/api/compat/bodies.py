"""Bodies of the flat paths: version 1's models, in the spellings of the product's pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, Field

from ..schemas.requests import Body, Line, Markdown, ReplyBody, SendBody

_TEXT = AliasChoices("body", "markdown", "body_markdown", "body_text", "text_body")
_EMAIL = AliasChoices("email_id", "message_id", "id", "pending_id")
_FROM = AliasChoices("from", "from_address", "sender", "mailbox", "mailbox_id")

EmailId = Annotated[Line, Field(min_length=1, max_length=100, validation_alias=_EMAIL)]
Sender = Annotated[Line | None, Field(max_length=254, validation_alias=_FROM)]


class FlatSendBody(SendBody):
    """API: POST /send_email."""

    markdown: Annotated[Markdown, Field(validation_alias=_TEXT)]
    from_address: Sender = None


class FlatReplyBody(ReplyBody):
    """API: POST /reply_email."""

    email_id: EmailId
    markdown: Annotated[Markdown, Field(validation_alias=_TEXT)]
    from_address: Sender = None


class FlatTagBody(Body):
    """API: POST /tag_email: one label more; those that are there stay."""

    email_id: EmailId
    tag: Annotated[Line, Field(min_length=1, max_length=64)]
    value: Annotated[Line, Field(max_length=256)] = "true"


class FlatCancelBody(Body):
    """API: POST /cancel_message."""

    email_id: EmailId
