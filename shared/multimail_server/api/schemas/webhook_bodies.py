"""Bodies of the webhook routes. See `bodies`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from .requests import Body, Line


class WebhookBody(Body):
    """API: POST /v1/webhooks."""

    url: Annotated[str, Field(max_length=2000)]
    events: Annotated[list[Annotated[Line, Field(max_length=100)]], Field(max_length=50)]
    mailbox_id: Annotated[
        str | None, Field(max_length=254, validation_alias=AliasChoices("mailbox_id", "mailbox"))
    ] = None
    signature_format: Literal["sha256=hex", "hex"] = "sha256=hex"


class WebhookChangeBody(Body):
    """API: PATCH /v1/webhooks/{id}."""

    enabled: bool
