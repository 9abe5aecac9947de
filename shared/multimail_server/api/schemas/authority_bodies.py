"""Bodies of the requests for looser modes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...oversight import Mode
from .requests import Body


class TargetBody(Body):
    """API: POST /v1/mailboxes/{mailbox}/request-upgrade."""

    target_mode: Annotated[Mode, Field(strict=False)]


class UpgradeBody(Body):
    """API: POST /v1/mailboxes/{mailbox}/upgrade."""

    code: Annotated[str, Field(min_length=1, max_length=100, repr=False)]
