"""Quoted history: where what the author wrote ends and a copy of earlier mail begins.

What is not surely history is shown: a line too many costs a little, a hidden line may be the point.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_MAX_INTRODUCTION_LINES = 3
_MAX_LINE_CHARS = 400
_MAX_HEADER_LINES = 10
_MAX_RULE_CHARS = 120
_COLONS = (":", "\uff1a")
_QUOTE = re.compile(r"[ \t]*>")

# "Am Montag schrieb Ann:" and its like, in the words of mail programs; the last lines need none.
_INTRODUCTION = re.compile(
    r"""(?:
      \b(?:wrote|writes|schrieb|schreibt|geschrieben|a\ écrit|écrivait|escribió|escribe
        |ha\ scritto|scrisse|scrive|escreveu|schreef|geschreven|skrev|skriver|kirjoitti|napsala?
        |napisał|napisała|pisze|написал|написала|пишет|писал|написав|пише|a\ scris
        |írta|yazd[\u0131i]|napísala?|napisao|napisala?|написа|kirjutas|rakstīja|rašė|đã\ viết
        |έγραψε|skreiv|menulis|quoting|zitat\ von|citando|citat\ de)\b .{0,100}
      | (?:さんは書きました|のメール|書き込みました|のメッセージ
        |님이\ 작성|님이\ 쓴\ 글|写道|寫道|เขียนว่า|كتب|כתב) .{0,100}
      | <[^<>\s]{1,100}@[^<>\s]{1,100}> [\s)\]]*
    ) [:\uff1a]\s*$
    | ^\W{0,4}\d{4}[年/.-]\s?\d{1,2}[月/.-]\s?\d{1,2}.{0,200}
      <[^<>\s]{1,100}@[^<>\s]{1,100}>\s*[:\uff1a]?\s*$
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Direction marks, as mail programs in Arabic and Hebrew put around names and addresses.
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# An address as the conversion of HTML writes it.
_ADDRESS_LINK = re.compile(r"\[([^\[\]]{1,100})\]\(mailto:[^()\s]{1,150}\)")
_OPENER = re.compile(
    r"\W{0,4}(?:(?:on|am|le|el|il|em|a|op|den|dne|dnia|w\ dniu|pe|στις|tarihinde|quoting|zitat)\b"
    r"|\w{2,12}\.?,?\ \d{1,2}\b|\d{4}[年/.-]|\d{1,2}[./-]\d)",
    re.VERBOSE | re.IGNORECASE,
)
_DATE_OR_ADDRESS = re.compile(r"\d|@")
_FORWARDED = re.compile(
    r"forwarded|weitergeleitet|transféré|réexpédié|reenviado|inoltrat|encaminhad|doorgestuurd"
    r"|przekazan|przesłan|пересылаем|переслан|пересланн|vidarebefordra|videresendt|välitetty"
    r"|přeposlan|továbbított|iletilen|προωθημένο|redirecționat|転送|转发|轉寄|轉發|전달",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"original|ursprünglich|oorspronkelijk|oryginaln|исходное|ursprungli|oprindelig|opprinnelig"
    r"|alkuperäinen|původní|eredeti|özgün|orijinal|αρχικό|元のメッセージ|原始|原件|원본",
    re.IGNORECASE,
)
_RULE = re.compile(r"\W{0,4}[-_=]{2}")
_LETTER = re.compile(r"[^\W\d_]")
_LABEL = re.compile(r"[\s*_\\]{0,6}([^\W\d_][^:\uff1a*<>@]{0,24}?)[\s*_]{0,4}[:\uff1a]")


def _split_words(words: str) -> frozenset[str]:
    return frozenset(words.split("|"))


