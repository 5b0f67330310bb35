"""What cases of the contract share: the text of the error that something must end with."""

from collections.abc import Awaitable


async def raised(kind: type[Exception], work: Awaitable[object]) -> str:
    """Return the text of the error that `work` must end with."""
    try:
        answer = await work
    except kind as error:
        return str(error)
    raise AssertionError(f"expected {kind.__name__}, found the answer {answer!r}")
