"""Masking: one-time codes, magic links and keys, kept out of logs and traces.

It errs on the side of masking: in a log, a year that stands beside the word "code" is no loss.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

KEY = "[masked key]"
TOKEN = "[masked token]"  # noqa: S105 - what stands for a token
LINK = "[masked link]"
DIGITS = "[masked digits]"
DEEP = "[masked: too deep]"
MOST_DEPTH = 50

_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:mm|sk|pk|rk|whsec|gh[oprsu]|github_pat|xox[abeprs]|glpat)[_-]"
    r"[A-Za-z0-9_-]{8,}|AKIA[A-Z0-9]{12,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)"
)
_CREDENTIALS = re.compile(
    r"\b(bearer|basic)([ \t]{1,8})(?=[A-Za-z._~+/-]*[0-9=])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE
)
_URL = re.compile(r"""(?<![a-z0-9+.-])(?:https?|hxxps?)://[^\s<>"'`]+""", re.IGNORECASE)
_TELLTALE = (
    r"(?:x-amz-[a-z-]{1,30}|x-goog-[a-z-]{1,30}|sig|sv|se|key|expires|[a-z_.-]{0,30}"
    r"(?:token|signature|secret|password|otp|code|nonce|session|ticket|api_?key|auth|hash|hmac|jwt)"
    r"[a-z_.-]{0,30})"
)
_PARAMETER = re.compile(
    rf"(?<=[?&#;])({_TELLTALE}=)[^\s&#<>\"'`\[]+|(?<=[?&#;])([a-z0-9_.-]{{1,30}}=)[\w.%~-]{{32,}}",
    re.IGNORECASE,
)
_MAGIC_WORD = re.compile(
    r"magic|verif|confirm|activat|reset|invit|recover|sign-?in|log-?in|subscri|auth|token|sso|otp|"
    r"attachments|approve",
    re.IGNORECASE,
)
_TOKEN_LIKE = re.compile(r"(?=[^/]*[0-9])[^/]{12,}|[\w-]{32,}")
_CODE_WORD = re.compile(
    r"(?<![a-z])(?:codes?|otp|totp|2fa|mfa|pin|tan|pass-?codes?|passwords?|passwort|token|"
    r"verif[a-z]*|verifizier[a-z]*|one[- ]time|einmal[a-z]*|log-?in|sign-?in|anmelde[a-z]*|"
    r"authenticat[a-z]*|confirm[a-z]*|best[aä]tigungs[a-z]*|security|"
    r"c[oó]digos?|contrase[nñ]a|mot de passe|codice)(?![a-z])"
    r"|код|пароль|验证码|驗證碼|認証|確認コード|인증",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?<![\w.-])(?:[A-Z]{1,3}-)?(?:\d{3,4}[ -]\d{3,4}|\d{4,10}|(?=[A-Z]{0,9}\d)[A-Z0-9]{5,10}"
    r"|(?:[A-Z0-9]{4,5}-)+[A-Z0-9]{4,5}|(?:\d ){3,9}\d)(?![\w-])"
)
_LINES_NEAR = 3
_SECRET_NAMES = re.compile(
    r"(?:api[_-]?key|authorization|cookie|password|passwd|secret|token|otp|pin|passcode|"
    r"verification[_-]?code|one[_-]?time[_-]?code|signature)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return text without what would let a reader act as someone else.

    API keys and bearer tokens; links that carry a token or a signature (magic links, presigned
    URLs, links to attachments), of which scheme and host stay; and, on lines with a word like
    "code" or "PIN" and those near them, digits and capitals that could be a one-time code. Doing
    it twice changes nothing more.
    """
    text = _KEYS.sub(KEY, text)
    text = _CREDENTIALS.sub(rf"\1\2{TOKEN}", text)
    text = _PARAMETER.sub(_parameter, _URL.sub(_link, text))
    return _without_codes(text) if _CODE_WORD.search(text) else text


def _link(found: re.Match[str]) -> str:
    scheme, _, rest = found[0].partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(host) :]
    if "@" in host or _PARAMETER.search(tail) or _is_magic(tail):
        return f"{scheme}://{host.rpartition('@')[2]}/{LINK}"
    return found[0]


def _is_magic(tail: str) -> bool:
    """Return whether a path names a purpose and holds what could be a token for it."""
    segments = re.split(r"[?#]", tail, maxsplit=1)[0].split("/")
    tokens = [segment for segment in segments if _TOKEN_LIKE.fullmatch(segment)]
    return bool(tokens) and (
        _MAGIC_WORD.search(tail) is not None or any(len(token) >= 32 for token in tokens)
    )


def _parameter(found: re.Match[str]) -> str:
    return f"{found[1] or found[2]}{TOKEN}"


def _without_codes(text: str) -> str:
    lines = text.split("\n")
    words = [bool(_CODE_WORD.search(line)) for line in lines]
    for at, line in enumerate(lines):
        if any(words[max(0, at - _LINES_NEAR) : at + 2]):
            lines[at] = _CODE.sub(DIGITS, line)
    return "\n".join(lines)


def mask_data(data: Any) -> Any:
    """Return a copy of JSON-like data with every string masked, for traces.

    Values under names that say what they are (`api_key`, `password`, `otp` …) are masked whole;
    anything below 50 levels is left out. What is neither mapping, list, tuple nor string stays as
    it is. In LangSmith: `Client(anonymizer=mask_data)`, or `hide_inputs=` and `hide_outputs=`.
    """
    return _masked_data(data, MOST_DEPTH)


def _masked_data(data: Any, depth: int) -> Any:
    if isinstance(data, str):
        return masked(data)
    if not isinstance(data, Mapping | list | tuple):
        return data
    if depth == 0:
        return DEEP
    if isinstance(data, Mapping):
        return {name: _masked_value(name, value, depth - 1) for name, value in data.items()}
    return [_masked_data(item, depth - 1) for item in data]


def _masked_value(name: Any, value: Any, depth: int) -> Any:
    is_secret = isinstance(name, str) and _SECRET_NAMES.fullmatch(name)
    if is_secret and isinstance(value, str | int) and value:
        return TOKEN
    return _masked_data(value, depth)


class MaskingFilter(logging.Filter):
    """A filter that masks what a log record says, its exception and its stack included.

    Put it on a handler, not on a logger: a logger's filters do not see its children's records.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; it is never dropped."""
        record.msg, record.args = masked(_message_of(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = masked(record.exc_text)
        if record.stack_info:
            record.stack_info = masked(record.stack_info)
        return True


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"
