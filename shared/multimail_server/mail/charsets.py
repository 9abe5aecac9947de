"""Charsets as mail means them: a label stands for the superset that senders really use.

The labels are those of the WHATWG Encoding Standard (`iso-8859-1` is Windows-1252, `gb2312` is
GB 18030, `shift_jis` is Windows-31J) and more that old mail has. The table is our own, because the
package `webencodings` gives the plain codecs of Python for the East Asian labels, without the
vendors' rows.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

# Python's text codecs that no honest mail uses, or that are slow on hostile input.
_NO_CHARSET = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")
_LABEL_END = re.compile(r"[\s;,\"'()<>*]")
_MAX_LABEL = 80

_UNDECLARED = frozenset(
    {
        "", "ascii", "usascii", "ansix341968", "iso646us", "us", "7bit", "8bit", "binary",
        "unknown", "unknown8bit", "xunknown", "default", "defaultcharset", "xuserdefined",
        "userdefined", "none", "null",
    }
)  # fmt: skip
"""Labels that say nothing: ASCII is often declared for text that is not ASCII."""

_CODECS = {
    "utf-8": "utf8 utf unicode11utf8 unicode20utf8 xunicode20utf8 xutf8",
    "utf_7": "utf7 unicode11utf7 unicode20utf7 csunicode11utf7 xunicode20utf7",
    "utf-16": "utf16 ucs2 unicode csunicode iso10646ucs2 unicodefeff",
    "utf-16-le": "utf16le unicodelittle unicodelittleunmarked",
    "utf-16-be": "utf16be unicodefffe unicodebig unicodebigunmarked",
    "utf-32": "utf32 ucs4 iso10646ucs4",
    "cp1252": "latin1 l1 isolatin1 csisolatin1 isoir100 ansi xansi ansinew",
    "cp1254": "turkish turkish8",
    "cp874": "tis620 xtis620 thai",
    "cp932": "shiftjis xshiftjis sjis xsjis mskanji csshiftjis windows31j cswindows31j xmscp932 "
    "sjiswin shiftjiswin pck xmacjapanese",
    "gb18030": "gb2312 gb231280 csgb2312 csiso58gb231280 isoir58 chinese gbk xgbk csgbk euccn "
    "xeuccn cngb xmacchinesesimp simplifiedchinese",
    "big5": "big5 xxbig5 xbig5 cnbig5 csbig5 big5hkscs csbig5hkscs big5eten xmacchinesetrad",
    "cp949": "euckr xeuckr cseuckr korean ksc5601 ksc56011987 ksc56011989 csksc56011987 isoir149 "
    "uhc xuhc xwindows949 xmackorean",
    "euc_jp": "eucjp xeucjp xxeucjp ujis cseucpkdfmtjapanese eucjpms eucjpwin xeucjpms",
    "iso2022": "jis jis7 csjisencoding",
    "hz": "hz hzgb2312",
    "koi8_r": "koi8 koi cskoi8r koi8r xkoi8r",
    "koi8_u": "koi8u koi8ru",
    "mac_roman": "mac macintosh csmacintosh xmacroman macroman",
    "mac_cyrillic": "xmaccyrillic xmacukrainian maccyrillic macukrainian",
    "mac_latin2": "xmacce xmaccentraleurroman xmaccentraleurope macce",
    "mac_greek": "xmacgreek",
    "mac_turkish": "xmacturkish",
    "mac_iceland": "xmacicelandic",
    "mac_croatian": "xmaccroatian",
    "mac_romanian": "xmacromanian",
    "mac_arabic": "xmacarabic",
    "mac_farsi": "xmacfarsi",
    "iso8859_5": "cyrillic csisolatincyrillic isoir144",
    "iso8859_6": "arabic csisolatinarabic isoir127 ecma114 asmo708 csiso88596i csiso88596e",
    "iso8859_7": "greek greek8 csisolatingreek isoir126 ecma118 elot928 suneugreek",
    "iso8859_8": "hebrew csisolatinhebrew isoir138 visual logical csiso88598i csiso88598e",
}
_BY_KEY = {key: codec for codec, keys in _CODECS.items() for key in keys.split()}
_PREFIXES = {
    "iso2022jp": "iso2022", "csiso2022jp": "iso2022", "iso2022kr": "iso2022",
    "csiso2022kr": "iso2022", "iso2022cn": "iso2022", "csiso2022cn": "iso2022",
    "utf8": "utf-8", "gb18030": "gb18030", "ksc5601": "cp949", "big5": "big5",
}  # fmt: skip
_CODE_PAGE = re.compile(
    r"(?:cs|x)?(?:windows|win|cp|ibm|dos|ms|oem|codepage|microsoftcp|pc)+0*(\d+)"
)
_CODE_PAGES = {
    "932": "cp932", "936": "gb18030", "949": "cp949", "950": "big5", "951": "big5",
    "819": "cp1252", "1200": "utf-16", "1201": "utf-16-be", "10000": "mac_roman",
    "12000": "utf-32", "20866": "koi8_r", "21866": "koi8_u", "20932": "euc_jp",
    "51932": "euc_jp", "51949": "cp949", "54936": "gb18030", "52936": "hz", "50220": "iso2022",
    "50221": "iso2022", "50222": "iso2022", "50225": "iso2022", "65000": "utf_7",
    "65001": "utf-8",
}  # fmt: skip
_ISO_8859 = re.compile(r"(?:cs|x)?(?:iso)?8859(1[0-6]|[1-9])(?:19\d\d|[ei])?(?:windows.*)?")
_LATIN = re.compile(r"(?:cs)?(?:iso)?(?:latin|l)(10|[1-9])")
_ISO_PART_OF_LATIN = {"5": "9", "6": "10", "7": "13", "8": "14", "9": "15", "10": "16"}
_ISO_IR = {"101": "2", "109": "3", "110": "4", "148": "9", "157": "10", "203": "15"}
_SUPERSETS = {"1": "cp1252", "9": "cp1254", "11": "cp874"}

_C1 = re.compile(r"[\x80-\x9f]")
_CP1252_C1 = {
    code: text
    for code in range(0x80, 0xA0)
    if (text := bytes([code]).decode("cp1252", "replace")) != "\ufffd"
}
"""What the bytes of C1 controls mean in Windows-1252; the other Windows code pages are alike."""

_UTF8_LEAD = re.compile(rb"[\xc2\xc3\xe2-\xf4][\x80-\xbf]")
_UTF8_START = re.compile(rb"[\xc2-\xf4]")
_MIN_UTF8_CHARACTERS = 4
_MULTIBYTE = re.compile(r"[^\x00-\x7f]")

_EURO_936 = re.compile(
    rb"([\x00-\x7f]+|[\x81-\xfe](?:[\x40-\x7e\x80-\xfe]|[0-9][\x81-\xfe][0-9]))|\x80"
)
_EUC_RUN = re.compile(
    rb"([\x00-\x80]+)|((?:[\xa1-\xfe]{2})+)|((?:\x8e[\xa1-\xdf])+)|(\x8f[\xa1-\xfe]{2})|(.)",
    re.DOTALL,
)
_ISO_2022 = re.compile(rb"\x1b(?:\$[()]?[@A-D]|\([BJIHT]|\$\)G)|[\x0e\x0f\n]")
_TO_HIGH = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256))
_TO_MICROSOFT = str.maketrans(
    "\u301c\u2016\u2212\u00a2\u00a3\u00ac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2"
)
"""JIS characters that Windows-31J maps to others than Python's `euc_jp` does."""

