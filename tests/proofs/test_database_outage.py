"""A PostgreSQL server that crashes and comes back, under one server and under two."""

from __future__ import annotations

from threading import Event

import httpx
from tests.proofs.sink import HandOver, Sink
from tests.support.postgres import Cluster

from multimail_server import ServerConfig
from multimail_server.testing.server import ServerUnderTest


def test_a_restart_of_the_database_in_a_hand_over_makes_no_second_one(postgres: Cluster) -> None:
    url = postgres.new_database()

    restarted = Event()

    def restart(_: HandOver) -> None:
        postgres.stop()
        postgres.start()
        restarted.set()

    with Sink() as sink:
        sink.on_hand_over = restart
        relay = f"smtp://127.0.0.1:{sink.port}"
        config = ServerConfig(
            port=0, smtp_port=0, database=url, relay=relay, live=True, oversight_mode="autonomous"
        )
        with ServerUnderTest(config) as first, ServerUnderTest(config) as second:
            with first.http("agent") as agent:
                body = {"to": ["a@elsewhere.test"], "subject": "Once", "markdown": "Hello."}
                assert agent.post(f"/v1/mailboxes/{first.mailbox.id}/send", json=body).is_success
            assert restarted.wait(60)
            second.wait_for_message("Once", direction="outbound", status="sent", timeout=60)
        assert [one.token for one in sink.hand_overs] == ["Once"]
    postgres.drop(url)


def test_an_outage_of_the_database_is_a_503_that_loses_nothing(postgres: Cluster) -> None:
    url = postgres.new_database()
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0, database=url)) as server:
        box = f"/v1/mailboxes/{server.mailbox.id}"
        with server.http("agent") as agent:

            def send(key: str) -> httpx.Response:
                body = {"to": ["a@elsewhere.test"], "subject": key, "markdown": "Hello."}
                return agent.post(f"{box}/send", json={**body, "idempotency_key": key})

            kept = send("before").json()["id"]
            postgres.stop()
            try:
                refused = send("during")
            finally:
                postgres.start()
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert refused.headers["retry-after"]
            assert send("before").json()["id"] == kept
            assert send("during").status_code == 202
            subjects = [row["subject"] for row in agent.get(f"{box}/emails").json()["emails"]]
            assert subjects == ["during", "before"]
    postgres.drop(url)


def test_a_decision_that_was_committed_before_the_outage_is_not_said_to_be_undone(
    postgres: Cluster,
) -> None:
    url = postgres.new_database()
    with Sink() as sink:
        stopped = Event()

        def stop(_: HandOver) -> None:
            postgres.stop()
            stopped.set()

        sink.on_hand_over = stop
        config = ServerConfig(
            port=0, smtp_port=0, database=url, relay=f"smtp://127.0.0.1:{sink.port}", live=True
        )
        with ServerUnderTest(config) as server:
            with server.http("agent") as agent, server.http("reviewer") as reviewer:
                body = {"to": ["a@elsewhere.test"], "subject": "Once", "markdown": "Hello."}
                sent = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body).json()
                asked = {"email_id": sent["id"], "action": "approve"}
                answer = reviewer.post("/v1/oversight/decide", json=asked)
            assert stopped.wait(60)
            postgres.start()
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert "may have been applied" in answer.json()["error"]
            server.wait_for_message("Once", direction="outbound", status="sent", timeout=60)
        assert len(sink.hand_overs) == 1
    postgres.drop(url)
