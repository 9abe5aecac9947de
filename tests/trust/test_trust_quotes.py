"""Quoted history: what the author wrote stays in front, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail.trust.quotes import is_forward_subject, is_reply_subject, split_quoted

REPLY = [
    ("Yes.", "On Monday Ann wrote:\n> Can you?\n>> Sure?\n"),
    ("Ja", "Am Montag schrieb Ann <ann@example.com>:\n\n> Geht das?"),
    ("Yes.", "> Can you?\n\n"),
    ("Yes.", "On Mon, Nov 2, 2026 at 10:00 Ann\n<ann@example.com> wrote:\n> Can you?"),
    (
        "Ja.",
        "Am Mo., 2. Nov. 2026 um 10:00 schrieb\nAnn Example\n<ann@example.com>:\n\n> Ja?",
    ),
    ("Oui", "Le lun. 2 nov. 2026 à 10:00, Ann <ann@example.com> a\u00a0écrit\u00a0:\n> Possible ?"),
    ("Sí.", "El lun, 2 nov 2026 a las 10:00, Ann (<ann@example.com>) escribió:\n> ¿Puede?"),
    ("Sì.", "Il giorno lun 2 nov 2026 alle ore 10:00 Ann <ann@example.com> ha\nscritto:\n> Puoi?"),
    ("Sim.", "Em seg., 2 de nov. de 2026 às 10:00, Ann <a@example.com> escreveu:\n> Pode?"),
    ("Ja.", "Op ma 2 nov 2026 om 10:00 schreef Ann <ann@example.com>:\n> Kan dat?"),
    ("Tak.", "pon., 2 lis 2026 o 10:00 Ann <ann@example.com> napisał(a):\n> Możesz?"),
    ("Tak.", "W dniu 2.11.2026 o 10:00, Ann pisze:\n> Możesz?"),
    ("Да.", "Анна написал(а):\n> Можно?"),  # noqa: RUF001 - Russian
    ("Ja.", "Den mån 2 nov. 2026 kl 10:00 skrev Ann <ann@example.com>:\n> Kan du?"),
    ("はい。", "2026年11月2日(月) 10:00 Ann <ann@example.com>:\n> できますか"),
    ("はい。", "2026/11/02 10:00、Ann さんのメール:\n> できますか"),
    ("はい", "2026年11月2日 10:00 Ann <[a@example.com](mailto:a@example.com)>:\n\n> できますか"),
    ("Vâng", "Vào Th 2, 2 thg 11, 2026 lúc 10:00 Ann <ann@example.com> đã viết:\n> Được?"),
    ("好的", "Ann <ann@example.com> 于2026年11月2日周一 10:00写道\uff1a\n> 可以吗"),
    ("네", "2026년 11월 2일 (월) 오전 10:00, Ann <ann@example.com>님이 작성:\n> 가능해요?"),
    ("はい。", "2026年11月2日(月) 10:00、Ann<ann@example.com>のメール:\n\n> できますか"),
    ("Ya.", "Pada Sen, 2 Nov 2026 pukul 10.00 Ann <ann@example.com> menulis:\n> Bisa?"),
    ("ค่ะ", "ในวันที่ จ. 2 พ.ย. 2026 เวลา 10:00 Ann <ann@example.com> เขียนว่า:\n> ได้ไหม"),
    (
        "כן",
        "\u202bמאת \u202aAnn\u202c <\u202aann@example.com\u202c\u200f>:\u202c\n> אפשר?",
    ),
    ("Ja", "Gesendet: Montag, 2. November 2026\nVon: Ann\nAn: Bob\nBetreff: x\n\nHm"),
    ("See 7.\n\nDate: 7 May", "From: Ann\nSent: Monday\nDate: x\nTo: Bob\nSubject: x\n\nHm"),
    ("Yes", "-----Original Message-----\nFrom: Ann\nSubject: x\n\nCan you?"),
    ("Ja", "-----Urspr\u00fcngliche Nachricht-----\nVon: Ann\nBetreff: x\n\nKannst du?"),
    ("Yes", "________________________________\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: x\n\nHm"),
    ("Yes", "**From:** Ann\n\n**Sent:** Monday\n\n**To:** Bob\n\n**Subject:** x\n\nHm"),
    ("Ja", "Von: Ann\nGesendet: Montag\nAn: Bob\nBetreff: x\n\nHm"),
    ("Oui", "De\u00a0: Ann\nEnvoyé\u00a0: lundi\nÀ\u00a0: Bob\nObjet\u00a0: x\n\nHm"),
    ("Tak", "Od: Ann\nWysłano: poniedziałek\nDo: Bob\nTemat: x\n\nHm"),
    ("はい", "差出人: Ann\n送信日時: 2026年11月2日\n宛先: Bob\n件名: x\n\nHm"),
]
WHOLE = [
    "Hello\n\nBye",
    "> Can you?\nYes, see below.",
    "On Monday Ann wrote:\n> Can you?\n\nYes I can.",
    "On Monday he wrote:\nthe following new text",
    "---------- Forwarded message ---------\nFrom: Ann\n\nHello",
    "FYI\n---------- Forwarded message ---------\nFrom: Ann\nDate: x\nSubject: x\n\n> Hello",
    "Siehe\n\nAnfang der weitergeleiteten Nachricht:\n\nVon: Ann\nBetreff: x\nDatum: y\n\nHi",
    "FYI\n\n--- Copie ---\nDe: Ann\nObjet: x\nDate: y\n\nBonjour",
    "From: Ann\nSent: Monday\nSubject: x\n\nHello",
    "FYI\n\n> Begin forwarded message:\n>\n> From: Ann\n> Subject: x\n>\n> Hello",
    "The installer says:\n\n> error 404\n> not found",
    "- one\n- two\n--\nAnn",
    "List:\n---\nmore",
    "Trip:\nFrom: Rome\nTo: Oslo\nDate: May 1",
]


@pytest.mark.parametrize(("new", "history"), REPLY)
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_history_is_separated(new: str, history: str, gap: str) -> None:
    written, quoted = split_quoted(f"{new}{gap}{history}")
    assert (written, quoted.strip()) == (new, history.rstrip())


@pytest.mark.parametrize("body", WHOLE)
def test_what_the_author_may_have_written_is_never_history(body: str) -> None:
    assert split_quoted(body) == (body, "")


@pytest.mark.parametrize(
    ("body", "new"),
    [
        ("The build fails:\n> error 1", None),
        ("It fails\n> error 1\nI tried x\n> error 2", None),
        ("Yes\n\nFrom: Ann\nSent: Monday\nSubject: x\n\nHm", None),
        ("Bob wrote:\n> hm", None),
        ("Yes\n\nOn 2 Nov 2026, Ann wrote:\n> Can you?", "Yes"),
        ("Yes\n\n> On 2 Nov 2026, at 10:00, Ann <a@example.com> wrote:\n>\n> Can you?", "Yes"),
    ],
)
def test_mail_that_answers_nothing_has_history_only_below_a_sure_introduction(
    body: str, new: str | None
) -> None:
    assert split_quoted(body, is_reply=False)[0] == (new or body)


@pytest.mark.parametrize(
    ("subject", "is_forward", "is_reply"),
    [
        ("Fwd: x", True, False),
        ("FW: Re: x", True, False),
        ("WG: x", True, False),
        ("TR : x", True, False),
        ("[list] Fwd: x", True, False),
        ("\u8f6c\u53d1\uff1ax", True, False),
        ("Re: Fwd: x", False, True),
        ("AW: x", False, True),
        ("Re[2]: x", False, True),
        ("\u56de\u590d: x", False, True),
        ("Forward: march", False, False),
        ("Reset", False, False),
        ("Antwort: Rechnung", False, True),
        ("ตอบ: x", False, True),
        ("Ref: 4711", False, True),
    ],
)
def test_subjects_of_forwards_and_replies(subject: str, is_forward: bool, is_reply: bool) -> None:
    assert (is_forward_subject(subject), is_reply_subject(subject)) == (is_forward, is_reply)


LINES = st.lists(
    st.sampled_from(
        [
            "", " ", ">", "> a", ">> b", "On x wrote:", "Am x schrieb y:", "new words", "From: a",
            "-----Original Message-----", "________________________________", "a --", "  > c",
        ]
    ),
    max_size=12,
)  # fmt: skip


@given(LINES)
def test_no_line_is_lost_and_their_order_stays(lines: list[str]) -> None:
    written, history = split_quoted("\n".join(lines))
    kept = [line for line in f"{written}\n{history}".split("\n") if line.strip()]
    assert [line.rstrip() for line in kept] == [line.rstrip() for line in lines if line.strip()]


@pytest.mark.parametrize(
    "piece",
    [
        "Am x schrieb ",
        "From: a\n",
        "*From: a\nSubject: ",
        "---- forwarded\n",
        "On a wrote:\n",
        ">\n",
        "> ",
        "--\n",
        "Am schrieb schrieb :--\n",
        "\n",
        "a ",
    ],
)
def test_the_time_grows_as_the_text_does(piece: str) -> None:
    assert is_linear(split_quoted, piece, 200_000)
