"""Converts the catalogue's tools into a toolset of Pydantic AI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, Unpack

from pydantic_ai import (
    ApprovalRequired,
    DeferredToolRequests,
    FunctionToolset,
    RunContext,
    Tool,
    ToolReturn,
)
from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset

from multimail.tools import (
    AGENT_INSTRUCTIONS,
    APPROVER_TOOLS,
    Approve,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolkitOptions,
    ToolSpec,
)
from multimail.trust import GuardDecision


class MultiMailToolset(FunctionToolset[Any]):
    """A toolkit's tools as `Agent(toolsets=[…])` takes them.

    A conversation is Pydantic AI's `conversation_id`, which goes on with the `message_history`.
    Its sends are safe under durable execution: one that is run again is the same send.

    Args:
        toolkit: Whose tools they are; default a `MultiMailToolkit` with `options`, which are the
            arguments of `multimail.tools.ToolkitBase`.
        id: The toolset's id, by which durable execution names its steps.
        session_id: The conversation, in place of Pydantic AI's.
        instructions: Instructions for an agent that has these tools; default the catalogue's for
            an agent's tools, none for an approver's.
        requires_approval: Tools before which the run ends with `DeferredToolRequests`, until
            `DeferredToolResults` approves the call.

    Attributes:
        toolkit: Declares the user's words and files, guards other tools, closes connections.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def __init__(
        self,
        toolkit: MultiMailToolkit | None = None,
        *,
        id: str = "multimail",  # noqa: A002 - Pydantic AI's name
        session_id: str | None = None,
        instructions: str | None = None,
        requires_approval: Iterable[str] = (),
        api_key: str | None = None,
        **options: Unpack[ToolkitOptions],
    ) -> None:
        self.toolkit = toolkit or MultiMailToolkit(api_key, **options)
        asked = self.toolkit.check_names(requires_approval)
        tools = [self.toolkit.build_tool(spec, session_id) for spec in self.toolkit.specs]
        for tool in tools:
            tool.requires_approval = tool.name in asked
        super().__init__(
            tools, id=id, instructions=instructions or self.toolkit.default_instructions
        )


class GuardedToolset(WrapperToolset[Any]):
    """Another toolset, whose tools run only if the guard of the conversation lets them.

    A held call of an agent with `DeferredToolRequests` in its `output_type` ends the run until a
    human approves it. Elsewhere it is refused unless `approve` asks a human.
    """

    def __init__(
        self, wrapped: AbstractToolset[Any], guard: ToolGuard, session_id: str | None
    ) -> None:
        super().__init__(wrapped)
        self._guard, self._session_id = guard, session_id

    def list_names(self) -> list[str]:
        """Return the names of the tools, as far as they are known before a run."""
        inner = self.wrapped
        return [*inner.tools] if isinstance(inner, FunctionToolset) else self._guard.policy_names

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Run a tool of the other toolset, or return why it did not run."""
        try:
            return await self._guard.acall(
                name, tool_args, partial(self.wrapped.call_tool, name, tool_args, ctx, tool),
                session_id=self._session_id or ctx.conversation_id,
                approve=None if self._guard.asks else _find_approval(ctx),
            )  # fmt: skip
        except CallRefusedError as error:
            return error.message


class MultiMailToolkit(ToolkitBase[AbstractToolset[Any]]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `Agent(toolsets=…)` takes, and so does `guarded(…)`. With `user_turns=True` the user prompts of
    the message history count as the user's words, for an agent that people chat with and no other
    agent runs: Pydantic AI does not tell a tool who wrote a prompt.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    keeps_user_turns: ClassVar[bool] = True
    default_instructions: ClassVar[str | None] = AGENT_INSTRUCTIONS

    def get_tools(self, session_id: str | None = None) -> list[AbstractToolset[Any]]:
        """Return one toolset that has all of the tools.

        Args:
            session_id: The conversation, in place of Pydantic AI's.
        """
        return [MultiMailToolset(self, session_id=session_id)]

    def build_tool(self, spec: ToolSpec, session_id: str | None = None) -> Tool[Any]:
        """Return one tool of the catalogue, for `Agent(tools=…)`."""

        async def run(ctx: RunContext[Any], **arguments: Any) -> ToolReturn[str]:
            conversation = session_id or ctx.conversation_id
            declare = partial(self.session.declare_turns, session_id=conversation)
            await self.session.run_off_loop(declare, list_user_turns(ctx))
            result = await self.session.acall(spec, arguments, session_id=conversation)
            return ToolReturn(result.text, metadata=result.as_data())

        return Tool.from_schema(run, spec.name, spec.description, spec.schema(), takes_ctx=True)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[AbstractToolset[Any]]:
        if isinstance(tool, AbstractToolset):
            return [GuardedToolset(tool, guard, session_id)]
        if isinstance(tool, Tool) or callable(tool):
            return [GuardedToolset(FunctionToolset([tool]), guard, session_id)]
        return super()._build_guarded(tool, guard, session_id)

    def _list_names(self, tool: Any) -> Iterable[str]:
        return tool.list_names() if isinstance(tool, GuardedToolset) else ()


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
    default_instructions = None


def list_user_turns(ctx: RunContext[Any]) -> Iterator[str]:
    """Yield the texts of the prompts that a person typed.

    Left out are prompts that came together with a tool's result: a tool can add those.
    """
    for message in ctx.messages:
        if not isinstance(message, ModelRequest):
            continue
        parts = message.parts
        if all(isinstance(part, UserPromptPart | SystemPromptPart) for part in parts):
            prompts = (part.content for part in parts if isinstance(part, UserPromptPart))
            for content in prompts:
                yield from (
                    [content]
                    if isinstance(content, str)
                    else (item for item in content if isinstance(item, str))
                )


def _find_approval(ctx: RunContext[Any]) -> Approve | None:
    """Return how Pydantic AI asks a human about a call; None where the run cannot wait for one."""

    def ask(name: str, arguments: Mapping[str, Any], decision: GuardDecision) -> bool:
        del name, arguments
        if not ctx.tool_call_approved:
            raise ApprovalRequired({"reasons": list(decision.approver_reasons)})
        return True

    outputs = getattr(ctx.agent, "output_type", None)
    kinds = outputs if isinstance(outputs, list | tuple) else [outputs]
    return ask if DeferredToolRequests in kinds else None
