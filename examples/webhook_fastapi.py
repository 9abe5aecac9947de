"""A webhook that wakes an agent in FastAPI, for mail whose sender is vouched for.

pip install "multimail" fastapi uvicorn
export MULTIMAIL_API_KEY=mm_test_…
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export MULTIMAIL_WEBHOOK_SECRET=whsec_…        # the answer to POST /v1/webhooks shows it, once
uvicorn webhook_fastapi:app

In Starlette the same function is `Route("/webhooks/multimail", take_event, methods=["POST"])`.
"""

import os

from fastapi import FastAPI, Request, Response

from multimail import AsyncMultiMail, Email
from multimail.trust import TrustPolicy
from multimail.webhooks import MemorySeenStore, MessageReceived, WebhookError, verify

app = FastAPI()
policy = TrustPolicy("standard")
seen = MemorySeenStore()  # several workers share one in a database


@app.post("/webhooks/multimail")
async def take_event(request: Request) -> Response:
    secret = os.environ["MULTIMAIL_WEBHOOK_SECRET"]
    try:
        event = verify(await request.body(), request.headers, secret, seen=seen)
    except WebhookError as error:
        return Response(status_code=200 if error.code == "replayed" else 400)
    try:
        if isinstance(event, MessageReceived):
            await wake_agent(event)
    except Exception:
        seen.forget(event.id)  # the API delivers it again
        raise
    return Response(status_code=204)


async def wake_agent(event: MessageReceived) -> None:
    async with AsyncMultiMail() as client:
        email = await client.read_email(event.message_id, mailbox=event.mailbox_id)
    decision = policy.admit(email)  # of the message itself: a payload is no evidence
    if decision.action == "allow":
        answer(email)
    else:
        print(f"{email.id}: {decision.action}, {'; '.join(decision.reasons)}")


def answer(email: Email) -> None:
    print(f"{email.id}: here an agent would answer {email.sender}")
