# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""What programs do with Python's client `openai`, against a server with the demo model.

    openai_client.py URL PICTURE
"""

import asyncio
import base64
import sys

import openai
import pydantic

MODEL = "demo"
QUESTION = [{"role": "user", "content": "What is 17 + 25?"}]


class Sum(pydantic.BaseModel):
    answer: int
    sure: bool


class add(pydantic.BaseModel):
    """Adds two numbers."""

    a: int
    b: int


ADD = openai.pydantic_function_tool(add)
FLAT_ADD = {"type": "function", "strict": True, **{k: ADD["function"][k] for k in ("name", "parameters")}}


def joined(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def chat(client, **more):
    return client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, **more)


def check_chat(client):
    whole = chat(client)
    text = whole.choices[0].message.content
    assert "42" in text, text
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert joined(chat(client, stream=True)) == text
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert len({c.id for c in chunks}) == 1 and len({c.created for c in chunks}) == 1
    with client.chat.completions.stream(
        model=MODEL, messages=QUESTION, temperature=0, n=2, logprobs=True, top_logprobs=2
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert [c.message.content for c in final.choices] == [text, text]
    assert final.choices[0].message.role == "assistant"
    assert len(final.choices[1].logprobs.content) > 3
    return text


def check_schema_and_tools(client):
    parsed = client.chat.completions.parse(
        model=MODEL, messages=QUESTION, temperature=0, response_format=Sum
    )
    assert isinstance(parsed.choices[0].message.parsed, Sum)
    for choice in ("required", {"type": "function", "function": {"name": "add"}}):
        called = client.chat.completions.parse(
            model=MODEL, messages=QUESTION, temperature=0, tools=[ADD], tool_choice=choice
        )
        assert called.choices[0].finish_reason == "tool_calls"
        assert isinstance(called.choices[0].message.tool_calls[0].function.parsed_arguments, add)
    # Streamed, by hand: the client's helper needs a package that not every release has.
    call = {"id": "", "name": "", "arguments": ""}
    reason = None
    for chunk in chat(client, tools=[ADD], tool_choice="required", stream=True):
        reason = chunk.choices[0].finish_reason or reason
        for delta in chunk.choices[0].delta.tool_calls or []:
            assert delta.index == 0
            call["id"] += delta.id or ""
            call["name"] += delta.function.name or ""
            call["arguments"] += delta.function.arguments or ""
    assert reason == "tool_calls" and call["name"] == "add" and call["id"].startswith("call_")
    add.model_validate_json(call["arguments"])
    after = client.chat.completions.create(
        model=MODEL,
        temperature=0,
        max_tokens=20,
        tools=[ADD],
        messages=QUESTION
        + [
            called.choices[0].message.model_dump(exclude_none=True, exclude={"parsed"}),
            {"role": "tool", "tool_call_id": called.choices[0].message.tool_calls[0].id, "content": "42"},
        ],
    )
    assert after.choices[0].message.content


def check_completions(client):
    def complete(**more):
        return client.completions.create(
            model=MODEL, prompt="The capital", max_tokens=5, temperature=0, **more
        )

    echoed = complete(echo=True, logprobs=2).choices[0]
    assert echoed.text == "".join(echoed.logprobs.tokens)
    assert echoed.logprobs.token_logprobs[0] is None
    streamed = "".join(c.choices[0].text for c in complete(stream=True))
    assert echoed.text == "The capital" + streamed


def check_responses(client, text, picture):
    def respond(**more):
        return client.responses.create(**{"model": MODEL, "input": QUESTION, "temperature": 0, **more})

    assert respond().output_text == text
    with client.responses.stream(model=MODEL, input=QUESTION[0]["content"], temperature=0) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == text
    cut = respond(max_output_tokens=2)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"
    parsed = client.responses.parse(model=MODEL, input=QUESTION, temperature=0, text_format=Sum)
    assert isinstance(parsed.output_parsed, Sum)
    called = respond(tools=[FLAT_ADD], tool_choice="required")
    call = called.output[0]
    assert call.type == "function_call"
    add.model_validate_json(call.arguments)
    history = QUESTION + [item.model_dump(exclude_none=True) for item in called.output]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "42"})
    assert respond(input=history, tools=[FLAT_ADD], max_output_tokens=10).output_text
    seen = respond(
        input=[{"role": "user", "content": [{"type": "input_text", "text": "What is in the picture?"},
                                            {"type": "input_image", "image_url": picture}]}],
        max_output_tokens=60,
    )
    asked = client.chat.completions.create(
        model=MODEL,
        temperature=0,
        max_tokens=60,
        messages=[{"role": "user", "content": [{"type": "text", "text": "What is in the picture?"},
                                               {"type": "image_url", "image_url": {"url": picture}}]}],
    )
    assert "red" in seen.output_text and seen.output_text == asked.choices[0].message.content


def check_errors(client):
    long = [{"role": "user", "content": "x " * 9000}]
    for kind, code, ask in (
        (openai.NotFoundError, "model_not_found",
         lambda: client.chat.completions.create(model="nope", messages=QUESTION)),
        (openai.BadRequestError, "invalid_value",
         lambda: client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=9)),
        (openai.BadRequestError, "context_length_exceeded",
         lambda: client.chat.completions.create(model=MODEL, messages=long)),
        (openai.BadRequestError, "model_not_supported",
         lambda: client.embeddings.create(model=MODEL, input="x")),
        (openai.BadRequestError, "unsupported_value",
         lambda: client.responses.create(model=MODEL, input="x", previous_response_id="resp_1")),
    ):
        try:
            ask()
        except kind as error:
            assert error.code == code, error.code
            assert error.request_id
        else:
            raise AssertionError(f"no {kind.__name__} {code}")


async def check_many(url, text):
    client = openai.AsyncOpenAI(base_url=url, api_key="x", timeout=600)
    answers = await asyncio.gather(
        *[client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0) for _ in range(16)]
    )
    assert all(a.choices[0].message.content == text for a in answers)
    # A client that stops reading has its answer stopped.
    stream = await client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, max_tokens=7000, extra_body={"ignore_eos": True}
    )
    async for _ in stream:
        break
    await stream.close()


def main():
    url = sys.argv[1] + "/v1"
    client = openai.OpenAI(base_url=url, api_key="any", max_retries=0, timeout=600)
    (model,) = client.models.list()
    assert client.models.retrieve(model.id).id == model.id
    with open(sys.argv[2], "rb") as file:
        picture = "data:image/png;base64," + base64.b64encode(file.read()).decode()
    text = check_chat(client)
    check_schema_and_tools(client)
    check_completions(client)
    check_responses(client, text, picture)
    check_errors(client)
    asyncio.run(check_many(url, text))
    print(f"openai {openai.__version__}: all as it should be")


if __name__ == "__main__":
    main()