_JIS_ROMAN = str.maketrans("\\~", "\u00a5\u203e")

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_MAX_PRESCAN = 16 * 1024
_META = re.compile(
    rb"<!--(?:.*?-->|.*\Z)|<meta\b([^>]*)>|<\?xml\b([^>]{0,300})\?>", re.DOTALL | re.IGNORECASE
)
_META_CHARSET = re.compile(
    rb"(?:charset|encoding)\s{0,20}=\s{0,20}[\"']?\s{0,20}([A-Za-z0-9_.:+-]{1,60})", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text that was decoded from bytes.

    Attributes:
        text: The text, with U+FFFD for what the charset doesn't have.
        lost: The number of places that could not be decoded.
        guessed: Whether the charset is not known, so that another was assumed for it.
    """

    text: str
    lost: int = 0
    guessed: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What was lost or guessed, in words."""
        lost = f"{self.lost} character{'s' if self.lost > 1 else ''} that could not be decoded"
        guessed = "the name of a charset that is not known"
        return (lost,) * (self.lost > 0) + (guessed,) * self.guessed


def decode(data: bytes, label: str = "") -> DecodedText:
    """Decode `data` in the charset that `label` means in mail; nothing here raises.

    A byte order mark wins. Without a usable label it is UTF-8, or else Windows-1252.
    """
    codec = find_codec(label)
    if data.isascii() and _is_like_ascii(codec) and b"\x1b" not in data and b"\0" not in data:
        return DecodedText(data.decode("ascii"))
    for mark, codec_of_mark in _BOMS:
        if data.startswith(mark) and (codec_of_mark == "utf-8" or b"\0" in data):
            return _decode_by(data[len(mark) :], codec_of_mark)
    if codec in {"utf-16", "utf-32"}:
        codec = _guess_byte_order(data, codec)
    elif _is_mislabelled_utf8(data, codec):
        codec = "utf-8"
    elif not codec:
        result = _decode_undeclared(data)
        return DecodedText(result.text, result.lost, guessed=_to_key(label) not in _UNDECLARED)
    return _decode_by(data, codec)


def decode_text(data: bytes, label: str) -> str:
    """Return the text of `decode`."""
    return decode(data, label).text


def decode_html(data: bytes, label: str = "") -> DecodedText:
    """Decode HTML; where `label` says nothing or is wrong, its own declaration counts."""
    own = find_html_charset(data)
    if not own or not find_codec(label):
        return decode(data, own or label)
    declared = decode(data, label)
    outside_ascii = len(_MULTIBYTE.findall(declared.text)) if declared.lost else 0
    if declared.lost * 2 <= outside_ascii:
        return declared
    result = decode(data, own)
    return declared if result.lost else result


def find_html_charset(data: bytes) -> str:
    """Return the charset that an HTML document declares in `<meta>` or `<?xml`; empty if none."""
    for match in _META.finditer(data[:_MAX_PRESCAN]):
        declared = _META_CHARSET.search(match[1] or match[2] or b"")
        if declared is not None:
            label = declared[1].decode("ascii")
            # What could be read as ASCII isn't UTF-16, whatever it says of itself.
            return "utf-8" if find_codec(label).startswith(("utf-16", "utf-32")) else label
    return ""


@lru_cache(maxsize=512)
def find_codec(label: str) -> str:
    """Return the codec for a label: of Python, or `iso2022`, `big5`, `euc_jp`; empty if unknown."""
    text = label[:_MAX_LABEL].strip(" \t\r\n'\"=;,").lower()
    for candidate in dict.fromkeys((text, _LABEL_END.split(text, maxsplit=1)[0])):
        codec = _find_by_key(_to_key(candidate)) if candidate else None
        if codec is None and candidate:
            codec = _find_in_python(candidate)
        if codec:
            return codec
    return ""


def _to_key(label: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", label[:_MAX_LABEL].lower())


def _find_by_key(key: str) -> str | None:
    """Return the codec of a label without its punctuation; None if the tables don't have it."""
    if key in _UNDECLARED:
        return ""
    if key in _BY_KEY:
        return _BY_KEY[key]
    for prefix, codec in _PREFIXES.items():
        if key.startswith(prefix):
            return codec
    if match := _CODE_PAGE.fullmatch(key):
        number = match[1]
        return _CODE_PAGES.get(number) or _find_in_python(f"cp{number:0>3}")
    if match := _ISO_8859.fullmatch(key):
        return _find_iso_8859(match[1])
    if match := _LATIN.fullmatch(key):
        return _find_iso_8859(_ISO_PART_OF_LATIN.get(match[1], match[1]))
    if key.startswith("isoir") and key[5:] in _ISO_IR:
        return _find_iso_8859(_ISO_IR[key[5:]])
    return None


def _find_iso_8859(part: str) -> str:
    return _SUPERSETS.get(part) or _find_in_python(f"iso8859_{part}")


def _find_in_python(label: str) -> str:
    try:
        name = codecs.lookup(label).name
        b"\0\0\0\0".decode(name, "replace")  # fails for `zlib` and others that are not of text
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if name.replace("-", "_") in _NO_CHARSET else name


@lru_cache(maxsize=128)
def _is_like_ascii(codec: str) -> bool:
    """Return whether ASCII bytes without ESC always are ASCII text in `codec`."""
    if codec in {"", "iso2022", "big5"}:
        return True
    plain = "".join(map(chr, range(0x20, 0x7F)))
    return plain.encode("ascii").decode(codec, "replace") == plain


def _decode_undeclared(data: bytes) -> DecodedText:
    """Decode UTF-8 with at most a few broken bytes, or ISO-2022-JP, else Windows-1252."""
    if b"\x1b$" in data and data.isascii():
        return _decode_by(data, "iso2022")
    try:
        return DecodedText(data.decode("utf-8"))
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    if lost * 4 <= len(_MULTIBYTE.findall(text)) - lost:
        return DecodedText(text, lost)
    return _decode_by(data, "cp1252")


def _guess_byte_order(data: bytes, codec: str) -> str:
    """Return the codec of UTF-16 or UTF-32 without a mark; it is neither without a NUL."""
    if b"\0" not in data and (codec == "utf-32" or is_utf8(data)):
        return "utf-8"
    if codec == "utf-32":
        return "utf-32-be" if data[:1] == b"\0" else "utf-32-le"
    even, odd = data[0::2].count(0), data[1::2].count(0)
    return "utf-16-be" if even > odd else "utf-16-le"


def _is_mislabelled_utf8(data: bytes, codec: str) -> bool:
    """Return whether text declared in a charset of single bytes is UTF-8.

    Text of these charsets is hardly ever valid UTF-8: letters would have to alternate with signs.
    """
    if codec == "cp1252":
        return _UTF8_LEAD.search(data) is not None and is_utf8(data)
    may_be = codec.startswith(("cp125", "iso8859", "koi8")) and not data.isascii() and is_utf8(data)
    return may_be and len(_UTF8_START.findall(data)) >= _MIN_UTF8_CHARACTERS


def is_utf8(data: bytes) -> bool:
    """Return whether bytes are valid UTF-8, as ASCII is."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_by(data: bytes, codec: str) -> DecodedText:
    decoder = _DECODERS.get(codec)
    try:
        if decoder is not None:
            text = decoder(data)
            return DecodedText(text, text.count("\ufffd"))
        try:
            return DecodedText(_clean(data.decode(codec), codec))
        except UnicodeDecodeError:
            text = _clean(data.decode(codec, "replace"), codec)
    except (UnicodeError, ValueError, LookupError):
        return _decode_undeclared(data)
    return DecodedText(text, text.count("\ufffd") - data.count(b"\xef\xbf\xbd"))


def _clean(text: str, codec: str) -> str:
    """Return text without lone surrogates and, in ISO 8859, without C1 controls."""
    # UTF-8 has no surrogates, and copying a long text takes longer than decoding it.
    if codec == "utf-8" or text.isascii():
        return text
    if codec.startswith("iso8859") and _C1.search(text):
        text = text.translate(_CP1252_C1)
    return text.encode("utf-8", "replace").decode("utf-8")


def _decode_gb18030(data: bytes) -> str:
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        # Code page 936 has the euro sign in one byte, which is no lead byte of GB 18030.
        pieces = _EURO_936.sub(lambda match: match[1] or b"\xa2\xe3", data)
        return pieces.decode("gb18030", "replace")


def _decode_big5(data: bytes) -> str:
    """Decode Big5: code page 950, or with the Hong Kong characters where that is not enough."""
    try:
        text = data.decode("cp950")
    except UnicodeDecodeError:
        return data.decode("big5hkscs", "replace")
    # Code page 950 has nothing in the rows C6A1 to C8FE but private characters.
    is_private = any("\ue000" <= character <= "\uf8ff" for character in set(text))
    return data.decode("big5hkscs", "replace") if is_private else text


def _decode_euc_jp(data: bytes) -> str:
    """Decode EUC-JP with the rows of NEC and IBM that Windows-31J has (CP 51932)."""
    try:
        return data.decode("euc_jp").translate(_TO_MICROSOFT)
    except UnicodeDecodeError:
        return "".join(map(_decode_euc_run, _EUC_RUN.finditer(data)))


def _decode_euc_run(match: re.Match[bytes]) -> str:
    if match[1]:
        return match[1].decode("ascii", "replace")
    if match[2]:
        return _euc_to_shift_jis(match[2]).decode("cp932", "replace")
    if match[3]:
        return match[3].replace(b"\x8e", b"").decode("cp932", "replace")
    return match[0].decode("euc_jp", "replace")


def _euc_to_shift_jis(pairs: bytes) -> bytes:
    """Return two-byte characters of EUC-JP in Shift JIS (JIS X 0208 annex 1)."""
    result = bytearray(len(pairs))
    for at in range(0, len(pairs), 2):
        row, cell = pairs[at] - 0xA0, pairs[at + 1] - 0xA0
        lead = (row - 1) // 2
        result[at] = lead + (0x81 if lead < 31 else 0xC1)
        odd = cell + (0x3F if cell < 64 else 0x40)
        result[at + 1] = odd if row % 2 else cell + 0x9E
    return bytes(result)


def _decode_iso_2022(data: bytes) -> str:
    """Decode ISO-2022-JP, -KR and -CN (RFC 1468, 1557, 1922) with the vendors' rows."""
    pieces: list[str] = []
    designated, shifted_to, shifted = b"(B", b"(I", False
    at = 0
    for match in _ISO_2022.finditer(data):
        pieces.append(_decode_set(data[at : match.start()], shifted_to if shifted else designated))
        at = match.end()
        control = match[0]
        if control == b"\n":
            pieces.append("\n")
            designated, shifted = b"(B", False  # a line starts in ASCII
        elif control in b"\x0e\x0f":
            shifted = control == b"\x0e"
        elif control.startswith(b"\x1b$)"):
            shifted_to = control[2:]
        else:
            designated = control[1:]
    pieces.append(_decode_set(data[at:], shifted_to if shifted else designated))
    return "".join(pieces)


def _decode_set(data: bytes, designated: bytes) -> str:
    """Decode a run of bytes in one of the sets that ISO 2022 designates."""
    if designated[-1:] in b"BJHT" and designated[:1] == b"(":
        text = data.decode("ascii") if data.isascii() else data.decode("cp932", "replace")
        return text.translate(_JIS_ROMAN) if designated == b"(J" else text
    high = data.translate(_TO_HIGH)
    kind = designated[-1:]
    if kind == b"I":
        return high.decode("cp932", "replace")
    if designated == b"$(D":
        return _decode_euc_jp(re.sub(rb"([\xa1-\xfe]{2})", rb"\x8f\1", high))
    if kind in b"AG":
        return high.decode("gb18030", "replace")
    return high.decode("cp949", "replace") if kind == b"C" else _decode_euc_jp(high)


_DECODERS: dict[str, Callable[[bytes], str]] = {
    "gb18030": _decode_gb18030,
    "big5": _decode_big5,
    "euc_jp": _decode_euc_jp,
    "iso2022": _decode_iso_2022,
}
