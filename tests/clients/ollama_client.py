# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""What programs do with Python's client `ollama`, against a server with the demo model.

    ollama_client.py URL PICTURE
"""

import asyncio
import importlib.metadata
import sys

import ollama
import pydantic

MODEL = "demo"
QUESTION = [{"role": "user", "content": "What is 17 + 25?"}]
GREEDY = {"temperature": 0}


class Sum(pydantic.BaseModel):
    answer: int
    sure: bool


def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: the first
        b: the second
    """
    return a + b


def check_models(client):
    (listed,) = client.list().models
    assert listed.model.endswith(":latest") and listed.size > 0 and len(listed.digest) == 64
    (running,) = client.ps().models
    assert running.model == listed.model and running.context_length > 0
    shown = client.show(MODEL)
    assert {"completion", "tools", "vision"} <= set(shown.capabilities)
    assert client.pull(MODEL).status == "success"


def check_chat(client, picture):
    whole = client.chat(MODEL, QUESTION, options=GREEDY)
    text = whole.message.content
    assert "42" in text and whole.done_reason == "stop" and whole.eval_count > 0, whole
    parts = list(client.chat(MODEL, QUESTION, options=GREEDY, stream=True))
    assert "".join(p.message.content for p in parts) == text
    assert [p.done for p in parts] == [False] * (len(parts) - 1) + [True]
    prompt = QUESTION[0]["content"]
    assert client.generate(MODEL, prompt, options=GREEDY).response == text
    streamed = client.generate(MODEL, prompt, options=GREEDY, stream=True)
    assert "".join(p.response for p in streamed) == text
    cut = client.chat(MODEL, QUESTION, options={"temperature": 0, "num_predict": 3})
    assert cut.done_reason == "length" and cut.eval_count == 3

    answer = client.chat(MODEL, QUESTION, format=Sum.model_json_schema(), options=GREEDY)
    Sum.model_validate_json(answer.message.content)
    # The function itself as a tool: the client makes its schema. The model may call it or not.
    for call in client.chat(MODEL, QUESTION, tools=[add], options=GREEDY).message.tool_calls or []:
        assert call.function.name == "add" and set(call.function.arguments) == {"a", "b"}
    messages = [
        *QUESTION,
        {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 17, "b": 25}}}]},
        {"role": "tool", "tool_name": "add", "content": "42"},
    ]
    assert client.chat(MODEL, messages, tools=[add], options=GREEDY).message.role == "assistant"
    seen = client.chat(MODEL, [{"role": "user", "content": "What is in the picture?", "images": [picture]}], options=GREEDY)
    assert "star" in seen.message.content, seen.message.content
    return text


def check_errors(client):
    for status, ask in (
        (404, lambda: client.chat("other", QUESTION)),
        (400, lambda: client.chat(MODEL, QUESTION, options={"temperature": "hot"})),
        (400, lambda: client.generate(MODEL, "a", suffix="b")),
        (400, lambda: client.embed(MODEL, "a")),
        (501, lambda: client.pull("other")),
        (501, lambda: client.delete(MODEL)),
    ):
        try:
            ask()
        except ollama.ResponseError as error:
            assert error.status_code == status and error.error, (status, error)
        else:
            raise AssertionError(f"no error with status {status}")


async def check_many(url, text):
    client = ollama.AsyncClient(host=url)
    answers = await asyncio.gather(*[client.chat(MODEL, QUESTION, options=GREEDY) for _ in range(8)])
    assert all(a.message.content == text for a in answers)
    # A client that stops reading has its answer stopped.
    stream = await client.chat(MODEL, QUESTION, stream=True, options={"num_predict": 7000})
    async for _ in stream:
        break
    await stream.aclose()


def main():
    url, picture = sys.argv[1:3]
    client = ollama.Client(host=url)
    text = check_chat(client, picture)
    check_models(client)
    check_errors(client)
    asyncio.run(check_many(url, text))
    print(f"ollama {importlib.metadata.version('ollama')}: all as it should be")


if __name__ == "__main__":
    main()