_FROM = _split_words(
    "from|von|de|da|van|od|от|от кого|från|fra|lähettäjä|feladó|kimden|gönderen|差出人|送信者"
    "|发件人|寄件者|寄件人|보낸 사람|보낸사람|από|від|de la|من|מאת"
)
_SUBJECT = _split_words(
    "subject|betreff|objet|sujet|asunto|oggetto|assunto|onderwerp|temat|тема|ämne|emne|aihe|předmět"
    "|tárgy|konu|件名|主题|主旨|主題|제목|θέμα|subiect|الموضوع|נושא"
)
_DATE_OR_TO = _split_words(
    "sent|date|to|gesendet|datum|an|envoyé|à|a|date d'envoi|enviado|enviado el|fecha|para|inviato"
    "|data|enviada em|enviado em|verzonden|aan|wysłano|wysłane|do|отправлено|дата|кому|skickat|till"
    "|sendt|dato|til|lähetetty|vastaanottaja|odesláno|komu|elküldve|küldve|dátum|címzett|gönderildi"
    "|gönderme tarihi|tarih|kime|al\u0131c\u0131|送信日時|日時|送信日|日付|宛先|发送时间|日期"
    "|时间|收件人|寄件日期|傳送時間|收件者|보낸 날짜|날짜|받는 사람|받는사람|στάλθηκε|προς"
    "|надіслано|trimis|către|إلى|تم الإرسال|אל|נשלח|תאריך"
)
REPLY_WORDS = (
    "re|aw|antw|antwort|sv|svar|vs|vast|odp|ynt|yan|r|res|resp|rép|rep|rif|răsp|bls|balas|ats|atb|"
    "vá|odg|odgovor|отв|ответ|отг|відп|відповідь|одг|απ|απάντηση|תשובה|השב|رد|پاسخ|回复|回覆|答复|"
    "答覆|返信|回信|답장|회신|ตอบ|ตอบกลับ|trả lời|tl"
)
"""Alternatives of a pattern: "Re" and what mail programs in other languages write for it.

What means a forward (Fwd, WG, TR, RV, VB, PD …) is not here: a forward keeps its prefix behind the
reply's.
"""
_SUBJECT_TAG = r"\s*(?:\[[^\]]{0,60}\]\s*)?"
_FORWARD_PREFIX = re.compile(
    _SUBJECT_TAG + r"(?:fwd?|wg|tr|rv|enc|i|pd|vb|vl|doorst|továbbítás|ilt|i\u0307lt|πρθ|transf|trs"
    r"|转发|轉寄|轉發|転送|전달|fs|пересл|hl)\s*(?:\[\d+\])?\s*[:\uff1a]",
    re.IGNORECASE,
)
_REPLY_PREFIX = re.compile(
    # In a subject of ours these few words stay: people write them too, as in "Ref: 4711".
    rf"{_SUBJECT_TAG}(?:{REPLY_WORDS}|ant|ref|ha|σχετ)\s*(?:[\[(^]\d+[\])]?)?\s*[:\uff1a]",
    re.IGNORECASE,
)


def is_forward_subject(subject: str) -> bool:
    """Return whether a subject begins as a forward's does: `Fwd:`, `WG:`, `TR:`, `転送:` …"""
    return _FORWARD_PREFIX.match(subject[:200]) is not None


def is_reply_subject(subject: str) -> bool:
    """Return whether a subject begins as a reply's does: `Re:`, `AW:`, `SV:`, `回复:` …"""
    return _REPLY_PREFIX.match(subject[:200]) is not None


def split_quoted(text: str, *, is_reply: bool = True) -> tuple[str, str]:
    """Split a body into what its author wrote and the quoted history at its end.

    History is a block of `>` lines, with at most an introduction above it, that only blank lines
    follow; or everything from `-----Original Message-----` or from a block of header fields as
    Outlook writes it. Text below `>` lines is its author's, so it is never history. A forwarded
    message is content, so a body with a line that introduces one is whole; so is a body with
    nothing above its first such line, and what a line such as "The installer says:" introduces.

    Args:
        text: The body.
        is_reply: Whether the message answers one. Where it does not, only `>` lines below a
            mail program's introduction are history.

    Returns:
        The new part and the history; the history is empty where there is none. Together they hold
        every line of the text, in order.
    """
    lines = text.rstrip().split("\n")
    start = _find_marked(lines, is_reply)
    boundary = _find_unmarked(lines[:start]) if is_reply else start
    if _is_forward(lines[: min(start, boundary)]):
        return text.rstrip(), ""
    start = min(start, boundary)
    return "\n".join(lines[:start]).rstrip(), "\n".join(lines[start:])


def _is_forward(lines: Sequence[str]) -> bool:
    # Most lines end otherwise: to strip each of them twice takes longer.
    ends = (*_COLONS, "--", "==")
    return any(_introduces_forward(line) for line in lines if line.rstrip(" \t*_\r").endswith(ends))


def _introduces_forward(line: str) -> bool:
    """Return whether a line says that a forwarded message follows."""
    short = line.strip()
    is_short = len(short) <= _MAX_RULE_CHARS
    return is_short and _introduces(short) and _FORWARDED.search(short) is not None


