"""Attachment endpoints: describe and download the files of messages."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

from .._call import Call, Pause
from .._proxies import is_loopback
from ..errors import InvalidResponseError
from ..models import AttachmentContent, Enclosure, File
from ._arguments import last_path_segment, path_segment
from ._messages import email_path


def get_attachment(attachment_id: str, *, mailbox: str | None = None) -> Call[Enclosure]:
    """Return a stored file without its bytes, and the message that it belongs to.

    Args:
        attachment_id: Its id, from `attachments` of a message.
        mailbox: The mailbox of the message, address or id; default the client's.

    Raises:
        NotFoundError: The mailbox has no such file that this key can read.

    API: GET /v1/mailboxes/{mailbox}/attachments/{attachment}.
    """
    return Call(
        "get_attachment",
        "GET",
        f"/v1/mailboxes/{{mailbox}}/attachments/{path_segment(attachment_id, 'attachment_id')}",
        Enclosure.model_validate,
        mailbox=mailbox,
    )


def download_attachment(
    email_id: str, filename: str, *, mailbox: str | None = None, include_text: bool = False
) -> Generator[Call[Any] | Pause, Any, File]:
    """Download an attachment, inline or from the URL that the API returns.

    Args:
        email_id: The id of the message that it belongs to.
        filename: Its name in the message's `attachments`.
        mailbox: Address or id; default where the message was last seen, else the client's.
        include_text: Also return what can be read of it, of the embedded server.

    Returns:
        The file.

    Raises:
        NotFoundError: The message has no attachment with this name.
        InvalidResponseError: The API returned neither content nor a safe URL.

    API: GET /v1/mailboxes/{mailbox}/emails/{email}/attachments/{filename}.
    """
    attachment = yield from Call(
        "download_attachment",
        "GET",
        f"{email_path(email_id)}/attachments/{last_path_segment(filename, 'filename')}",
        AttachmentContent.model_validate,
        params={"include": "text" if include_text else None},
        mailbox=mailbox,
        resource_id=email_id,
    )
    if attachment.content_base64 is None:
        content = yield from _download(attachment.url or "")
    else:
        content = _decode_base64(attachment.content_base64)
    return File(
        name=attachment.name or filename,
        content_type=attachment.content_type,
        content=content,
        text=attachment.text,
        notes=attachment.notes,
        removed=attachment.removed,
    )


def _decode_base64(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise InvalidResponseError(
            "The attachment's content is not base64.", operation="download_attachment"
        ) from None


def _download(url: str) -> Call[bytes]:
    if not (url.startswith("/") or _is_safe_url(url)):
        raise InvalidResponseError(
            "The API returned neither the content nor an https URL.",
            operation="download_attachment",
        )
    return Call("download_attachment", "GET", url, bytes, raw=True)


def _is_safe_url(url: str) -> bool:
    """Whether it is an absolute https URL without user name (http on loopback only)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is no number is a ValueError
    except ValueError:
        return False
    if not host or parts.username is not None or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
