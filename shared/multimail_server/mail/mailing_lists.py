"""Header fields of mailing lists: the address that reaches the whole list (RFC 2369)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from .addresses import parse_addresses
from .headers import unfold

MAX_LIST_ADDRESSES = 20
_MAX_FIELD = 4096
_SCHEME_OR_QUERY = re.compile(r"mailto:|\?[^<>,]*", re.IGNORECASE)
_BETWEEN = re.compile(r"[<>,()]")


def parse_list_post(values: list[bytes]) -> tuple[str, ...]:
    """Return the addresses that List-Post fields name, each once, at most 20.

    White space within a URL is ignored (RFC 2369 section 2), and so are missing brackets and a
    missing `mailto:`. `NO` names no address.

    Args:
        values: The fields' values as they were sent.
    """
    texts = ("".join(unfold(value[:_MAX_FIELD]).split()) for value in values)
    words = (word for text in texts for word in _BETWEEN.split(_SCHEME_OR_QUERY.sub("", text)))
    encoded = [unquote(word).encode() for word in words]
    return parse_addresses([word for word in encoded if b"@" in word])[:MAX_LIST_ADDRESSES]
