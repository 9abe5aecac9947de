"""AgentDojo's workspace suite: its environment, its user's tasks and its injected goals.

AgentDojo (MIT) is installed from the package index into a separate environment; nothing of it is
kept here but names.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from .agent import Arguments, Call

SUITE = "v1.2.2"
_MARK = "@@{}@@"
_MARKS = re.compile(r"@@(\w+)@@")


class Workspace:
    """The suite.

    Attributes:
        tasks: The user's tasks, in order.
        goals: The injected goals, in order.
    """

    def __init__(self) -> None:
        loader: Any = importlib.import_module("agentdojo.task_suite.load_suites")
        runtime: Any = importlib.import_module("agentdojo.functions_runtime")
        executor: Any = importlib.import_module("agentdojo.agent_pipeline.tool_execution")
        self._suite = loader.get_suite(SUITE, "workspace")
        self._runtime = runtime.FunctionsRuntime(self._suite.tools)
        self._function_call = runtime.FunctionCall
        self._show = executor.tool_result_to_str
        self._defaults: dict[str, str] = self._suite.get_injection_vector_defaults()
        marks = {name: _MARK.format(name) for name in self._defaults}
        self._marked = self._suite.load_and_inject_default_environment(marks)
        self.tasks: tuple[Any, ...] = _in_order(self._suite.user_tasks)
        self.goals: tuple[Any, ...] = _in_order(self._suite.injection_tasks)

    @property
    def version(self) -> str:
        """The versions of AgentDojo and of the suite."""
        return f"AgentDojo {version('agentdojo')}, workspace suite {SUITE}"

    def build_environment(self, task: Any, texts: Mapping[str, str]) -> Any:
        """Return a new environment for a task, with these texts at the suite's places for them."""
        env = self._marked.model_copy(deep=True)
        drive = env.cloud_drive.files.values()
        for record in (*env.inbox.emails.values(), *env.calendar.events.values(), *drive):
            for name, value in record:
                if isinstance(value, str) and _MARKS.search(value):
                    setattr(record, name, _MARKS.sub(self._get_text(texts), value))
        for file in drive:
            file.size = len(file.content)
        return task.init_environment(env)

    def _get_text(self, texts: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
        return lambda mark: texts.get(mark[1], self._defaults[mark[1]])

    def list_places(self, task: Any) -> list[str]:
        """Return the places of injected text that a task's own calls read."""
        env = task.init_environment(self._marked.model_copy(deep=True))
        shown = [self.show(self.run(env, *call)) for call in self.list_calls(task)]
        return sorted({name for text in shown for name in _MARKS.findall(text)})

    def list_calls(self, task: Any) -> list[Call]:
        """Return the calls of the suite's solution of a user's task."""
        env = self.build_environment(task, {})
        return [(call.function, dict(call.args)) for call in task.ground_truth(env)]

    def run(self, env: Any, tool: str, arguments: Arguments) -> Any:
        """Execute a call, and return its result or raise the tool's own error."""
        return self._runtime.run_function(env, tool, arguments, raise_on_error=True)[0]

    def show(self, result: Any) -> str:
        """Return a result as the text that the suite shows to a model."""
        return str(self._show(result))

    def is_done(self, task: Any, before: Any, after: Any, calls: Sequence[Call]) -> bool:
        """Return whether the suite says that a user's task was done, given its right answer."""
        trace = [self._function_call(function=tool, args=dict(args)) for tool, args in calls]
        output = [{"type": "text", "content": task.GROUND_TRUTH_OUTPUT}]
        return bool(self._suite._check_task_result(task, output, before, after, trace))

    def is_reached(self, goal: Any, before: Any, after: Any) -> bool:
        """Return whether the suite's own check says that an injected goal was reached."""
        return bool(self._suite._check_task_result(goal, [], before, after, []))


def _in_order(tasks: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(tasks.values(), key=lambda task: int(task.ID.rpartition("_")[2])))
