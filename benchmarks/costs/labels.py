"""Parsing, labelling and cleaning honest and hostile messages of 10 KB to 10 MB."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dkim

from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dkim import SignatureResult, evaluate_signature, parse_signature
from multimail_server.mail.auth.dkim_crypto import CanonicalMessage
from multimail_server.mail.auth.dns import Resolver
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.headers import read_headers
from multimail_server.mail.html import html_to_markdown
from multimail_server.mail.message import parse_message
from multimail_server.mail.signing import generate_key, generate_rsa_key, sign_dkim, zone_lines

from .dataset import DOMAIN, HTML, MIME, text_mail
from .metrics import Curve, Figure, Part, Sizes
from .timing import Seconds, medians, timed

_SMALLEST = 10_000
_MAX_GROWTH = 12.0
_MIN_SECONDS = 0.002
"""Growth is computed from at least this many seconds: shorter times are not precise."""
_SELECTOR = "bench"
Work = Callable[[Any], object]
Points = list[tuple[float, float]]


def measure_labels(sizes: Sizes) -> Part:
    """Measure parsing, authenticating and cleaning by size, and DKIM against bare dkimpy."""
    cleaning = {name: _measure_points(html_to_markdown, make, sizes) for name, make in HTML.items()}
    parsing = {name: _measure_points(parse_message, make, sizes) for name, make in MIME.items()}
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        pem = _publish_key(zone)
        resolver = zone_resolver(zone)
        labelling = {
            name: _measure_points(
                lambda raw: authenticate(raw, resolver), _build_signed(make, pem), sizes
            )
            for name, make in MIME.items()
        }
        dkim_figures = _compare_dkim(zone, pem, resolver, sizes)
    small, cells = (cleaning[name][0][1] for name in ("newsletter", "newsletter of small cells"))
    figures = [
        Figure("cleaning a newsletter of 10 KB", small * 1000, "ms", target=1.0),
        Figure("cleaning one of 10 KB that has 250 tags", cells * 1000, "ms"),
    ]
    for verb, results in (("cleaning", cleaning), ("parsing", parsing), ("labelling", labelling)):
        figures += [
            Figure(f"{verb}, {name}: most growth for 10 times the size", _max_growth(points),
                   "times", target=_MAX_GROWTH)
            for name, points in results.items()
        ]  # fmt: skip
    curves = {
        "cleaning": Curve(
            "Cleaning HTML", "characters", "milliseconds", _to_milliseconds(cleaning)
        ),
        "labelling": Curve(
            "Labelling a signed message", "bytes", "milliseconds", _to_milliseconds(labelling)
        ),
    }
    return Part("labels", "Reading a message", [*figures, *dkim_figures], curves, _NOTE)


_NOTE = (
    "Growth is in processor time, the best of the rounds; less than 2 ms counts as 2 ms. HTML of"
    " more than 2,000,000 characters is not shown, and neither are elements beyond the number that"
    " is checked for hidden text: there a curve falls or is flat. The first newsletter has long"
    " styles and few tags, the second a tag for each 40 characters. The DKIM part reads the header"
    " block, evaluates the signature and verifies it; labelling is everything in `authenticate`"
    " (DKIM, SPF, DMARC, ARC, structure), with a zone file; bare dkimpy only verifies."
)


def _build_signed(make: Callable[[int], bytes], pem: bytes) -> Callable[[int], bytes]:
    def signed(size: int) -> bytes:
        raw = make(size)
        # dkimpy needs minutes to sign the long header before From, as if it was added on the way.
        start = raw.index(b"From:")
        signed_part = sign_dkim(raw[start:], domain=DOMAIN, selector=_SELECTOR, private_key_pem=pem)
        return raw[:start] + signed_part

    return signed


def _publish_key(zone: Path) -> bytes:
    pem, record = generate_key()
    zone.write_text(zone_lines([(f"{_SELECTOR}._domainkey.{DOMAIN}", record)]), "utf-8")
    return pem


def _measure_points(work: Work, make: Callable[[int], Any], sizes: Sizes) -> Points:
    """Return the seconds of the work by size, after a first run that imports modules."""
    points: Points = []
    size = _SMALLEST
    work(make(size))
    while size <= sizes.largest_mail:
        data = make(size)
        points.append((size, min(_processor_time(work, data) for _ in range(sizes.rounds))))
        size *= 10
    return points


def _processor_time(work: Work, data: Any) -> float:
    before = time.process_time()
    work(data)
    return time.process_time() - before


def _max_growth(points: Points) -> float:
    times = [max(_MIN_SECONDS, seconds) for _, seconds in points]
    return max(after / before for before, after in itertools.pairwise(times))


def _to_milliseconds(results: Mapping[str, Points]) -> dict[str, Points]:
    return {
        name: [(size, value * 1000) for size, value in points] for name, points in results.items()
    }


def _compare_dkim(zone: Path, ed25519: bytes, resolver: Resolver, sizes: Sizes) -> list[Figure]:
    figures = _compare_verification("Ed25519", _SMALLEST, ed25519, resolver, sizes)
    pem, record = generate_rsa_key()
    zone.write_text(zone_lines([(f"{_SELECTOR}._domainkey.{DOMAIN}", record)]), "utf-8")
    resolver = zone_resolver(zone)
    for size in (_SMALLEST, min(1_000_000, sizes.largest_mail)):
        figures += _compare_verification("RSA", size, pem, resolver, sizes)
    return figures


def _compare_verification(
    kind: str, size: int, pem: bytes, resolver: Resolver, sizes: Sizes
) -> list[Figure]:
    raw = _build_signed(text_mail, pem)(size)

    def dns(name: bytes, timeout: int = 5) -> bytes:
        del timeout
        return resolver.txt(name.decode().rstrip("."))[0]

    if not (dkim.verify(raw, dnsfunc=dns) and _evaluate_dkim(raw, resolver).result == "pass"):
        raise RuntimeError("The measured message does not verify.")
    contestants: dict[str, Seconds] = {
        "the DKIM part of labelling": timed(lambda: _evaluate_dkim(raw, resolver)),
        "labelling": timed(lambda: authenticate(raw, resolver)),
        "bare": timed(lambda: dkim.verify(raw, dnsfunc=dns)),
    }
    seconds = medians(contestants, sizes.calls)
    bare = 1 / seconds.pop("bare")
    return [
        Figure(
            f"{name}, {size // 1000:,} KB, {kind}",
            1 / value,
            "/s",
            "bare dkimpy `verify`",
            bare,
            target=0.9 if name != "labelling" else None,
            at_least=True,
        )
        for name, value in seconds.items()
    ]


def _evaluate_dkim(raw: bytes, resolver: Resolver) -> SignatureResult:
    """Do the part of `authenticate` for the one signature of a message."""
    headers = read_headers(raw)
    field = next(field for field in headers.fields if field.name == "dkim-signature")
    message = CanonicalMessage(raw, headers)
    return evaluate_signature(parse_signature(field), message, resolver, datetime.now(UTC))
