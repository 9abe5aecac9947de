"""Email for AI agents: clients for the MultiMail API, and tools for agents.

`MultiMail` and `AsyncMultiMail` are the clients. `multimail.tools` has the tools that an agent can
call, `multimail.trust` the rules on what a message may cause, `multimail.sessions` the stores that
remember conversations, `multimail.webhooks` the verification of events. Packages such as
`langchain_multimail` adapt the tools to a framework; `multimail_server` is the same API on your own
machine.
"""

from typing import TYPE_CHECKING

from . import errors
from ._version import __version__
from .errors import (
    APIError,
    ApprovalRequiredError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    EventsLostError,
    InvalidResponseError,
    MultiMailError,
    NetworkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    SessionStoreUnavailableError,
    UnsupportedError,
    ValidationError,
    WaitTimeoutError,
)

if TYPE_CHECKING:
    from ._call import Call, Operation, Pause, Retry
    from ._client import AsyncMultiMail, MultiMail
    from ._listening import AsyncListener, Listener
    from .models import (
        Attachment,
        Contact,
        Email,
        EmailSummary,
        File,
        Mailbox,
        Page,
        SendResult,
        Thread,
    )

    MultiMailClient = Client = MultiMail

__all__ = [
    "APIError",
    "ApprovalRequiredError",
    "AsyncListener",
    "AsyncMultiMail",
    "Attachment",
    "AuthenticationError",
    "Call",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "Contact",
    "Email",
    "EmailSummary",
    "EventsLostError",
    "File",
    "InvalidResponseError",
    "Listener",
    "Mailbox",
    "MultiMail",
    "MultiMailClient",
    "MultiMailError",
    "NetworkError",
    "NotFoundError",
    "Operation",
    "OutcomeUnknownError",
    "Page",
    "Pause",
    "PermissionDeniedError",
    "RateLimitError",
    "Retry",
    "SendResult",
    "ServerError",
    "SessionStoreUnavailableError",
    "Thread",
    "UnsupportedError",
    "ValidationError",
    "WaitTimeoutError",
    "__version__",
    "errors",
]

if not TYPE_CHECKING:
    from ._lazy import lazy_exports

    # `import multimail` must not import httpx and pydantic: the first name that needs them does.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_call": "Call Operation Pause Retry",
            "_client": "AsyncMultiMail MultiMail MultiMailClient=MultiMail Client=MultiMail",
            "_listening": "AsyncListener Listener",
            "models": "Attachment Contact Email EmailSummary File Mailbox Page SendResult Thread",
        },
        submodules="endpoints models sessions tools trust webhooks",
    )
