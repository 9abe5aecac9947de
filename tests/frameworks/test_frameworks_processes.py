"""Where agents run: task queues, web servers that fork, async views, notebooks, LangGraph's server.

Each is given one toolkit that was used before it forked or began a loop.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.client.sockets import echo_server
from tests.tools.support import Inbox

from multimail.tools import Toolkit

TIMEOUT = 120.0
WORKERS = 3
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")

SHARED = f"""
import functools, multiprocessing, os
from multimail.tools import Toolkit

toolkit = Toolkit()
assert toolkit.call("list_mailboxes", {{}}).ok  # before the workers are forked
workers = multiprocessing.get_context("fork").Barrier({WORKERS})
meet = functools.cache(lambda: workers.wait({TIMEOUT}))  # each worker's first call waits for all

def read(email_id):
    meet()
    return [os.getpid(), toolkit.call("read_email", {{"email_id": email_id}}).text]
"""
GUNICORN = (
    SHARED
    + """
def app(environ, start_response):
    pid, text = read(environ["PATH_INFO"].strip("/"))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Worker", str(pid))])
    return [text.encode()]
"""
)
CELERY = (
    SHARED
    + """
from celery import Celery

queue = Celery("tasks", broker="filesystem://", backend="file://" + os.environ["RESULTS"])
folder = os.environ["QUEUE"]
queue.conf.broker_transport_options = {
    "data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "-control"
}
read = queue.task(name="read")(read)
"""
)


@pytest.fixture
def mails(box: Inbox) -> list[tuple[str, str]]:
    """The ids and the texts of some messages."""
    texts = [f"Secret of customer {number}." for number in range(6)]
    return [(box.receive(text)["id"], text) for text in texts]


@contextmanager
def running(
    box: Inbox, folder: Path, *command: str, **more: str
) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "MULTIMAIL_API_KEY": box.agent_key,
        "MULTIMAIL_API_URL": box.server.url,
        **more,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


@forks
def test_gunicorn_with_preload(box: Inbox, mails: list[tuple[str, str]], tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(GUNICORN)
    options = ("--preload", "--workers", str(WORKERS), "--bind", "127.0.0.1:0")
    patience = ("--timeout", f"{TIMEOUT:.0f}")
    with running(box, tmp_path, "gunicorn", *options, *patience, "service:app") as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "Listening at" in line)
        url = line.split("Listening at: ")[1].split()[0]

        def ask(mail: tuple[str, str]) -> tuple[bool, str]:
            response = httpx.get(f"{url}/{mail[0]}", timeout=TIMEOUT)
            return mail[1] in response.text, response.headers["x-worker"]

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(ask, mails * 10))
    assert all(is_own for is_own, _ in answers)
    assert len({worker for _, worker in answers}) == WORKERS


@forks
def test_celery_with_prefork(
    box: Inbox, mails: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from celery import Celery

    (tmp_path / "tasks.py").write_text(CELERY)
    for name in ("queue", "queue-control", "results"):
        (tmp_path / name).mkdir()
    folders = {"QUEUE": str(tmp_path / "queue"), "RESULTS": str(tmp_path / "results")}
    queue = Celery("tasks", broker="filesystem://", backend=f"file://{tmp_path / 'results'}")
    queue.conf.broker_transport_options = {
        "data_folder_in": folders["QUEUE"],
        "data_folder_out": folders["QUEUE"],
        "control_folder": f"{folders['QUEUE']}-control",
    }
    options = ("--app", "tasks:queue", "worker", "--pool", "prefork", "--concurrency", str(WORKERS))
    with running(box, tmp_path, "celery", *options, "--without-mingle", **folders):
        pending = [(text, queue.send_task("read", (email_id,))) for email_id, text in mails * 5]
        answers = [(text, *result.get(timeout=TIMEOUT)) for text, result in pending]
    assert all(text in answer for text, _, answer in answers)
    assert len({pid for _, pid, _ in answers}) == WORKERS


def test_flask_with_async_views() -> None:
    from flask import Flask  # not in the environments of the frameworks that stand apart

    app = Flask(__name__)
    with echo_server() as server:
        toolkit = Toolkit("mm_test_x", base_url=server.url)

        @app.get("/<email_id>")
        async def read(email_id: str) -> str:
            calls = [toolkit.acall("read_email", {"email_id": email_id}) for _ in range(3)]
            return "\n".join(result.text for result in await asyncio.gather(*calls))

        def ask(number: int) -> bool:
            with app.test_client() as client:
                return client.get(f"/em_{number}").text.count(f"Text of em_{number}") == 3

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(ask, range(40)))
        server.wait_until_open(0)


LANGGRAPH = """
import asyncio, sys
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langchain_multimail import MultiMailToolkit
from multimail.sessions import SqliteSessionStore

url, file = sys.argv[1:]
call = {"name": "read_email", "args": {"email_id": "em_1"}, "id": "1", "type": "tool_call"}

async def main(store):
    toolkit = MultiMailToolkit("mm_test_x", base_url=url, store=store)
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(toolkit.get_tools()))
    graph.add_edge(START, "tools")
    agent = graph.compile()
    config = {"configurable": {"thread_id": "t"}}
    with blockbuster_ctx():
        result = await agent.ainvoke({"messages": [AIMessage("", tool_calls=[call])]}, config)
    print(result["messages"][-1].content)

asyncio.run(main(None))
asyncio.run(main(SqliteSessionStore(file)))
"""


def test_langgraph_with_its_detection_of_blocking_calls(tmp_path: Path) -> None:
    """LangGraph's development server refuses calls that block its event loop, by blockbuster."""
    file = str(tmp_path / "guard.db")
    with echo_server() as server:
        done = subprocess.run(
            [sys.executable, "-c", LANGGRAPH, server.url, file],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Text of em_1") == 2  # with the store in memory, and with SQLite


CELL = """
from multimail.tools import Toolkit

toolkit = Toolkit({key!r}, base_url={url!r})
results = [toolkit.call("list_mailboxes", {{}}).ok]
results += [(await toolkit.acall("list_mailboxes", {{}})).ok]
"""


def test_a_notebook_calls_tools_in_both_ways(box: Inbox) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        code = CELL.format(key=box.agent_key, url=box.server.url)
        again = "results += [toolkit.call('list_mailboxes', {}).ok]\nassert results == [True] * 3"
        for cell in (code, again, "await toolkit.aclose()"):
            reply = client.execute_interactive(cell, timeout=TIMEOUT)
            assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
