"""Each fenced block of each page: Python runs, commands exist, configuration parses."""

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
from tests.docs.blocks import Block, get_code, list_blocks, parse_blocks
from tests.docs.running import (
    READER_CODE,
    answer_newest,
    check_output,
    environment,
    run,
    run_python,
)
from tests.frameworks.apart import APART, TOGETHER, marks

from multimail_cli.demo.scripted_model import ScriptedModel
from multimail_server.testing import ServerUnderTest

RUN = [block for block in list_blocks() if not block.not_run]
SCRIPTS = [block for block in RUN if block.language == "python" and not block.is_test]
TESTED = sorted({block.page for block in RUN if block.is_test})
TEXTS = [block for block in RUN if block.language != "python"]


def _parameter(block: Block) -> Any:
    """Return a block as a parameter that is skipped where its framework isn't installed."""
    code = get_code(block)
    frameworks = [name for name in (*TOGETHER, *APART) if f"{name}_multimail" in code]
    required = marks(frameworks[0]) if frameworks else []
    return pytest.param(block, marks=required, id="-".join([str(block), *frameworks]))


def _ini(text: str) -> None:
    # systemd repeats a key that has several values, and has no interpolation.
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
def test_python_runs_and_nothing_is_sent(
    block: Block, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    multimail_server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")
    code = get_code(block)
    with ScriptedModel(answer_newest) as model:
        printed = run_python(
            code, environment(multimail_server, tmp_path, model.base_url), tmp_path
        )
        assert model.errors == []
        called = bool(model.requests)
    check_output(code, printed)
    assert multimail_server.outbox() == []
    if called:
        reply = multimail_server.wait_for_message("Re: Order 7", direction="outbound")
        assert reply["status"] == "pending_send_approval"


@pytest.mark.parametrize("page", TESTED)
def test_tests_on_a_page_pass(page: str, multimail_server: ServerUnderTest, tmp_path: Path) -> None:
    tests = [block for block in RUN if block.is_test and block.page == page]
    for block in tests:
        (tmp_path / f"test_line_{block.line}.py").write_text(READER_CODE + get_code(block), "utf-8")
    command = ["python", "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider"]
    output = run(command, environment(multimail_server, tmp_path), tmp_path)
    assert re.search(rf"^{len(tests)} passed", output, re.MULTILINE)


@pytest.mark.parametrize("block", TEXTS, ids=str)
def test_other_blocks_are_checked(block: Block) -> None:
    assert block.language in CHECKS, (
        f"{block}: there is no check for {block.language or 'a block without a language'!r}; "
        "give the reason in a comment before it: <!-- not run: why -->"
    )
    CHECKS[block.language](get_code(block))


def test_a_comment_applies_to_the_next_block_only() -> None:
    first = "<!-- not run: a picture -->\n```text\n1\n```\n\n"
    page = f"{first}```bash\n2\n```\n<!-- continues -->\n```bash\n3\n```\n"
    blocks = [(block.language, block.not_run, block.continues) for block in parse_blocks(page)]
    assert blocks == [("text", "a picture", False), ("bash", "", False), ("bash", "", True)]


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
