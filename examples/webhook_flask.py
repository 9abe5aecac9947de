"""A webhook that wakes an agent in Flask, for mail whose sender is vouched for.

pip install "multimail" flask
export MULTIMAIL_API_KEY=mm_test_…
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export MULTIMAIL_WEBHOOK_SECRET=whsec_…        # the answer to POST /v1/webhooks shows it, once
flask --app webhook_flask run
"""

import os

from flask import Flask, request

from multimail import Email, MultiMail
from multimail.trust import TrustPolicy
from multimail.webhooks import MemorySeenStore, MessageReceived, WebhookError, verify

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
policy = TrustPolicy("standard")
seen = MemorySeenStore()  # several workers share one in a database


@app.post("/webhooks/multimail")
def take_event() -> tuple[str, int]:
    secret = os.environ["MULTIMAIL_WEBHOOK_SECRET"]
    try:
        event = verify(request.get_data(), request.headers, secret, seen=seen)
    except WebhookError as error:
        return "", 200 if error.code == "replayed" else 400
    try:
        if isinstance(event, MessageReceived):
            wake_agent(event)
    except Exception:
        seen.forget(event.id)  # the API delivers it again
        raise
    return "", 204


def wake_agent(event: MessageReceived) -> None:
    with MultiMail() as client:
        email = client.read_email(event.message_id, mailbox=event.mailbox_id)
    decision = policy.admit(email)  # of the message itself: a payload is no evidence
    if decision.action == "allow":
        answer(email)
    else:
        print(f"{email.id}: {decision.action}, {'; '.join(decision.reasons)}")


def answer(email: Email) -> None:
    print(f"{email.id}: here an agent would answer {email.sender}")
