"""Payment details in text: where money is to be sent, in a form in which equal ones are equal.

Numbers are recognised by their checksums, others by a word beside them that says what they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

from .hosts import fold_width
from .text import clean

_MAX_FOUND = 1_000
# Groups of letters and digits, as people write them: "DE89 3704 0044 0532 0130 00".
_IBAN = re.compile(
    r"(?<![A-Z0-9])[A-Z]{2}[ -]?\d{2}(?:[ -]?[A-Z0-9]){4,34}(?![A-Z0-9])",
    re.IGNORECASE | re.ASCII,
)
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])", re.ASCII)
_WORDS = (
    "iban", "account", "acct", "a/c", "konto", "compte", "cuenta", "conto", "rekening", "sort",
    "routing", "aba", "bic", "swift", "blz", "wallet", "btc", "bitcoin", "eth", "usdt", "paypal",
    "zelle", "venmo", "pix", "upi",
)  # fmt: skip
_NAMED = re.compile(
    r"\b(iban|account|acct|a/c|konto|kontonummer|compte|cuenta|conto|rekening|sort[ -]?code|"
    r"routing|aba|bic|swift|blz|wallet|btc|bitcoin|eth|ethereum|usdt|paypal|zelle|venmo|pix|upi)\b"
    r"[^\w\n]{0,3}(?:(?:no|number|nr|code|address|adresse|is|id|to)\b[^\w\n]{0,3}){0,3}"
    r"((?=[A-Za-z0-9@._-]*\d)[A-Za-z0-9][A-Za-z0-9@._ -]{3,69})",
    re.IGNORECASE,
)
_BIC = re.compile(
    r"\b(?:bic|swift)(?:[ -]?code)?\W{1,3}([A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b", re.IGNORECASE
)
_TWO_DIGITS = re.compile(r"\d\d", re.ASCII)
_CARD_LIKE = re.compile(r"\d(?:[ -]?\d){12}", re.ASCII)
_DIGITS = "0123456789"
_BIC_WORDS = ("bic", "swift")
_SEPARATORS = re.compile(r"[\s._-]+")
_MIN_CHARS = 5


def find_payment_details(*texts: str) -> frozenset[str]:
    """Return the payment details that the texts name; at most 1,000 of each kind in each text.

    An IBAN (ISO 13616) or a card number (ISO/IEC 7812) counts where its checksum is right; an
    account, sort code, BIC or wallet where the word beside it says so. Full-width letters, and the
    digits of any script, count as ASCII.
    """
    folded = (_fold_digits(fold_width(clean(text).text)) for text in texts)
    return frozenset(detail for text in folded for detail in _iter_details(text))


def _iter_details(text: str) -> Iterator[str]:
    """Yield the details of a text; the patterns are tried only where their first part stands."""
    # `in` is many times faster than a pattern, and most mail has no detail at all.
    if not any(digit in text for digit in _DIGITS):
        for at in islice(_find_words(text, _BIC_WORDS), _MAX_FOUND):
            yield from _find_bic(text, at)
        return
    for at in islice(_find_ibans(text), _MAX_FOUND):
        if match := _IBAN.match(text, at):
            yield from _find_iban(fold_payment(match[0]))
    cards = _CARD.finditer(text) if _CARD_LIKE.search(text) else ()
    for match in islice(cards, _MAX_FOUND):
        if _is_card(number := fold_payment(match[0])):
            yield number
    for at in islice(_find_words(text, _WORDS), _MAX_FOUND):
        yield from _find_bic(text, at)
        named = _NAMED.match(text, at)
        if named and len(detail := fold_payment(_first_token(named[2]))) >= _MIN_CHARS:
            yield detail


def _find_ibans(text: str) -> Iterator[int]:
    """Yield where two letters stand before two digits."""
    for match in _TWO_DIGITS.finditer(text):
        before = text[max(0, match.start() - 3) : match.start()]
        letters = before.rstrip(" -")[-2:]
        if len(letters) == 2 and letters.isascii() and letters.isalpha():
            yield match.start() - len(before) + before.rindex(letters)


def _find_bic(text: str, at: int) -> Iterator[str]:
    """Yield the BIC that a word at this place names."""
    if match := _BIC.match(text, at):
        yield fold_payment(match[1])


def _find_words(text: str, words: tuple[str, ...]) -> Iterator[int]:
    """Yield where a word stands that says what a detail is."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(char.lower() if char.isascii() else " " for char in text)
    for word in words:
        at = lower.find(word)
        while at >= 0:
            yield at
            at = lower.find(word, at + 1)


def _find_iban(text: str) -> Iterator[str]:
    """Yield the IBAN at the start of a text, which a word may follow."""
    for end in range(len(text), 14, -1):
        if _is_iban(text[:end]):
            yield text[:end]
            return


def _is_iban(text: str) -> bool:
    turned = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _is_card(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _first_token(text: str) -> str:
    """Return the number of a phrase: its first word, and the groups of digits that follow it."""
    words = text.split()
    kept = [words[0]]
    for word in words[1:]:
        if not any(character.isdigit() for character in word):
            break
        kept.append(word)
    return "".join(kept)


def fold_payment(text: str) -> str:
    """Return a payment detail without blanks and hyphens, in upper case."""
    return _SEPARATORS.sub("", _fold_digits(text)).upper()


def _fold_digits(text: str) -> str:
    """Return a text of the same length, with the decimal digits of any script in ASCII."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char, char)) for char in text)
