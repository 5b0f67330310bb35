"""Chat: answers from content, whole or streamed, within limits, and a model that fails."""

import json
from typing import Any

import pytest
from platform_api_testing.environment import CHAT_LIMIT
from platform_api_testing.stub import Fault, Upstreams

PATH = "/api/v1/chat"


def events_of(text: str) -> list[tuple[str, Any]]:
    """Read server-sent events."""
    pairs = (block.split("\n", 1) for block in text.strip().split("\n\n"))
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def test_a_question_is_answered_from_content(api: Any, upstreams: Upstreams, word: str) -> None:
    """The model gets the question and what was found about it, and the answer names its sources."""
    upstreams.publish("event", word, title="Demo Day", body=f"On Friday in the {word} hall.")
    response = api.post(PATH, json={"question": f"When is {word}?"})
    assert response.status_code == 200
    assert response.json() == {
        "answer": f"You asked: When is {word}?",
        "answered": True,
        "sources": [{"type": "events", "slug": word, "title": "Demo Day"}],
    }
    prompt = next(prompt for prompt in upstreams.prompts if word in prompt["messages"][1]["content"])
    assert f"On Friday in the {word} hall." in prompt["messages"][0]["content"]


def test_a_question_without_content_asks_no_model(api: Any, upstreams: Upstreams, word: str) -> None:
    """Where nothing is found the answer says so, and costs nothing."""
    answer = api.post(PATH, json={"question": f"What about {word}?"}).json()
    assert (answer["answered"], answer["sources"]) == (False, [])
    assert not any(word in str(prompt) for prompt in upstreams.prompts)


def test_a_question_of_common_words_asks_nobody(api: Any, upstreams: Upstreams) -> None:
    """Where there is no word to search for, not even Sanity is asked."""
    before = len(upstreams.queries)
    assert api.post(PATH, json={"question": "What is that?"}).json()["answered"] is False
    assert len(upstreams.queries) == before


def test_an_answer_is_streamed_when_asked(api: Any, upstreams: Upstreams, word: str) -> None:
    """With `stream` the answer comes as events: sources, pieces of text, done."""
    upstreams.publish("event", word)
    response = api.post(PATH, json={"question": f"When is {word} ☃?", "stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    (first, sources), *middle, (last, _) = events_of(response.text)
    assert (first, last) == ("sources", "done")
    assert [source["slug"] for source in sources] == [word]
    assert {name for name, _ in middle} == {"text"}
    assert len(middle) > 1
    assert "".join(piece["text"] for _, piece in middle) == f"When is {word} ☃? "


# In Pyodide alone: Starlette's TestClient waits for whole bodies.
@pytest.mark.parametrize("session", ["pyodide"], indirect=True, scope="session")
def test_a_piece_is_sent_before_the_model_has_finished(api: Any, upstreams: Upstreams, word: str) -> None:
    """The caller reads the first words while the model is still held back."""
    upstreams.publish("event", word)
    upstreams.fail(f"ai:{word}", Fault.PAUSED)
    upstreams.resumed.clear()
    headers = {"CF-Connecting-IP": api.address}
    with api.session.stream("POST", PATH, headers=headers, json={"question": f"When is {word}", "stream": True}) as response:
        pieces, come = response.iter_text(), ""
        while "event: text" not in come:
            come += next(pieces)
        upstreams.resumed.set()
        rest = "".join(pieces)
    assert [name for name, _ in events_of(come)] == ["sources", "text"]
    assert [name for name, _ in events_of(rest)] == ["text", "text", "done"]


def test_nothing_found_is_streamed_too(api: Any, word: str) -> None:
    """A streamed answer without content has the same form."""
    events = events_of(api.post(PATH, json={"question": f"What about {word}?", "stream": True}).text)
    assert [name for name, _ in events] == ["sources", "text", "done"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.BROKEN, 503, "model_unavailable"),
        (Fault.BUSY, 503, "model_unavailable"),
        (Fault.CLOSED, 503, "model_unavailable"),
        (Fault.HANG, 504, "model_timeout"),
    ],
)
def test_a_model_that_fails_is_a_problem(
    api: Any, upstreams: Upstreams, word: str, fault: Fault, status: int, code: str, stream: bool
) -> None:
    """A model that does not answer is a 503 or 504, also where a stream was asked for: the status is not sent yet."""
    upstreams.publish("event", word)
    upstreams.fail(f"ai:{word}", fault)
    response = api.post(PATH, json={"question": f"When {word}", "stream": stream})
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("fault", "status", "code"), [(Fault.OTHER_FORM, 502, "model_invalid"), (Fault.NOT_JSON, 503, "model_unavailable")]
)
def test_a_model_that_answers_nonsense_is_a_problem(
    api: Any, upstreams: Upstreams, word: str, fault: Fault, status: int, code: str
) -> None:
    """An answer without a text, or one that is not even JSON, is the model's fault."""
    upstreams.publish("event", word)
    upstreams.fail(f"ai:{word}", fault)
    response = api.post(PATH, json={"question": f"When {word}"})
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_stream_that_breaks_ends_with_an_error(api: Any, upstreams: Upstreams, word: str) -> None:
    """What came is sent, and then an event says that the rest is missing."""
    upstreams.publish("event", word)
    upstreams.fail(f"ai:{word}", Fault.CUT)
    events = events_of(api.post(PATH, json={"question": f"When {word}", "stream": True}).text)
    assert [name for name, _ in events] == ["sources", "text", "text", "error"]
    assert events[-1][1]["code"] == "model_unavailable"


def test_sanity_down_is_a_problem(api: Any, upstreams: Upstreams, word: str) -> None:
    """Without content there is no answer."""
    for fault, status in (
        (Fault.BUSY, 503),
        (Fault.BROKEN, 502),
        (Fault.HANG, 504),
        (Fault.NOT_JSON, 502),
        (Fault.OTHER_FORM, 502),
    ):
        upstreams.fail(word, fault)
        assert api.post(PATH, json={"question": f"What is {word}?"}).status_code == status


@pytest.mark.parametrize(
    "body",
    [{}, {"question": "ab"}, {"question": "x" * 501}, {"question": 7}, {"question": "When?", "model": "other"}, [], None]
    + [{"question": "When?", "stream": stream} for stream in (1, 0.0, "true", None)],
)
def test_a_question_has_a_length(api: Any, body: Any) -> None:
    """Too short, too long, or anything but a question is a 422."""
    assert api.post(PATH, json=body).status_code == 422


def test_questions_are_limited_for_each_client(api: Any) -> None:
    """One client has so many questions a minute; the answer says when to come back."""
    # A minute may end in between: then the count begins again, once.
    responses = [api.post(PATH, json={"question": "What is that?"}) for _ in range(2 * CHAT_LIMIT + 1)]
    refused = [response for response in responses if response.status_code == 429]
    assert refused
    assert {response.status_code for response in responses} == {200, 429}
    assert all(1 <= int(response.headers["Retry-After"]) <= 60 for response in refused)
    assert refused[0].json()["code"] == "rate_limited"
