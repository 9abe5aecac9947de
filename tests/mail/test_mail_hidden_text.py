"""Hidden text: what people do not see of an HTML mail does not reach the model, and is counted."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail import MultiMail
from multimail_server.mail.html import html_to_markdown
from multimail_server.mail.html.source import MAX_TAGS
from multimail_server.mail.html.visibility import extract_visible_html
from multimail_server.testing.server import ServerUnderTest

HIDDEN = {
    "display": '<p style="display:none">SECRET</p>',
    "upper case": '<P STYLE="DISPLAY:NONE">SECRET</P>',
    "blanks": '<p style=" display \n : \t none ; ">SECRET</p>',
    "important": '<p style="display:none!important">SECRET</p>',
    "important wins": '<p style="display:none ! important; display:block">SECRET</p>',
    "css comment": '<p style="display:/* x */none">SECRET</p>',
    "css comment before": '<p style="/*;*/display:none">SECRET</p>',
    "css escape": '<p style="d\\69splay:n\\6f ne">SECRET</p>',
    "entities": '<p style="&#100;isplay&colon;n&#x6f;ne">SECRET</p>',
    "no quotes": "<p style=display:none>SECRET</p>",
    "slash for a blank": '<p/style="display:none">SECRET</p>',
    "sign in the tag": '<p style="display:none"<x>SECRET</p>',
    "long tag": '<p title="' + "x" * 9000 + '" style="display:none">SECRET</p>',
    "many attributes":
    "<p " + " ".join(f"a{n}" for n in range(99)) + ' style="display:none">SECRET</p>',
    "second attribute does not count": '<p style="display:none" style="display:block">SECRET</p>',
    "invalid value after": '<p style="display:none;display:shown">SECRET</p>',
    "bracket after": '<p style="display:none;x:(;display:block">SECRET</p>',
    "string before": "<p style=\"content:'a;b';display:none\">SECRET</p>",
    "blank that is none": '<p x\u00a0style="a" style="display:none">SECRET</p>',
    "tab that is none": '<p x\x0bstyle="a" style="display:none">SECRET</p>',
    "value with a blank that is none": '<p style="display:none;display:block\u00a0">SECRET</p>',
    "value with a Kelvin sign": '<p style="display:none;display:bloc\u212a">SECRET</p>',
    "name with a Kelvin sign": '<p bac\u212aground="x" style="color:#fff">SECRET</p>',
    "variable": '<p style="--x:none;display:var(--x)">SECRET</p>',
    "visibility": '<p style="visibility:hidden">SECRET</p>',
    "collapse": '<p style="visibility:collapse">SECRET</p>',
    "attribute": "<p hidden>SECRET</p>",
    "attribute with a value": '<p hidden="until-found">SECRET</p>',
    "opacity": '<p style="opacity:0">SECRET</p>',
    "opacity almost": '<p style="opacity:.01">SECRET</p>',
    "opacity in percent": '<p style="opacity:0%">SECRET</p>',
    "opacity by degrees": '<p style="opacity:.3"><b style="opacity:.3">SECRET</b></p>',
    "filter": '<p style="filter:opacity(0)">SECRET</p>',
    "no size": '<p style="font-size:0">SECRET</p>',
    "size of 1px": '<p style="font-size:1px">SECRET</p>',
    "size in em": '<p style="font-size:.01em">SECRET</p>',
    "size by degrees": '<p style="font-size:30%"><b style="font-size:30%">SECRET</b></p>',
    "size inherited": '<div style="font-size:0"><p><b>SECRET</b></p></div>',
    "size calculated": '<p style="font-size:calc(1px * 0)">SECRET</p>',
    "font": '<p style="font:0/0 a">SECRET</p>',
    "no height": '<p style="height:0;overflow:hidden">SECRET</p>',
    "no height at most": '<p style="max-height:0px;overflow-y:hidden">SECRET</p>',
    "no width": '<p style="width:0;overflow:hidden">SECRET</p>',
    "for screen readers":
    '<p style="position:absolute;width:1px;height:1px;overflow:hidden">SECRET</p>',
    "off to the left": '<p style="position:absolute;left:-9999px">SECRET</p>',
    "off to the top": '<p style="position:fixed;top:-999em">SECRET</p>',
    "off by percents": '<p style="position:absolute;left:-100%">SECRET</p>',
    "off by a margin": '<p style="margin:0 0 0 -9999px">SECRET</p>',
    "off by inset": '<p style="position:absolute;inset:-9999px">SECRET</p>',
    "indent": '<p style="text-indent:-9999px">SECRET</p>',
    "clip": '<p style="position:absolute;clip:rect(0,0,0,0)">SECRET</p>',
    "clip path": '<p style="clip-path:inset(100%)">SECRET</p>',
    "flat lines": '<p style="line-height:0;overflow:hidden">SECRET</p>',
    "zoom": '<p style="zoom:.01">SECRET</p>',
    "scale almost": '<p style="transform:scale(.001)">SECRET</p>',
    "indented away": '<p style="text-indent:100%;white-space:nowrap;overflow:hidden">SECRET</p>',
    "scale": '<p style="transform:scale(0)">SECRET</p>',
    "translate": '<p style="transform:translateX(-9999px)">SECRET</p>',
    "content visibility": '<p style="content-visibility:hidden">SECRET</p>',
    "translate property": '<p style="translate:-9999px">SECRET</p>',
    "translate matrix": '<p style="transform:matrix(1,0,0,1,-9999,0)">SECRET</p>',
    "translate by windows": '<p style="transform:translate(100vw)">SECRET</p>',
    "scale property": '<p style="scale:0">SECRET</p>',
    "scale then nonsense": '<p style="scale:0;scale:x">SECRET</p>',
    "scale of one side": '<p style="scale:1 0%">SECRET</p>',
    "scales": '<p style="transform:scale(.3) scale(.3)">SECRET</p>',
    "flat matrix": '<p style="transform:matrix(0,0,0,1,0,0);transform:odd(1)">SECRET</p>',
    "edge on": '<p style="rotate:x 90deg">SECRET</p>',
    "edge on in turns": '<p style="transform:rotate3d(1,0,0,.25turn)">SECRET</p>',
    "fixed in windows": '<p style="position:fixed;left:200vw">SECRET</p>',
    "absolute in heights": '<p style="position:absolute;top:-100vh">SECRET</p>',
    "sticky calculated": '<p style="position:sticky;left:calc(-100% - 9px)">SECRET</p>',
    "logical offset": '<p style="position:fixed;inset-inline-start:-9999px">SECRET</p>',
    "mask": '<p style="mask:linear-gradient(transparent,transparent)">SECRET</p>',
    "mask of an image": '<p style="-webkit-mask-image:url(x.png)">SECRET</p>',
    "mask of no size": '<p style="mask:linear-gradient(#000,#000) 0 0/0 0">SECRET</p>',
    "circle": '<p style="clip-path:circle(1px at 0 0)">SECRET</p>',
    "clip path of sides": '<p style="-webkit-clip-path:inset(0 50%)">SECRET</p>',
    "polygon": '<p style="clip-path:polygon(0 0,100% 0,0 0)">SECRET</p>',
    "clip path of a reference": '<p style="clip-path:url(#a)">SECRET</p>',
    "letters on each other": '<p style="letter-spacing:-2em">SECRET</p>',
    "letters apart": '<p style="letter-spacing:100vw">SECRET</p>',
    "words away": '<p style="word-spacing:-9999px">a SECRET</p>',
    "discs": '<p style="-webkit-text-security:disc">SECRET</p>',
    "blur": '<p style="filter:blur(1em)">SECRET</p>',
    "filter by a prefix": '<p style="-webkit-filter:opacity(0%)">SECRET</p>',
    "scrolled": '<p style="height:0;overflow:auto">SECRET</p>',
    "logical size": '<p style="block-size:0;overflow:hidden">SECRET</p>',
    "contained": '<p style="height:0;contain:paint">SECRET</p>',
    "Outlook": '<p style="mso-hide:all">SECRET</p>',
    "all properties": '<div style="background:#000"><p style="color:#fff;all:initial">SECRET</p>',
    "popover": "<div popover>SECRET</div>",
    "marquee": "<marquee width=0 height=0>SECRET</marquee>",
    "standing marquee": "<marquee scrollamount=0>SECRET</marquee>",
    "svg desc": "<svg><desc>SECRET</desc></svg>",
    "svg text": "<svg><text fill=white>SECRET</text></svg>",
    "annotation": "<math><semantics><annotation>SECRET</annotation></semantics></math>",
    "progress": "<progress>SECRET</progress>",
    "ruby parenthesis": "<ruby>a<rp>SECRET</rp></ruby>",
    "data import": "<style>@import 'data:text/css,.a{display:none}';</style><p class=a>SECRET",
    "data import in base64":
    "<style>@import url(data:text/css;base64,LmF7ZGlzcGxheTpub25lfQ==);</style><p class=a>SECRET",
    "data import in an import":
    "<style>@import 'data:text/css,@import %22data:,.a{display:none}%22';</style><p class=a>SECRET",
    "data link":
    "<link rel=stylesheet href='data:text/css,.a%7Bdisplay:none%7D'><p class=a>SECRET</p>",
    "animation":
    "<style>@keyframes k{to{opacity:0}}.a{animation:k 0s forwards}</style><p class=a>SECRET",
    "animation by parts": "<style>@-webkit-keyframes k{0%,100%{visibility:hidden}}</style>"
    "<p style='animation-name:k;animation-duration:1s'>SECRET",
    "animation that stands":
    "<style>@keyframes k{from{font-size:0}}</style><p style='animation:k 1s paused'>SECRET",
    "animation that takes long":
    "<style>@keyframes k{0%{translate:-99em}}</style><p style='animation:k 9999s'>SECRET",
    "animation backwards":
    "<style>@keyframes k{from{opacity:0}}</style><p style='animation:k 1s reverse both'>SECRET",
    "is": "<style>:is(#x,.x){display:none}.x{display:block}</style><p class=x id=x>SECRET</p>",
    "nested brackets": "<style>p:not(:is(:not(:is(.x)))){display:none}</style><p class=x>SECRET",
    "not dark": "<style>@media not all and (prefers-color-scheme:dark){.x{display:none}}</style>"
    "<p class=x>SECRET</p>",
    "conditions without blanks":
    "<style>@media(min-width:1px){@supports(color:red){.x{opacity:calc(0 + 0)}}}</style>"
    "<p class=x>SECRET",
    "column": '<p style="display:table-column">SECRET</p>',
    "rule that need not apply":
    "<style>.x{scale:0}p:nth-child(9){scale:1}</style><p class=x>SECRET</p>",
    "layer": "<style>@layer a{.x{display:none}}</style><p class=x>SECRET</p>",
    "white on white": '<p style="color:#fff">SECRET</p>',
    "almost white": '<p style="color:#fefefe">SECRET</p>',
    "white by name": '<p style="color:White">SECRET</p>',
    "white by function": '<p style="color:rgb(100%, 255, 100%)">SECRET</p>',
    "white by hue": '<p style="color:hsl(0,0%,100%)">SECRET</p>',
    "font colour": '<font color="white">SECRET</font>',
    "font colour without a sign": '<font color="ffffff">SECRET</font>',
    "black on black": '<td><div style="background:#000"><p style="color:#010101">SECRET</p></div>',
    "colour of a cell": '<table bgcolor="#336699"><tr><td style="color:#336699">SECRET</table>',
    "colour of a gradient":
    '<p style="background:linear-gradient(#111,#111);color:#111">SECRET</p>',
    "white by variable": '<p style="--c:#fff;color:var(--c)">SECRET</p>',
    "white by a new function": '<p style="color:oklch(1 0 0)">SECRET</p>',
    "white by the system": '<p style="color:Canvas">SECRET</p>',
    "transparent": '<p style="color:transparent">SECRET</p>',
    "no alpha": '<p style="color:rgba(0,0,0,0)">SECRET</p>',
    "fill": '<p style="color:#000;-webkit-text-fill-color:transparent">SECRET</p>',
    "comment": "<!-- SECRET -->",
    "open comment": "a<!-- SECRET",
    "odd comment end": "<!-- SECRET --!>",
    "conditional comment": "<!--[if mso]>SECRET<![endif]-->",
    "script": "<script>SECRET</script>",
    "script in a script": "<script><!--<script></script>SECRET--></script>",
    "template": "<template>SECRET</template>",
    "title": "<title>SECRET</title>",
    "head": "<html><head><meta name=SECRET content=SECRET></head><title>SECRET</title>",
    "alternative text": '<img src="x.png" alt="SECRET">',
    "title attribute": '<p title="SECRET"><a title="SECRET" href="https://a.test">l</a></p>',
    "aria label": '<p aria-label="SECRET" data-x="SECRET"></p>',
    "iframe": '<iframe srcdoc="SECRET">SECRET</iframe>',
    "svg": "<svg><title>SECRET</title><desc></desc></svg>",
    "select": "<select><option>SECRET</option></select>",
    "input": '<input value="SECRET" placeholder="SECRET">',
    "dialog": "<dialog>SECRET</dialog>",
    "open tag": '<p style="SECRET',
    "misnested": '<b><div style="display:none"></b>SECRET</div>',
    "other end tags": '<div style="display:none"></p></span></section>SECRET</div>',
    "not closed": '<div style="display:none">SECRET',
    "table in a table": '<table style="display:none"><tr><td>SECRET</table>',
    "class": "<style>.x{display:none}</style><p class='a x'>SECRET</p>",
    "id": "<style>#x{display:none}</style><p id=x>SECRET</p>",
    "tag": "<style>aside{display:none}</style><aside>SECRET</aside>",
    "all": "<style>*{font-size:0}</style><p>SECRET</p>",
    "list": "<style>i, .x , b{display:none}</style><p class=x>SECRET</p>",
    "descendant": "<style>div .x{display:none}</style><div><p><b class=x>SECRET</b></p></div>",
    "child": "<style>div > .x{display:none}</style><div><b class=x>SECRET</b></div>",
    "sibling": "<style>h6 + .x{display:none}</style><h6></h6><p class=x>SECRET</p>",
    "nth child": "<style>p:nth-child(2){display:none}</style><p>a</p><p>SECRET</p>",
    "attribute selector": "<style>[data-x^='a']{display:none}</style><p data-x=abc>SECRET</p>",
    "namespace": "<style>*|aside{display:none}</style><aside>SECRET</aside>",
    "escaped selector": r"<style>.\78 {display:none}</style><p class=x>SECRET</p>",
    "media":
    "<style>@media screen and (min-width:1px){.x{display:none}}</style><p class=x>SECRET</p>",
    "supports": "<style>@supports (color:red){.x{display:none}}</style><p class=x>SECRET</p>",
    "nested rule": "<style>.a{.x{display:none}}</style><p class=a><b class=x>SECRET</b></p>",
    "open rule": "<style>.x{display:none</style><p class=x>SECRET</p>",
    "style below": "<p class=x>SECRET</p><style>.x{display:none}</style>",
    "style in a comment": "<style><!-- .x{display:none} --></style><p class=x>SECRET</p>",
    "css comment in a rule": "<style>.x/**/{/*}*/display:none}</style><p class=x>SECRET</p>",
    "important rule":
    "<style>.x{display:none!important}</style><p class=x style='display:block'>SECRET</p>",
    "colour by rule": "<style>body{background:#222}.x{color:#222}</style><p class=x>SECRET</p>",
    "after all tags": "<i></i>" * (MAX_TAGS // 2) + "<p hidden>SECRET</p>",
    "after all rules":
    f"<style>{'a{color:red}' * 6000}.x{{display:none}}</style><p class=x>SECRET</p>",
    "far down": "<div>" * 300 + "<p hidden>SECRET</p>",
}  # fmt: skip


@pytest.mark.parametrize("html", HIDDEN.values(), ids=HIDDEN)
def test_what_people_do_not_see_is_left_out(html: str) -> None:
    converted = html_to_markdown(f"<p>Dear Ann,</p>{html}")
    assert "SECRET" not in converted.text
    assert "Dear Ann" in converted.text or converted.removed


SEEN = {
    "display": '<p style="display:block">SEEN</p>',
    "later value": '<p style="display:none;display:block">SEEN</p>',
    "visible within hidden":
    '<div style="visibility:hidden"><p style="visibility:visible">SEEN</p></div>',
    "size set again": '<td style="font-size:0px"><div style="font-size:13px">SEEN</div></td>',
    "white on dark":
    '<table bgcolor="#003366"><tr><td style="color:#ffffff">SEEN</td></tr></table>',
    "white on an image": '<div style="background:url(x.png);color:#fff">SEEN</div>',
    "white on a rule's colour": "<style>.hero td{background-color:#123}</style>"
    '<table class=hero><tr><td style="color:white">SEEN</table>',
    "grey on white": '<p style="color:#999999">SEEN</p>',
    "link in a white paragraph": '<p style="color:#fff"><a href="https://a.test">SEEN</a></p>',
    "desktop only":
    "<style>@media (max-width:600px){.d{display:none!important}}</style><p class=d>SEEN",
    "print": "<style>@media print{.d{display:none}}</style><p class=d>SEEN</p>",
    "dark mode": "<style>@media (prefers-color-scheme:dark){p{color:#fff}}</style><p>SEEN</p>",
    "dark mode of a client": "<style>[data-ogsc] .d{display:none}</style><p class=d>SEEN</p>",
    "hover": "<style>.d:hover{display:none}</style><p class=d>SEEN</p>",
    "other class": "<style>.x.y{display:none}</style><p class=x>SEEN</p>",
    "shown again": "<style>.x{display:none}.x.y{display:block}</style><p class='x y'>SEEN</p>",
    "inline wins": "<style>.x{display:none}</style><p class=x style='display:block'>SEEN</p>",
    "not positioned": '<p style="left:-9999px">SEEN</p>',
    "no overflow": '<p style="height:0">SEEN</p>',
    "width in percent": '<td style="width:1%;overflow:hidden">SEEN</td>',
    "small print": '<p style="font-size:9px;line-height:12px">SEEN</p>',
    "aria hidden": '<p aria-hidden="true">SEEN</p>',
    "details": "<details><summary>More</summary>SEEN</details>",
    "indent": '<p style="text-indent:-20px;padding-left:20px">SEEN</p>',
    "tight lines": '<p style="line-height:1;overflow:hidden">SEEN</p>',
    "zoomed": '<p style="zoom:1">SEEN</p>',
    "faint": '<p style="opacity:.6">SEEN</p>',
    "moved a little": '<p style="position:relative;top:-4px;margin-left:-8px">SEEN</p>',
    "condition of Outlook": "<!--[if !mso]><!-->SEEN<!--<![endif]-->",
    "centred": '<p style="position:absolute;left:50%;transform:translate(-50%,-50%)">SEEN</p>',
    "turned": '<p style="transform:rotate(90deg) scale(1.05);rotate:-3deg">SEEN</p>',
    "grown": '<p style="scale:1.1;translate:0 -4px">SEEN</p>',
    "fading mask": '<p style="mask-image:linear-gradient(#000,transparent)">SEEN</p>',
    "cut corners": '<p style="clip-path:inset(0 round 8px)">SEEN</p>',
    "triangle": '<p style="clip-path:polygon(0 0,100% 0,50% 100%)">SEEN</p>',
    "tight letters": '<p style="letter-spacing:-.04em;word-spacing:2px">SEEN</p>',
    "grid of no spaces": '<p style="letter-spacing:-.31em"><b style="letter-spacing:0">SEEN</b>',
    "filters": '<p style="filter:brightness(.9) blur(0)">SEEN</p>',
    "fading in":
    "<style>@keyframes k{from{opacity:0}to{opacity:1}}</style><p style='animation:k 1s both'>SEEN",
    "blinking":
    "<style>@keyframes k{50%{opacity:0}}</style><p style='animation:k 1s infinite'>SEEN",
    "button but for Outlook": '<a href="https://a.test" style="mso-hide:all">SEEN</a>',
    "marquee": "<marquee>SEEN</marquee>",
    "after a picture": "<svg/>a<svg><path d=x/></svg>SEEN",
    "formula": "<math><mi>SEEN</mi></math>",
    "font of the web": "<style>@import url(https://f.test/a?b;c);p{color:#111}</style><p>SEEN",
    "scrolling": '<div style="height:80px;overflow:auto">SEEN</div>',
    "unknown tag": "<o:p>SEEN</o:p>",
    "sign": "a < b SEEN",
}  # fmt: skip


@pytest.mark.parametrize("html", SEEN.values(), ids=SEEN)
def test_what_people_see_is_kept(html: str) -> None:
    assert "SEEN" in html_to_markdown(html).text


NEWSLETTER = """<!DOCTYPE html><html><head><title>Weekly</title><style type="text/css">
body{margin:0;background-color:#f4f4f4;color:#333333;font-family:Arial}
.preheader{display:none!important;visibility:hidden;opacity:0;color:transparent;height:0;width:0}
.button td{background-color:#0a66c2}.button a{color:#ffffff!important;text-decoration:none}
.mobile{display:none}
@media only screen and (max-width:600px){.mobile{display:block!important}
.desktop{display:none!important}}
u + .body .gmail{display:block!important}
</style></head><body class="body" bgcolor="#f4f4f4"><span class="preheader">Preview words</span>
<!--[if mso]><table><tr><td><![endif]-->
<table role="presentation" width="100%" style="font-size:0"><tr><td bgcolor="#1a1a2e"
 style="padding:20px;font-size:24px;color:#ffffff">The Weekly</td></tr>
<tr><td style="font-size:16px;color:#333333"><h1 style="color:#111">Three stories</h1>
<p>First story, with <a href="https://news.example/1" style="color:#0a66c2">a link</a>.</p>
<ul><li>Second story</li><li>Third story</li></ul>
<table class="button"><tr><td style="font-size:14px">
<a href="https://news.example/more">Read more</a></td></tr></table></td></tr>
<tr><td style="font-size:1px;line-height:1px;height:1px;overflow:hidden">&nbsp;</td></tr>
<tr><td class="desktop" style="font-size:12px;color:#888">Wide layout</td></tr>
<tr><td class="mobile" style="font-size:12px">Narrow layout</td></tr>
<tr><td style="font-size:11px;color:#999999">Example Ltd, 1 Road.
<a href="https://news.example/u">Unsubscribe</a></td></tr></table>
<img src="https://t.example/p.gif" width="1" height="1" alt=""></body></html>"""


def test_a_newsletter_keeps_its_text_and_loses_its_preview_words() -> None:
    converted = html_to_markdown(NEWSLETTER)
    for words in (
        "The Weekly", "Three stories", "[a link](https://news.example/1)", "- Second story",
        "[Read more](https://news.example/more)", "Wide layout", "Example Ltd", "Unsubscribe",
    ):  # fmt: skip
        assert words in converted.text
    assert "Preview words" not in converted.text
    assert "Narrow layout" not in converted.text
    assert converted.removed == ("2 hidden elements", "1 comment")


def test_what_was_removed_is_counted() -> None:
    html = '<p hidden>a</p><i hidden> </i><!--b--><!--c--><img alt=d><p style="color:#fff">e</p>f'
    converted = html_to_markdown(html)
    assert converted.text == "f"
    assert converted.removed == (
        "2 hidden elements",
        "2 comments",
        "1 alternative text of an image",
    )
    assert html_to_markdown("<p>plain").removed == ()


def test_what_cannot_be_checked_is_left_out_and_said() -> None:
    converted = html_to_markdown("<i>x</i> " * MAX_TAGS + "END")
    assert converted.text.startswith("x x x")
    assert "END" not in converted.text
    assert converted.removed == ("the rest, which is too large to check for hidden text",)


def test_a_mail_of_too_many_rules_is_left_out_and_said() -> None:
    converted = html_to_markdown("<style>.a .b{color:red}</style><p class='a b'><i class=b>x" * 999)
    assert converted.removed == ("the rest, which is too large to check for hidden text",)


def test_message_reports_removed_text(multimail_server: ServerUnderTest) -> None:
    multimail_server.deliver(
        b"From: ann@example.com\nSubject: Hi\nMIME-Version: 1.0\nContent-Type: text/html\n\n"
        b"<p>seen<span style='display:none'>unseen</span><!-- unseen --></p>\n"
    )
    row = multimail_server.wait_for_message("Hi")
    with MultiMail(
        multimail_server.keys.agent,
        base_url=multimail_server.url,
        mailbox=multimail_server.mailbox.id,
    ) as client:
        email = client.read_email(row["id"])
    assert email.markdown == "seen"
    assert email.removed == ["1 hidden element", "1 comment"]


@pytest.mark.parametrize("piece", ["<!--", "</script ", "<script "])
def test_a_script_full_of_marks_is_skipped_at_once(piece: str) -> None:
    def work(inner: str) -> None:
        assert extract_visible_html(f"<script>{inner}</script>seen", 10**6).html == "seen"

    assert is_linear(work, piece, 400_000)


PIECES = st.sampled_from(
    [
        "<", ">", "</", "<!--", "-->", "<p", "<div ", "style=", '"', "'", "display:none", ";", "{",
        "}", "<style>", "</style>", "*", "(", ")", "\\", "/*", "*/", "@media ", " ", "x", "&#0;",
        "<b>", "</b>", "<table>", "<td>", "<a href=", "\0", "font-size:0", "calc(", "#", ".",
        "hidden", "<script>", "<plaintext>", "<svg>", "<select>", "color:", "rgb(", "1e9", "é",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
@example("<p hidden>x")
def test_nothing_is_too_odd_to_be_read(html: str) -> None:
    converted = extract_visible_html(html, 10_000)
    again = extract_visible_html(converted.html, 100_000)
    assert not [what for what in again.removed if "comment" in what or "alternative" in what]


GROWING = {
    "letter": "<p>Dear <b>Ann</b>, <a href='https://a.test'>see</a> this.</p>\n",
    "less": "<",
    "open tags": "<a b='",
    "attributes": "<p a b c d e f g>",
    "divs": "<div>",
    "formatting": "<p><b><i>x",
    "unlike formatting": "<p><font size=1><font size=2>x</p>",
    "comments": "<!--x",
    "styles": "<style>.a b,.c{display:none",
    "rules": "<style>.a .b,.c{color:red}</style><p class='a'>x",
    "declarations": "<p style='a:b;(\\'{[/*'>",
    "tables": "<table><tr><td>x",
    "ends": "</b></p>",
    "transforms": "<p style='transform:scale(1) translate(1px,(calc(1px)'>x",
    "polygons": "<p style='clip-path:polygon(" + "0 0," * 99 + "'>x",
    "keyframes": "<style>@keyframes k{to{opacity:0}}</style><p style='animation:k'>x",
    "imports": "<style>@import 'data:,@import %27data:,a{}%27';</style>",
    "pictures": "<svg><desc>x",
    "pseudo classes": "<style>.x:is(:not((((.y){opacity:0}</style>",
}


@pytest.mark.parametrize("piece", GROWING.values(), ids=GROWING)
def test_the_time_grows_as_the_mail_does(piece: str) -> None:
    assert is_linear(lambda html: extract_visible_html(html, 10**6), piece, 40_000)
