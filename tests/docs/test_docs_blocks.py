"""Every fenced block of every page: Python runs, commands exist, configuration parses."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.docs import shell
from tests.docs.blocks import Block, blocks_in, every_block, joined
from tests.docs.running import (
    GIVEN,
    answers_the_newest,
    check_what_it_said,
    environment,
    run,
    run_python,
)
from tests.frameworks.apart import APART, TOGETHER, marks

from multimail_cli.demo.scripted_model import ScriptedModel
from multimail_server.testing import ServerUnderTest

RUN = [block for block in every_block() if not block.not_run]
SCRIPTS = [block for block in RUN if block.language == "python" and not block.is_test]
TESTED = sorted({block.page for block in RUN if block.is_test})
TEXTS = [block for block in RUN if block.language != "python"]


def _parameter(block: Block) -> Any:
    """Return a block as a parameter that runs where its framework is."""
    code = joined(block)
    named = [one for one in (*TOGETHER, *APART) if f"{one}_multimail" in code]
    return pytest.param(
        block, marks=marks(named[0]) if named else [], id="-".join([str(block), *named])
    )


def _ini(text: str) -> None:
    # systemd repeats a key where it has several values, and knows no substitution.
    configparser.ConfigParser(strict=False, interpolation=None).read_string(text)


CHECKS: dict[str, Callable[[str], object]] = {
    "bash": shell.check,
    "ini": _ini,
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}


@pytest.mark.multimail_server(mailbox="support@example.org", domain="example.org")
@pytest.mark.parametrize("block", [*map(_parameter, SCRIPTS)])
def test_the_python_runs_and_nothing_leaves_unasked(
    block: Block, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    multimail_server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")
    code = joined(block)
    with ScriptedModel(answers_the_newest) as model:
        printed = run_python(
            code, environment(multimail_server, tmp_path, model.base_url), tmp_path
        )
        assert model.errors == []
        asked = bool(model.requests)
    check_what_it_said(code, printed)
    assert multimail_server.outbox() == []
    if asked:
        reply = multimail_server.wait_for_message("Re: Order 7", direction="outbound")
        assert reply["status"] == "pending_send_approval"


@pytest.mark.parametrize("page", TESTED)
def test_the_tests_on_a_page_pass(
    page: str, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    tests = [block for block in RUN if block.is_test and block.page == page]
    for block in tests:
        (tmp_path / f"test_line_{block.line}.py").write_text(GIVEN + joined(block), "utf-8")
    command = ["python", "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider"]
    told = run(command, environment(multimail_server, tmp_path), tmp_path)
    assert re.search(rf"^{len(tests)} passed", told, re.MULTILINE)


@pytest.mark.parametrize("block", TEXTS, ids=str)
def test_what_is_no_python_is_checked(block: Block) -> None:
    assert block.language in CHECKS, (
        f"{block}: nobody runs {block.language or 'a block without a language'!r}; "
        "say why in a comment before it: <!-- not run: why -->"
    )
    CHECKS[block.language](joined(block))


def test_a_comment_before_a_block_counts_for_that_block_alone() -> None:
    first = "<!-- not run: a picture -->\n```text\n1\n```\n\n"
    page = f"{first}```bash\n2\n```\n<!-- goes on -->\n```bash\n3\n```\n"
    told = [(one.language, one.not_run, one.goes_on) for one in blocks_in(page)]
    assert told == [("text", "a picture", False), ("bash", "", False), ("bash", "", True)]


@pytest.mark.parametrize(
    "wrong",
    [
        "multimail serve --no-such-option",
        "multimail no-such-command",
        'pip install "multimail[no-such-extra]"',
        "scripts/bench --no-such-option",
        "curl -X POST http://127.0.0.1:8025/v1/no/such/path",
        "curl -X PUT http://127.0.0.1:8025/v1/webhooks",
        "no-such-program",
        "if then",
    ],
)
def test_a_command_that_would_fail_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, FileNotFoundError)):
        shell.check(wrong)
