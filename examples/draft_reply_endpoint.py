"""A reply drafted by a Hugging Face inference endpoint, and held until a human approves it.

The model gets no tools: it writes text, and this program sends the text as a reply.

pip install "." huggingface_hub
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export HF_TOKEN=hf_…
export MODEL=…                          # default mistralai/Mistral-7B-Instruct-v0.3
export HF_ENDPOINT_URL=…                # your own endpoint, or any OpenAI-compatible server
python examples/draft_reply_endpoint.py
"""

import os

from huggingface_hub import InferenceClient

from multimail.tools import AGENT_INSTRUCTIONS, Toolkit

MODEL = os.environ.get("MODEL", "mistralai/Mistral-7B-Instruct-v0.3")
TASK = "Write the body of a brief, kind reply to this email. Write nothing else.\n\n"


def draft(client: InferenceClient, email: str) -> str:
    completion = client.chat_completion(
        [
            {"role": "system", "content": AGENT_INSTRUCTIONS},
            {"role": "user", "content": TASK + email},
        ],
        model=MODEL,
        max_tokens=300,
    )
    return (completion.choices[0].message.content or "").strip()


def main() -> None:
    client = InferenceClient(
        base_url=os.environ.get("HF_ENDPOINT_URL"), api_key=os.environ["HF_TOKEN"]
    )
    toolkit = Toolkit()
    inbox = toolkit.call("check_inbox", {"unread_only": True, "direction": "inbound", "limit": 5})
    for row in inbox.data.get("emails", []):
        # Each message has its own conversation: one message must not taint the next.
        email = toolkit.call("read_email", {"email_id": row["id"]}, session_id=row["id"])
        body = draft(client, email.text) if "body" in email.data else ""
        if not body:
            print(f"{row['id']}: nothing was drafted")
            continue
        arguments = {"email_id": row["id"], "body": body}
        reply = toolkit.call("reply_email", arguments, session_id=row["id"])
        print(reply.text)


if __name__ == "__main__":
    main()
