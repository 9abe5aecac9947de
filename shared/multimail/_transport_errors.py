"""Transport errors: why there was no response, in words, and whether a repeat can help."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ._proxies import is_loopback

_NOT_CONNECTED = frozenset({"ConnectError", "ConnectTimeout"})
_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "InvalidURL"})
_MAX_CHAIN = 20

THROUGH_PROXY = " through the proxy "
"""Stands in a location between the host that is asked and the proxy that is connected to."""

_CERTIFICATE_REMEDY = (
    "Check the host name and this machine's clock. If a proxy or a company's own authority signs, "
    "set SSL_CERT_FILE to a file with its certificate."
)
_PROXY_REMEDY = "Check the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, and NO_PROXY."
_HOST_REMEDY = "Check the host of the base URL."
_SERVE_REMEDY = "Start the server with `multimail serve`, or set MULTIMAIL_API_URL to where it is."
_TLS_REMEDY = "Check the scheme and the port of the base URL: the server may speak plain http."


class TransportError(Exception):
    """There was no complete response to a request.

    Args:
        reason: Why, in words; without secrets.
        where: The host and the port that were asked, and the proxy if there is one.
        was_sent: Whether the request may have reached the API.
        is_final: Whether the same attempt would fail again.
        remedy: What to do next; empty for the usual.
        cause: The error of the HTTP library.
    """

    def __init__(
        self,
        reason: str,
        *,
        where: str = "the API",
        was_sent: bool = True,
        is_final: bool = False,
        remedy: str = "",
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.where = where
        self.was_sent = was_sent
        self.is_final = is_final
        self.remedy = remedy
        self.cause = cause


def convert_error(
    error: Exception, where: str, timeouts: dict[str, float | None] | None = None
) -> TransportError:
    """Return an error of httpx or httpx2 as a `TransportError`.

    Args:
        error: The library's error.
        where: The host and the port, for the message.
        timeouts: The limits of the request, in seconds, by `connect`, `read`, `write` and `pool`.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    reason = _explain_cause(error) or _explain_kind(error, kinds, timeouts or {})
    # What could not be reached is then the proxy.
    if THROUGH_PROXY in where and kinds & _NOT_CONNECTED and reason.remedy in ("", _HOST_REMEDY):
        reason = replace(reason, remedy=_PROXY_REMEDY)
    elif reason == _explain_errno(errno.ECONNREFUSED) and is_loopback(where.rpartition(":")[0]):
        reason = replace(reason, remedy=_SERVE_REMEDY)
    return TransportError(
        reason.text,
        where=where,
        was_sent=not kinds & _NOT_SENT,
        is_final=reason.is_final,
        remedy=reason.remedy,
        cause=error,
    )


@dataclass(frozen=True, slots=True)
class _Reason:
    text: str
    is_final: bool = False
    remedy: str = ""


def _explain_cause(error: BaseException) -> _Reason | None:
    """Return the reason that the operating system or TLS gave; None if they gave none."""
    for cause in _walk(error):
        if isinstance(cause, ssl.SSLError):
            return _explain_tls(cause)
        if isinstance(cause, socket.gaierror):
            return _explain_name(cause)
        if isinstance(cause, OSError) and cause.errno:
            return _explain_errno(cause.errno)
    # An HTTP library may keep only the words of the error.
    message = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return _explain_certificate(message)
    number = re.match(r"\[Errno (-?\d+)\]", message)
    if number is None:
        return None
    code = int(number[1])
    is_name = code < 0 or "nodename" in message
    return _explain_name(socket.gaierror(code, "")) if is_name else _explain_errno(code)


def _walk(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes and the errors of its groups."""
    pending: list[BaseException | None] = [error]
    for _ in range(_MAX_CHAIN):
        if not pending:
            return
        cause = pending.pop(0)
        if cause is None:
            continue
        yield cause
        pending += [cause.__cause__ or cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            pending += cause.exceptions


def _explain_tls(error: ssl.SSLError) -> _Reason:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error.verify_message or str(error))
    name = (getattr(error, "reason", "") or "").replace("_", " ").lower()
    # A server that answers in another protocol does so the next time as well.
    is_final = name.startswith(("wrong version", "http request", "unsupported", "no protocols"))
    is_final = is_final or "alert" in name
    return _Reason(f"TLS failed ({name or 'no reason given'})", is_final, _TLS_REMEDY)


def _explain_certificate(message: str) -> _Reason:
    words = message.rpartition("verify failed: ")[2].partition(" (_ssl")[0]
    words = re.sub(r"[^\w .,:'*\[\]-]", "", words)[:120].strip()
    text = f"its certificate is not trusted ({words or 'no reason given'})"
    return _Reason(text, is_final=True, remedy=_CERTIFICATE_REMEDY)


def _explain_name(error: socket.gaierror) -> _Reason:
    if error.errno == socket.EAI_AGAIN:
        return _Reason("its name could not be resolved: the name server did not answer")
    text = "its name could not be resolved (not known)"
    return _Reason(text, is_final=True, remedy=_HOST_REMEDY)


_ERRNO_WORDS = {
    errno.ECONNREFUSED: "the connection was refused (nothing listens there)",
    errno.ECONNRESET: "the connection was reset",
    errno.EPIPE: "the connection was closed",
    errno.ECONNABORTED: "the connection was aborted",
    errno.ETIMEDOUT: "the connection timed out",
    errno.EHOSTUNREACH: "there is no route to the host",
    errno.ENETUNREACH: "the network is unreachable",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.EADDRNOTAVAIL: "this machine has no free port or address for it",
    errno.EACCES: "this machine does not allow the connection",
    errno.EPERM: "this machine does not allow the connection",
}


def _explain_errno(number: int) -> _Reason:
    words = _ERRNO_WORDS.get(number)
    return _Reason(words or f"the connection failed ({errno.errorcode.get(number, number)})")


_KIND_WORDS = {
    "RemoteProtocolError": "the connection ended before the response was complete",
    "ReadError": "the connection broke before the response was complete",
    "WriteError": "the connection broke while the request was sent",
    "CloseError": "the connection broke",
    "DecodingError": "the response could not be decompressed",
    "LocalProtocolError": "the request is not valid HTTP",
    "UnsupportedProtocol": "the scheme of the URL or of the proxy is not supported",
    "InvalidURL": "the URL is not valid",
    "ConnectError": "the connection failed",
}
_TIMEOUT_WORDS = {
    "ConnectTimeout": ("connect", "no connection"),
    "ReadTimeout": ("read", "no response"),
    "WriteTimeout": ("write", "the request could not be sent"),
    "PoolTimeout": ("pool", "no connection of this client became free"),
}


def _explain_kind(error: Exception, kinds: set[str], timeouts: dict[str, Any]) -> _Reason:
    """Return the reason that the kind of an error says; its own words may repeat the peer's."""
    if "ProxyError" in kinds:
        status = re.match(r"\d{3}\b", str(error))
        text = f"the proxy refused it ({status[0] if status else type(error).__name__})"
        is_final = status is not None and status[0] in ("401", "403", "405", "407")
        return _Reason(text, is_final, "Check the proxy's address and credentials, and NO_PROXY.")
    for kind, (part, words) in _TIMEOUT_WORDS.items():
        if kind in kinds:
            seconds = timeouts.get(part)
            return _Reason(words if seconds is None else f"{words} within {seconds:g} s")
    is_final = bool(kinds & {"UnsupportedProtocol", "InvalidURL"})
    known = [words for kind, words in _KIND_WORDS.items() if kind in kinds]
    return _Reason(
        known[0] if known else f"the connection failed ({type(error).__name__})", is_final
    )
