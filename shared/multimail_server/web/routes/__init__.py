"""The routes of API version 1, one module per subject."""

from __future__ import annotations

from ..routing import RouteSpec
from . import account, emails, mailboxes, oversight, sending, testing, webhooks

ALL: tuple[RouteSpec, ...] = tuple(
    spec
    for module in (mailboxes, emails, sending, oversight, account, testing, webhooks)
    for spec in module.routes.specs
)
