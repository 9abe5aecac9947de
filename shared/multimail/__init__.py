"""Email for AI agents: a client for the MultiMail API, and the tools that agents are given.

`MultiMail` and `AsyncMultiMail` are the clients; `multimail.tools` is what an agent may do;
`multimail.trust` says what a message may cause. The integrations (`langchain_multimail` …) wrap
the tools for each framework; `multimail_server` is the same API on your own machine.
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
    MemoryUnavailableError,
    MultiMailError,
    NetworkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ReplyError,
    ServerError,
    ValidationError,
    WaitTimeoutError,
)

if TYPE_CHECKING:
    from .call import Call, Operation, Pause, Retry
    from .client import AsyncMultiMail, MultiMail
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
    AsyncMultiMailClient = AsyncClient = AsyncMultiMail

__all__ = [
    "APIError",
    "ApprovalRequiredError",
    "AsyncClient",
    "AsyncMultiMail",
    "AsyncMultiMailClient",
    "Attachment",
    "AuthenticationError",
    "Call",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "Contact",
    "Email",
    "EmailSummary",
    "File",
    "Mailbox",
    "MemoryUnavailableError",
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
    "ReplyError",
    "Retry",
    "SendResult",
    "ServerError",
    "Thread",
    "ValidationError",
    "WaitTimeoutError",
    "__version__",
    "errors",
]

if not TYPE_CHECKING:
    from .late import exports

    # The client, its models, httpx and pydantic are imported with the first name that needs them.
    __getattr__, __dir__ = exports(
        __name__,
        {
            "call": "Call Operation Pause Retry",
            "client": "AsyncMultiMail MultiMail MultiMailClient=MultiMail Client=MultiMail "
            "AsyncMultiMailClient=AsyncMultiMail AsyncClient=AsyncMultiMail",
            "models": "Attachment Contact Email EmailSummary File Mailbox Page SendResult Thread",
        },
        modules="call client config endpoints exchange mailbox_book models trust verb verbs",
    )