def _find_marked(lines: Sequence[str], is_reply: bool) -> int:
    """Return where the `>` lines at the end begin, their introduction included."""
    start = len(lines)
    while start > 0 and (not lines[start - 1].strip() or _QUOTE.match(lines[start - 1])):
        start -= 1
    first = next((at for at in range(start, len(lines)) if lines[at].strip()), None)
    if first is None:
        return len(lines)
    count = _count_introduction_lines(lines, start)
    introduction = " ".join(lines[start - count : start] or [lines[first].lstrip("> \t")])
    if not is_reply:
        is_certain = _OPENER.match(introduction) or _DATE_OR_ADDRESS.search(introduction)
        is_introduced = _is_introduction(introduction) and is_certain
        return start - count if is_introduced else len(lines)
    is_named = start > 0 and lines[start - 1].rstrip().endswith(_COLONS)
    if not count and (is_named or _introduces_forward(introduction)):
        return len(lines)
    return start - count


def _count_introduction_lines(lines: Sequence[str], end: int) -> int:
    """Return how many of the lines before `end`, at most three, introduce what follows."""
    count = 0
    for length in range(1, min(_MAX_INTRODUCTION_LINES, end) + 1):
        if not lines[end - length].strip():
            break
        joined = " ".join(lines[end - length : end])
        if not _is_introduction(joined):
            continue
        if _OPENER.match(joined):
            return length
        count = count or length
    return count


def _is_introduction(line: str) -> bool:
    if len(line) > _MAX_LINE_CHARS:
        return False
    words = " ".join(_DIRECTION.sub("", line).strip(" \t*_").split())
    plain = _ADDRESS_LINK.sub(r"\1", words)
    return _INTRODUCTION.search(plain) is not None


def _find_unmarked(lines: Sequence[str]) -> int:
    """Return where history without `>` begins, below at least one line of the author's."""
    above = before = ""
    for at, line in enumerate(lines):
        if not line.strip() or _is_bare_rule(line):
            continue
        if _is_original_rule(line) or _is_header_block(lines, at):
            start = at
            if _is_date_above(lines, at):
                start, above = at - 1, before
            return _skip_rules(lines, start) if above and not _introduces(above) else len(lines)
        above, before = line, above
    return len(lines)


def _is_date_above(lines: Sequence[str], at: int) -> bool:
    """Return whether the line above From is the date of its header, as GMX writes it."""
    if at == 0 or _get_label(lines[at]) not in _FROM:
        return False
    label = _get_label(lines[at - 1])
    below = {_get_label(line) for line in lines[at : at + _MAX_HEADER_LINES]}
    return label in _DATE_OR_TO and label not in below


def _introduces(line: str) -> bool:
    """Return whether a line such as `--- Copy ---` or "His mail:" introduces what follows."""
    short = line.strip(" \t*_")
    is_titled = _RULE.match(short) is not None and short.endswith(("--", "=="))
    return is_titled or short.endswith(_COLONS)


def _is_original_rule(line: str) -> bool:
    """Return whether a line is `-----Original Message-----` in some language."""
    short = line.strip()
    if len(short) > _MAX_RULE_CHARS or not _RULE.match(short):
        return False
    return short.rstrip("*> ").endswith(("--", "__", "==")) and bool(_ORIGINAL.search(short))


def _is_bare_rule(line: str) -> bool:
    return _RULE.match(line) is not None and not _LETTER.search(line[:_MAX_LINE_CHARS])


def _skip_rules(lines: Sequence[str], at: int) -> int:
    """Return where the rules and blank lines above `at` begin."""
    start = at
    while start > 0 and (not lines[start - 1].strip() or _is_bare_rule(lines[start - 1])):
        start -= 1
    return start


def _is_header_block(lines: Sequence[str], at: int) -> bool:
    """Return whether From, a subject and a date or a recipient stand one below the other."""
    if _get_label(lines[at]) not in _FROM:
        return False
    labels: set[str] = set()
    for line in lines[at + 1 : at + 1 + _MAX_HEADER_LINES]:
        labels.add(_get_label(line))
    return bool(labels & _SUBJECT and labels & _DATE_OR_TO)


def _get_label(line: str) -> str:
    match = _LABEL.match(line)
    return " ".join(match[1].lower().split()) if match else ""
