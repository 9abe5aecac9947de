"""Converts the catalogue's tools into function tools of Microsoft Agent Framework."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, Unpack

from agent_framework import Content, FunctionInvocationContext, FunctionTool

from multimail.tools import (
    APPROVER_TOOLS,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolkitOptions,
    ToolSession,
    ToolSpec,
)
from multimail.trust import Tier

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it calls its security module experimental
    from agent_framework.security import ConfidentialityLabel, ContentLabel, IntegrityLabel


class MultiMailTool(FunctionTool):
    """One tool of the catalogue. Its result is text for the model, with facts and a label for code.

    The label is Agent Framework's: mail is private, and it is trusted only while all that the
    conversation was shown came from proven or listed senders, or from the mailbox itself.
    """

    def __init__(
        self, spec: ToolSpec, session: ToolSession, session_id: str | None, *, asks: bool
    ) -> None:
        async def run(ctx: FunctionInvocationContext, **arguments: Any) -> list[Content]:
            conversation = session_id or get_session_id(ctx)
            result = await session.acall(spec, arguments, session_id=conversation)
            label = await session.run_off_loop(build_label, session, conversation)
            more = {**result.as_data(), "security_label": label.to_dict()}
            return [Content.from_text(result.text, additional_properties=more)]

        run.__annotations__ = {"ctx": FunctionInvocationContext, "return": list[Content]}
        super().__init__(
            name=spec.name,
            description=spec.description,
            approval_mode="always_require" if asks else "never_require",
            func=run,
            input_model=spec.build_open_args(),
            # The label of each result can only restrict this.
            additional_properties={"source_integrity": IntegrityLabel.TRUSTED.value},
        )
        self._schema = spec.schema()

    def parameters(self) -> dict[str, Any]:
        """Return the catalogue's schema, as every other framework has it."""
        return self._schema


class MultiMailToolkit(ToolkitBase[FunctionTool]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `Agent(tools=…)` takes. A conversation is the `AgentSession` that a run is given.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        requires_approval: Tools whose calls the run asks its user to approve (`always_require`).

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        requires_approval: Iterable[str] = (),
        **options: Unpack[ToolkitOptions],
    ) -> None:
        super().__init__(api_key, **options)
        self._requires_approval = self.check_names(requires_approval)

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> FunctionTool:
        asks = spec.name in self._requires_approval
        return MultiMailTool(spec, self.session, session_id, asks=asks)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[FunctionTool]:
        if isinstance(tool, FunctionTool):
            return [_guard_tool(tool, guard, session_id)]
        if callable(tool):
            inner: Callable[..., Any] = tool
            name = getattr(inner, "__name__", type(inner).__name__)
            made = FunctionTool(name=name, description=inner.__doc__ or "", func=inner)
            return [_guard_tool(made, guard, session_id)]
        return super()._build_guarded(tool, guard, session_id)


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS


def get_session_id(ctx: FunctionInvocationContext) -> str | None:
    """Return the id of the session that a call belongs to; None for a run without one."""
    return ctx.session.session_id if ctx.session is not None else None


def build_label(session: ToolSession, session_id: str | None) -> ContentLabel:
    """Return Agent Framework's label for what a conversation was shown so far."""
    guard = session.guard(session_id)
    worst = guard.store.taint(guard.session_id).worst
    is_trusted = worst is None or worst.tier <= Tier.PROVEN
    found = {} if worst is None else {"label": worst.label.value, "standing": worst.standing.value}
    return ContentLabel(
        IntegrityLabel.TRUSTED if is_trusted else IntegrityLabel.UNTRUSTED,
        ConfidentialityLabel.PRIVATE,
        {"multimail": found},
    )


def _guard_tool(tool: FunctionTool, guard: ToolGuard, session_id: str | None) -> FunctionTool:
    """Return a function tool that runs only if the guard of the conversation lets it.

    A held call is refused unless `approve` asks a human: Agent Framework's own approval may be one
    that stands for all calls of a tool, given before the mail was read.
    """

    async def run(ctx: FunctionInvocationContext, **arguments: Any) -> Any:
        try:
            return await guard.acall(
                tool.name, arguments,
                lambda: tool.invoke(arguments=arguments, context=ctx, skip_parsing=True),
                session_id=session_id or get_session_id(ctx),
            )  # fmt: skip
        except CallRefusedError as error:
            return error.message

    run.__annotations__ = {"ctx": FunctionInvocationContext, "return": Any}
    return FunctionTool(
        name=tool.name, description=tool.description, func=run, approval_mode=tool.approval_mode,
        kind=tool.kind, input_model=tool.input_model or tool.parameters(),
        result_parser=tool.result_parser, additional_properties=tool.additional_properties,
    )  # fmt: skip
