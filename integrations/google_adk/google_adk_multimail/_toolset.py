"""Converts the catalogue's tools into a toolset of Google's Agent Development Kit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from google.adk.agents.readonly_context import ReadonlyContext
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.base_toolset import BaseToolset
from google.adk.tools.function_tool import FunctionTool
from google.adk.tools.tool_context import ToolContext
from google.genai import types

from multimail.tools import (
    APPROVER_TOOLS,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolkitOptions,
    ToolSession,
    ToolSpec,
)
from multimail.trust import Action

_ASKED = {"error": "A person has to confirm this call first. Nothing was done."}
_REJECTED = {"error": "A person rejected this call. Nothing was done, so don't repeat it."}


class MultiMailTool(BaseTool):
    """One tool of the catalogue. Its result is text for the model."""

    def __init__(
        self, spec: ToolSpec, session: ToolSession, session_id: str | None, *, asks: bool
    ) -> None:
        super().__init__(name=spec.name, description=spec.description)
        self._spec, self._session, self._session_id = spec, session, session_id
        self._asks = asks

    def _get_declaration(self) -> types.FunctionDeclaration:
        return types.FunctionDeclaration(
            name=self.name,
            description=self.description,
            parameters_json_schema=self._spec.schema(),
        )

    async def check_require_confirmation(
        self, args: dict[str, Any], tool_context: ToolContext
    ) -> bool:
        """Return whether a person has to confirm the call."""
        del args, tool_context
        return self._asks

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Run the tool with what the model wrote, unchecked.

        Returns:
            `result` with the text for the model.
        """
        if self._asks and (answer := _ask(tool_context, "")) is not None:
            return answer
        session_id = self._session_id or tool_context.session.id
        result = await self._session.acall(self._spec, args, session_id=session_id)
        return {"result": result.text}


class GuardedTool(BaseTool):
    """Another tool, which runs only if the guard of the session lets it.

    With `interrupts`, a held call asks for a confirmation; else it is refused unless `approve` asks
    a human.
    """

    def __init__(
        self, tool: BaseTool, guard: ToolGuard, session_id: str | None, *, interrupts: bool
    ) -> None:
        super().__init__(
            name=tool.name, description=tool.description, is_long_running=tool.is_long_running
        )
        self._tool, self._guard, self._session_id = tool, guard, session_id
        self._interrupts = interrupts and not guard.asks

    def _get_declaration(self) -> types.FunctionDeclaration | None:
        return self._tool._get_declaration()

    async def check_require_confirmation(
        self, args: dict[str, Any], tool_context: ToolContext
    ) -> bool:
        """Return whether a person has to confirm the call: for the guard, or for the tool."""
        if await self._tool.check_require_confirmation(args, tool_context):
            return True
        if not self._interrupts:
            return False
        decision = await self._guard.acheck(
            self.name, args, session_id=self._session_id or tool_context.session.id
        )
        return decision.action is Action.HOLD

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Run the other tool, or return why it did not run."""
        confirmation = tool_context.tool_confirmation
        asks = self._interrupts and await self.check_require_confirmation(args, tool_context)
        if asks and (answer := _ask(tool_context, self.name)) is not None:
            return answer
        try:
            return await self._guard.acall(
                self.name, args,
                lambda: self._tool.run_async(args=args, tool_context=tool_context),
                session_id=self._session_id or tool_context.session.id,
                approve=_confirm if confirmation and confirmation.confirmed else None,
            )  # fmt: skip
        except CallRefusedError as error:
            return {"error": error.message}


class MultiMailToolkit(ToolkitBase[BaseTool]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `LlmAgent(tools=…)` takes. A conversation is the ADK's session.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        require_confirmation: Tools whose calls wait until a person confirms them.
        interrupts: Whether a held call of a `guarded` tool waits in the same way. By default it is
            refused.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        require_confirmation: Iterable[str] = (),
        interrupts: bool = False,
        **options: Unpack[ToolkitOptions],
    ) -> None:
        super().__init__(api_key, **options)
        self._interrupts = interrupts
        self._require_confirmation = self.check_names(require_confirmation)

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> BaseTool:
        asks = spec.name in self._require_confirmation
        return MultiMailTool(spec, self.session, session_id, asks=asks)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[BaseTool]:
        if callable(tool) and not isinstance(tool, BaseTool):
            tool = FunctionTool(tool)
        if not isinstance(tool, BaseTool):
            return super()._build_guarded(tool, guard, session_id)
        return [GuardedTool(tool, guard, session_id, interrupts=self._interrupts)]


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS


class MultiMailToolset(BaseToolset):
    """A toolkit's tools as one toolset, whose connections the ADK's runner closes.

    Args:
        toolkit: Whose tools they are; default a `MultiMailToolkit` with the other arguments, which
            are those of `multimail.tools.ToolkitBase`.
        api_key: Default `MULTIMAIL_API_KEY`.

    Attributes:
        toolkit: Declares the user's words and files, and guards other tools.
    """

    def __init__(
        self,
        toolkit: MultiMailToolkit | None = None,
        *,
        api_key: str | None = None,
        **options: Unpack[ToolkitOptions],
    ) -> None:
        super().__init__()
        self.toolkit = toolkit or MultiMailToolkit(api_key, **options)

    async def get_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """Return the tools; the context does not change which."""
        del readonly_context
        return self.toolkit.get_tools()

    async def close(self) -> None:
        """Close the connections of this event loop."""
        await self.toolkit.aclose()


def _ask(tool_context: ToolContext, name: str) -> dict[str, str] | None:
    """Ask a person about a call; return what the model reads meanwhile, None once confirmed."""
    confirmation = tool_context.tool_confirmation
    if confirmation is None:
        hint = f"The guard holds {name}." if name else "Confirm the call, or reject it."
        tool_context.request_confirmation(hint=hint)
        tool_context.actions.skip_summarization = True
        return _ASKED
    return None if confirmation.confirmed else _REJECTED


def _confirm(name: str, arguments: Mapping[str, Any], decision: object) -> bool:
    """Let a call run that a person confirmed."""
    del name, arguments, decision
    return True
