"""Masking: one-time codes, magic links and keys, kept out of logs and traces.

It masks too much rather than too little: a year beside the word "code" is no loss in a log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

KEY = "[masked key]"
TOKEN = "[masked token]"  # noqa: S105 - a placeholder
LINK = "[masked link]"
DIGITS = "[masked digits]"
DEEP = "[masked: too deep]"
MAX_DEPTH = 50

_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:mm|sk|pk|rk|whsec|gh[oprsu]|github_pat|xox[abeprs]|glpat)[_-]"
    r"[A-Za-z0-9_-]{8,}|AKIA[A-Z0-9]{12,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)"
)
_CREDENTIALS = re.compile(
    r"\b(bearer|basic)([ \t]{1,8})(?=[A-Za-z._~+/-]*[0-9=])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE
)
_URL = re.compile(r"""(?<![a-z0-9+.-])(?:https?|hxxps?)://[^\s<>"'`]+""", re.IGNORECASE)
_PARAMETER_NAME = (
    r"(?:x-amz-[a-z-]{1,30}|x-goog-[a-z-]{1,30}|sig|sv|se|key|expires|[a-z_.-]{0,30}"
    r"(?:token|signature|secret|password|otp|code|nonce|session|ticket|api_?key|auth|hash|hmac|jwt)"
    r"[a-z_.-]{0,30})"
)
_PARAMETER = re.compile(
    rf"(?<=[?&#;])({_PARAMETER_NAME}=)[^\s&#<>\"'`\[]+|(?<=[?&#;])([a-z0-9_.-]{{1,30}}=)[\w.%~-]{{32,}}",
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
_NEARBY_LINES = 3
_SECRET_NAMES = re.compile(
    r"(?:api[_-]?key|authorization|cookie|password|passwd|secret|token|otp|pin|passcode|"
    r"verification[_-]?code|one[_-]?time[_-]?code|signature)",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """Return text with its credentials masked. Idempotent.

    Masked are API keys and bearer tokens; links that carry a token or a signature (magic links,
    presigned URLs, links to attachments), of which scheme and host stay; and, on lines with a word
    like "code" or "PIN" and near them, digits and capitals that could be a one-time code.
    """
    text = _KEYS.sub(KEY, text)
    text = _CREDENTIALS.sub(rf"\1\2{TOKEN}", text)
    text = _PARAMETER.sub(_mask_parameter, _URL.sub(_mask_link, text))
    return _mask_codes(text) if _CODE_WORD.search(text) else text


def _mask_link(match: re.Match[str]) -> str:
    scheme, _, rest = match[0].partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(host) :]
    if "@" in host or _PARAMETER.search(tail) or _is_magic_link(tail):
        return f"{scheme}://{host.rpartition('@')[2]}/{LINK}"
    return match[0]


def _is_magic_link(tail: str) -> bool:
    """Return whether a path names a purpose such as `reset` and contains what could be a token."""
    segments = re.split(r"[?#]", tail, maxsplit=1)[0].split("/")
    tokens = [segment for segment in segments if _TOKEN_LIKE.fullmatch(segment)]
    return bool(tokens) and (
        _MAGIC_WORD.search(tail) is not None or any(len(token) >= 32 for token in tokens)
    )


def _mask_parameter(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}{TOKEN}"


def _mask_codes(text: str) -> str:
    lines = text.split("\n")
    has_word = [bool(_CODE_WORD.search(line)) for line in lines]
    for at, line in enumerate(lines):
        if any(has_word[max(0, at - _NEARBY_LINES) : at + 2]):
            lines[at] = _CODE.sub(DIGITS, line)
    return "\n".join(lines)


def mask_data(data: Any) -> Any:
    """Return a copy of JSON-like data with every string masked, for traces.

    Values under names such as `api_key`, `password` or `otp` are masked whole; anything nested
    deeper than 50 levels is left out. Other types than mapping, list, tuple and string stay as
    they are. In LangSmith: `Client(anonymizer=mask_data)`, or `hide_inputs=` and `hide_outputs=`.
    """
    return _mask_nested(data, MAX_DEPTH)


def _mask_nested(data: Any, depth: int) -> Any:
    if isinstance(data, str):
        return mask(data)
    if not isinstance(data, Mapping | list | tuple):
        return data
    if depth == 0:
        return DEEP
    if isinstance(data, Mapping):
        return {name: _mask_value(name, value, depth - 1) for name, value in data.items()}
    return [_mask_nested(item, depth - 1) for item in data]


def _mask_value(name: Any, value: Any, depth: int) -> Any:
    is_secret = isinstance(name, str) and _SECRET_NAMES.fullmatch(name)
    if is_secret and isinstance(value, str | int) and value:
        return TOKEN
    return _mask_nested(value, depth)


class MaskingFilter(logging.Filter):
    """A filter that masks a log record's message, exception and stack.

    Add it to a handler, not to a logger: a logger's filters don't see its children's records.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; it is never dropped."""
        record.msg, record.args = mask(_format_message(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = mask(record.exc_text)
        if record.stack_info:
            record.stack_info = mask(record.stack_info)
        return True


def _format_message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"
