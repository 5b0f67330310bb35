"""`# noqa` silences what it names and nothing else."""

import pytest
from worker_kit.check import check_source

LOCK = "import asyncio\nlock = asyncio.Lock()"


@pytest.mark.parametrize(
    "comment", ["# noqa", "#noqa", "# NOQA", "# noqa: WK102", "# noqa:WK102", "# noqa: E501, WK102", "# why  # noqa: WK1"]
)
def test_a_comment_that_covers_the_code_silences_it(comment: str) -> None:
    assert check_source(f"{LOCK}  {comment}\n") == []


@pytest.mark.parametrize("comment", ["", "# noqa: WK101", "# noqa: E501", "# ruff: noqa", "# noqab"])
def test_any_other_comment_leaves_the_finding(comment: str) -> None:
    assert [finding.code for finding in check_source(f"{LOCK}  {comment}\n")] == ["WK102"]


def test_a_comment_on_the_last_line_of_a_call_silences_the_call() -> None:
    source = "import os\nKEY = os.getenv(\n    'KEY',\n)  # noqa: WK111\n"
    assert check_source(source) == []


def test_a_comment_inside_a_function_does_not_silence_the_function() -> None:
    source = "from fastapi import Depends, Request\ndef env(request: Request):\n    return request.scope['env']  # noqa\nX = Depends(env)\n"
    assert [(finding.code, finding.line) for finding in check_source(source)] == [("WK113", 2)]
