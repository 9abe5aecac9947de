"""The scripted model serves real clients: OpenAI's own, and a LangChain agent loop."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from langchain.agents import create_agent
from langchain.tools import tool
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

from multimail_cli.demo.scripted_model import (
    Conversation,
    ScriptedModel,
    ToolCall,
    Turn,
    build_script,
    call,
    fail,
    say,
)

ASK = [{"role": "user", "content": "What is the weather?"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def build_client(model: ScriptedModel, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=model.base_url, api_key="none", max_retries=retries)


def ask(client: openai.OpenAI, **more: object) -> ChatCompletion:
    request = {"model": "any", "messages": ASK, **more}
    return client.chat.completions.create(**request)  # type: ignore[call-overload,no-any-return]


def test_text_is_answered_with_usage_and_a_finish_reason() -> None:
    with ScriptedModel(build_script([say("Sunny.")])) as model, build_client(model) as client:
        answer = ask(client)
    assert answer.choices[0].message.content == "Sunny."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_several_tool_calls_come_in_one_turn_with_ids_of_their_own() -> None:
    turn = say("Let me look.") + call("weather", city="Bern") + call("weather", city="Zürich")
    with ScriptedModel(build_script([turn])) as model, build_client(model) as client:
        answer = ask(client, tools=TOOLS, tool_choice="auto", parallel_tool_calls=True)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.content == "Let me look."
    calls = [one for one in message.tool_calls or [] if one.type == "function"]
    assert [json.loads(one.function.arguments)["city"] for one in calls] == ["Bern", "Zürich"]
    assert len({one.id for one in calls}) == 2
    assert all(one.id.startswith("call_") for one in calls)


def test_a_stream_carries_the_same_turn_and_the_usage_when_asked() -> None:
    turn = say("A sentence that is longer than one chunk of the stream.") + call("weather", n=1)
    with ScriptedModel(build_script([turn])) as model, build_client(model) as client:
        stream = client.chat.completions.stream(
            model="any", messages=[{"role": "user", "content": "Hi"}]
        )
        with stream as events:
            for _ in events:
                pass
            answer = events.get_final_completion()
        chunks = list(
            client.chat.completions.create(
                model="any",
                messages=[{"role": "user", "content": "Hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    choice = answer.choices[0]
    assert choice.message.content == turn.text
    assert choice.finish_reason == "tool_calls"
    assert [one.function.arguments for one in choice.message.tool_calls or []] == ['{"n": 1}']
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_script_reads_the_tool_results_however_the_framework_shows_them() -> None:
    seen: list[Conversation] = []

    def script(conversation: Conversation) -> Turn:
        seen.append(conversation)
        return say("Done.")

    wire_call = {"id": "call_1", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": None, "tool_calls": [wire_call]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Rain"}]},
        {"role": "assistant", "content": "Calling tools:\n[{'function': {'name': 'snow'}}]"},
        {"role": "user", "content": [{"type": "text", "text": "Observation:\nNone yet"}]},
    ]
    with ScriptedModel(script) as model, build_client(model) as client:
        ask(client, messages=messages, tools=TOOLS, extra_body={"unknown": {"field": 1}})
    assert [(one.name, one.text) for one in seen[0].results] == [
        ("weather", "Rain"),
        ("snow", "None yet"),
    ]
    assert seen[0].results[0].arguments == '{"city": "Bern"}'
    assert seen[0].last_tool_text == "None yet"
    assert seen[0].tool_texts("weather") == ["Rain"]
    assert seen[0].turns == 2
    assert seen[0].offered("weather")
    assert not seen[0].offered("snow")
    assert model.requests[0]["unknown"] == {"field": 1}


def test_a_failure_is_answered_once_and_the_client_gets_the_turn_at_its_next_try() -> None:
    script = build_script([fail(429, {"retry-after-ms": "1"}), fail(503), say("Back again.")])
    with ScriptedModel(script) as model:
        with build_client(model) as impatient, pytest.raises(openai.RateLimitError):
            ask(impatient)
        with build_client(model, retries=3) as patient:
            answer = ask(patient)
    assert answer.choices[0].message.content == "Back again."
    assert len(model.requests) == 3


def test_a_script_that_ends_too_early_says_so_and_is_not_asked_again() -> None:
    with (
        ScriptedModel(build_script([])) as model,
        build_client(model, retries=3) as client,
        pytest.raises(openai.BadRequestError, match="0 turns, and one more was requested"),
    ):
        ask(client)
    assert len(model.requests) == 1
    assert model.errors == ["LookupError: The script has 0 turns, and one more was requested."]


def test_text_ends_at_a_stop_sequence_and_broken_arguments_stay_broken() -> None:
    turn = Turn("Thought. Observation: none", (ToolCall("weather", "{not json"),))
    with ScriptedModel(build_script([turn])) as model, build_client(model) as client:
        message = ask(client, stop=["Observation:"]).choices[0].message
    assert message.content == "Thought. "
    calls = [one for one in message.tool_calls or [] if one.type == "function"]
    assert calls[0].function.arguments == "{not json"


def test_models_are_listed_and_a_request_without_messages_is_refused() -> None:
    with ScriptedModel(build_script([])) as model:
        with build_client(model) as client:
            assert [one.id for one in client.models.list()] == ["scripted"]
        url = f"{model.base_url}/chat/completions"
        assert httpx.post(url, content=b"no json").status_code == 400
        assert httpx.post(url, json={"model": "any"}).status_code == 400


@tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"It rains in {city}."


def run_agent(model: ScriptedModel, question: str, *, streaming: bool) -> list[str]:
    chat = ChatOpenAI(
        model="scripted",
        base_url=model.base_url,
        api_key=SecretStr("none"),
        streaming=streaming,
        stream_usage=True,
    )
    agent = create_agent(chat, [weather])
    state = agent.invoke({"messages": [{"role": "user", "content": question}]})
    return [str(one.content) for one in state["messages"]]


def repeat_the_weather(conversation: Conversation) -> Turn:
    if not conversation.last_tool_text:
        return call("weather", city=conversation.last_user_text)
    return say(f"They say: {conversation.last_tool_text}")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_langchain_agent_runs_its_own_loop(streaming: bool) -> None:
    with ScriptedModel(repeat_the_weather) as model:
        said = run_agent(model, "Bern", streaming=streaming)
    assert said[-1] == "They say: It rains in Bern."
    assert Conversation.from_request(model.requests[0]).tool_names == ["weather"]


def test_one_server_serves_many_conversations_at_once() -> None:
    script = build_script([call("weather", city="Chur"), say("That is all.")])
    with ScriptedModel(script) as model, ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run_agent, model, f"Question {n}", streaming=False) for n in range(8)]
        assert {run.result()[-1] for run in runs} == {"That is all."}
    assert len(model.requests) == 16
