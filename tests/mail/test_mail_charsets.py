"""Charsets: labels mean what mail means by them, and nothing that is lost is lost in silence."""

from __future__ import annotations

import pytest

from multimail_server.mail.charsets import decode, decode_html, find_codec
from multimail_server.mail.message import parse_message

# The labels of the WHATWG Encoding Standard, by the codec of the superset that they stand for.
LABELS = {
    "utf-8": "unicode-1-1-utf-8 unicode20utf8 utf-8 utf8 x-unicode20utf8 utf8mb4 UTF-8-unix",
    "cp866": "866 cp866 csibm866 ibm866 dos-866",
    "iso8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso88592 iso_8859-2:1987 l2 latin2",
    "iso8859-3": "iso-8859-3 iso-ir-109 l3",
    "iso8859-4": "csisolatin4 iso-8859-4 iso-ir-110 l4",
    "iso8859-6": "arabic asmo-708 csiso88596e csisolatinarabic ecma-114 iso-8859-6-i iso-ir-127",
    "iso8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 sun_eu_greek",
    "iso8859-8": "csiso88598i logical iso-8859-8-i visual iso-8859-8-e hebrew",
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 l6",
    "iso8859-15": "csisolatin9 iso-8859-15 l9 Latin-9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "mac-latin2": "x-mac-ce",
    "cp874": "dos-874 iso-8859-11 iso885911 tis-620 windows-874",
    "cp1251": "cp1251 windows-1251 x-cp1251 win-1251",
    "cp1252": "cp819 iso-8859-1 iso_8859-1:1987 l1 latin1 x-cp1252 ansi iso-8859-1;format=flowed",
    "cp1254": "csisolatin5 iso-8859-9 iso-ir-148 latin5 windows-1254 x-cp1254",
    "gb18030": "chinese csgb2312 gb2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 ms936 euc-cn",
    "big5": "big5 big5-hkscs cn-big5 csbig5 x-x-big5 cp950",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cp932",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ksc_5601 windows-949",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp ujis cp51932",
    "iso2022": "csiso2022jp iso-2022-jp iso-2022-jp-ms _iso-2022-jp$ESC cp50221 iso-2022-kr",
    "hz": "hz-gb-2312",
    "utf-7": "utf-7 unicode-1-1-utf-7 csUnicode11UTF7",
    "cp037": "ibm037",
    "cp850": "cp850 IBM850 cp-850",
    "": "us-ascii ascii x-user-defined x-unknown idna zlib base64 rot13 unicode_escape nonsense",
}  # fmt: skip


@pytest.mark.parametrize("codec", LABELS)
def test_a_label_stands_for_its_superset(codec: str) -> None:
    names = {label: find_codec(label).replace("_", "-") for label in LABELS[codec].split()}
    assert names == dict.fromkeys(names, codec.replace("_", "-"))


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        ("€ “” “x”".encode("cp1252"), "iso-8859-1", "€ “” “x”"),
        ("€ “” “x”".encode("cp1252"), "iso-8859-15", "€ “” “x”"),
        (b"\xa4 \x80", "iso-8859-15", "€ €"),
        ("鎔 喆".encode("gbk"), "gb2312", "鎔 喆"),
        (b"\x80 42", "gbk", "€ 42"),
        ("㈱髙①ｱ".encode("cp932"), "shift_jis", "㈱髙①ｱ"),
        (b"\xad\xa1\xb9\xe2\x8e\xb1\x8f\xb0\xa1", "euc-jp", "①高ｱ丂"),
        (b"\x1b$B-!9b\x1b(I1\x1b(J\\\x1b(B x\n\x0e1\x0f", "iso-2022-jp", "①高ｱ¥ x\nｱ"),
        (b"\x1b$B9b", "", "高"),
        (b"\x1b$)C\x0eGQ1[\x0f ok", "iso-2022-kr", "한글 ok"),
        (b"\x1b$)A\x0eVP\x0f", "iso-2022-cn", "中"),
        (b"~{VP~} a", "hz-gb-2312", "中 a"),
        ("똠방".encode("cp949"), "ks_c_5601-1987", "똠방"),
        ("着嘅".encode("big5hkscs"), "big5", "着嘅"),
        (b"\xa3\xe1", "big5", "€"),
        (b"J+APw-rgen", "utf-7", "Jürgen"),
        ("é".encode("cp437"), "cp437", "é"),
        ("aé".encode("utf-16"), "utf-16", "aé"),
        ("aé".encode("utf-16-be"), "utf-16", "aé"),
        ("aé".encode("utf-16-le"), "unicode", "aé"),
        ("aé".encode("utf-32"), "utf-32", "aé"),
        (b"abc", "utf-16", "abc"),
        ("é".encode("utf-8-sig"), "iso-8859-1", "é"),
        ("Zürich “” 5 €".encode(), "iso-8859-1", "Zürich “” 5 €"),
        (b"CAF\xc9\xae", "iso-8859-1", "CAFÉ®"),
        ("Привет".encode(), "koi8-r", "Привет"),
        ("Привет".encode("koi8-r"), "KOI8-R", "Привет"),
        (b"h\xe9", "", "hé"),
    ],
)
def test_text_is_decoded_whole(data: bytes, label: str, text: str) -> None:
    decoded = decode(data, label)
    assert (decoded.text, decoded.lost, decoded.guessed) == (text, 0, False)


@pytest.mark.parametrize(
    ("data", "label", "text", "lost", "guessed"),
    [
        (b"a\xffb", "utf-8", "a\ufffdb", 1, False),
        ("a\ufffdb".encode(), "utf-8", "a\ufffdb", 0, False),
        (b"a\x81b", "iso-8859-1", "a\ufffdb", 1, False),
        (b"\xfc", "windows-874", "\ufffd", 1, False),
        ("äöüß".encode() + b"\xff", "", "äöüß\ufffd", 1, False),
        (b"h\xe9", "x-nonsense", "hé", 0, True),
        (b"hi", "x-nonsense", "hi", 0, False),
    ],
)  # fmt: skip
def test_what_is_lost_or_guessed_is_said(
    data: bytes, label: str, text: str, lost: int, guessed: bool
) -> None:
    decoded = decode(data, label)
    assert (decoded.text, decoded.lost, decoded.guessed) == (text, lost, guessed)
    head = f"Content-Type: text/plain; charset={label}\r\n\r\n".encode()
    assert len(parse_message(head + data).removed) == (lost > 0) + guessed


def test_what_is_lost_in_a_header_is_said() -> None:
    assert len(parse_message(b"Subject: =?utf-8?q?a=FF?=\r\n\r\nx").removed) == 1
    assert parse_message(b"Subject: =?utf-8?q?a?=\r\n\r\nx").removed == ()


@pytest.mark.parametrize(
    ("head", "label", "text"),
    [
        (b'<meta charset="windows-1251">', "", "Да"),
        (b"<META content='text/html; charset = Windows-1251' http-equiv=x>", "us-ascii", "Да"),
        (b'<?xml version="1.0" encoding="windows-1251"?>', "", "Да"),
        (b'<!-- <meta charset="koi8-r"> --><meta charset=cp1251>', "", "Да"),
        (b'<meta charset="koi8-r">', "windows-1251", "Да"),
        (b'<meta name="x" content="y">', "", "Äà"),
        (b'<meta charset="cp1251">', "utf-8", "Да"),
    ],
)
def test_html_names_its_charset_where_its_part_does_not(head: bytes, label: str, text: str) -> None:
    assert decode_html(head + "Да".encode("cp1251"), label).text.endswith(f">{text}")
