"""The critical source files, and the tests that must fail for a mutation of each.

Both are named by patterns; a pattern for a source file matches exactly one.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE, SERVER = "shared/multimail", "shared/multimail_server"
SERVICES = f"{SERVER}/services"

_PATTERNS: dict[str, tuple[str, ...]] = {
    f"{CORE}/_call.py": ("tests/client",),
    f"{CORE}/*execution.py": ("tests/client",),
    f"{CORE}/tools/_guard.py": ("tests/tools",),
    f"{CORE}/tools/_message_facts.py": ("tests/tools",),
    f"{CORE}/tools/*session.py": ("tests/tools",),
    f"{CORE}/tools/_writing.py": ("tests/tools",),
    f"{CORE}/trust/*addresses.py": ("tests/trust", "tests/tools"),
    f"{CORE}/trust/automation.py": ("tests/trust",),
    f"{CORE}/trust/decisions.py": ("tests/trust", "tests/tools"),
    f"{CORE}/trust/*evidence.py": ("tests/trust", "tests/client/*webhook*"),
    f"{CORE}/trust/*labels.py": ("tests/trust", "tests/tools"),
    f"{CORE}/trust/*links.py": ("tests/trust",),
    f"{CORE}/trust/*masking.py": ("tests/trust",),
    f"{CORE}/trust/payment.py": ("tests/trust",),
    f"{CORE}/trust/provenance.py": ("tests/trust", "tests/tools"),
    f"{CORE}/trust/*policy.py": (
        "tests/trust",
        "tests/tools",
    ),
    f"{CORE}/trust/*taint.py": ("tests/trust", "tests/tools"),
    f"{CORE}/webhooks/*verification.py": ("tests/client/*webhook*",),
    f"{SERVER}/auth.py": (
        "tests/server/*scopes*",
        "tests/server/*api_keys*",
        "tests/server/*accounts*",
        "tests/server/*links*",
    ),
    f"{SERVER}/mail/auth/*alignment.py": ("tests/mail/*dmarc*", "tests/mail/*spf*"),
    f"{SERVER}/mail/auth/arc.py": ("tests/mail/*arc*",),
    f"{SERVER}/mail/auth/*authenticate.py": (
        "tests/mail/*tampering*",
        "tests/mail/*dmarc*",
        "tests/guards",
    ),
    f"{SERVER}/mail/auth/*dkim.py": ("tests/mail/*dkim*", "tests/mail/*tampering*"),
    f"{SERVER}/mail/auth/*dmarc.py": ("tests/mail/*dmarc*",),
    f"{SERVER}/mail/auth/*spf.py": ("tests/mail/*spf*",),
    f"{SERVER}/mail/bounces.py": ("tests/mail/*bounces*", "tests/server/*suppression*"),
    f"{SERVER}/mail/*compose.py": ("tests/mail/*compose*", "tests/server/*sending*"),
    f"{SERVER}/mail/*forwarding.py": ("tests/server/*forwarding*",),
    f"{SERVER}/mail/*identity.py": ("tests/mail/*identity*", "tests/server/*domains*"),
    f"{SERVER}/*oversight.py": ("tests/server/*oversight*",),
    f"{SERVER}/*rate_limit.py": ("tests/server/*limits*",),
    f"{SERVICES}/*accounts.py": ("tests/server/*api_keys*", "tests/server/*accounts*"),
    f"{SERVICES}/contacts.py": ("tests/server/*accounts*",),
    f"{SERVICES}/*decisions.py": (
        "tests/server/*oversight_modes*",
        "tests/server/*editing*",
        "tests/server/*links*",
    ),
    f"{SERVICES}/*one_time_codes.py": ("tests/server/*codes*", "tests/server/*upgrades*"),
    f"{SERVICES}/*revisions.py": (
        "tests/server/*editing*",
        "tests/server/*pages_edit*",
        "tests/server/*scheduling*",
    ),
    f"{SERVICES}/*sending.py": (
        "tests/server/*sending*",
        "tests/server/*scheduling*",
        "tests/server/*limits*",
    ),
    f"{SERVICES}/*suppression.py": ("tests/server/*suppression*",),
    f"{SERVICES}/threads.py": ("tests/server/*threads*",),
    f"{SERVICES}/*transitions.py": (
        "tests/server/*oversight_modes*",
        "tests/server/*scheduling*",
        "tests/server/*forwarding*",
    ),
    f"{SERVER}/store/*group_commit.py": ("tests/store",),
    f"{SERVER}/*webhook_signing.py": ("tests/server/*webhook_events*",),
    f"{SERVER}/workers/*outbox.py": (
        "tests/server/*delivery*",
        "tests/server/*faults*",
        "tests/server/*suppression*",
    ),
    f"{SERVER}/workers/*relay.py": ("tests/mail/*relay*", "tests/server/test_delivery*"),
    f"{SERVER}/workers/*webhooks.py": ("tests/server/*webhook_delivery*",),
}


def find_source(pattern: str) -> str:
    """Return the one source file that matches, as a path from the root.

    Raises:
        LookupError: No file matches, or several do.
    """
    paths = [str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)]
    if len(paths) != 1:
        raise LookupError(f"{pattern} matches {', '.join(paths) or 'no source file'}")
    return paths[0]


def find_tests(patterns: tuple[str, ...]) -> list[str]:
    """Return the test files that match, as paths from the root.

    Raises:
        LookupError: A pattern matches nothing.
    """
    paths: list[str] = []
    for pattern in patterns:
        matches = sorted(
            str(path.relative_to(ROOT))
            for path in ROOT.glob(pattern if pattern.endswith("*") else f"{pattern}/test_*.py")
            if path.name.startswith("test_") and path.suffix == ".py"
        )
        if not matches:
            raise LookupError(f"{pattern} matches no test file")
        paths += matches
    return list(dict.fromkeys(paths))


def find_targets() -> dict[str, list[str]]:
    """Return the test files of each critical source file.

    Raises:
        LookupError: A pattern does not match what it should.
    """
    return {find_source(source): find_tests(tests) for source, tests in _PATTERNS.items()}
