"""A reply drafted by an inference endpoint of Hugging Face, and held until a human approves it.

The model gets no tools: it writes text, and this code hands it in as a reply.

pip install "multimail" huggingface_hub
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints the two lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
export HF_TOKEN=hf_…
export MODEL=…                          # default mistralai/Mistral-7B-Instruct-v0.3
export HF_ENDPOINT_URL=…                # an endpoint of your own, or any OpenAI-compatible server
python draft_reply_endpoint.py
"""

import os

from huggingface_hub import InferenceClient

from multimail.tools import AGENT_INSTRUCTIONS, Toolkit

MODEL = os.environ.get("MODEL", "mistralai/Mistral-7B-Instruct-v0.3")
TASK = "Write the body of a brief, kind reply to this email. Write nothing else.\n\n"


def drafted(client: InferenceClient, shown: str) -> str:
    answer = client.chat_completion(
        [
            {"role": "system", "content": AGENT_INSTRUCTIONS},
            {"role": "user", "content": TASK + shown},
        ],
        model=MODEL,
        max_tokens=300,
    )
    return (answer.choices[0].message.content or "").strip()


def main() -> None:
    client = InferenceClient(
        base_url=os.environ.get("HF_ENDPOINT_URL"), api_key=os.environ["HF_TOKEN"]
    )
    toolkit = Toolkit()
    inbox = toolkit.call("check_inbox", {"unread_only": True, "direction": "inbound", "limit": 5})
    for row in inbox.data.get("emails", []):
        # Each message is a conversation of its own: what one says must not taint the next.
        email = toolkit.call("read_email", {"email_id": row["id"]}, session_id=row["id"])
        body = drafted(client, email.text) if "body" in email.data else ""
        if not body:
            print(f"{row['id']}: nothing was drafted")
            continue
        given = {"email_id": row["id"], "body": body}
        reply = toolkit.call("reply_email", given, session_id=row["id"])
        print(reply.text)


if __name__ == "__main__":
    main()
