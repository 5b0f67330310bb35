"""What wrangler's failures mean. The rest is tried with the real wrangler in tests/cloudflare."""

import pytest
from worker_failures import Failure, explain, read_failure

UPLOAD = "A request to the Cloudflare API (/accounts/1/workers/scripts/bot) failed."


def said(message: str, output: str = "", *, valid: bool = True) -> str:
    """Explain a failure of an upload."""
    return explain(Failure(message, output), "bot", "the upload", lambda: valid)


def test_the_last_failed_command_counts_and_colours_do_not() -> None:
    records = '{"type": "wrangler-session"}\n{"type": "command-failed", "message": "one"}\n\n{"type": "command-failed", "message": "two"}\n'
    assert read_failure("\x1b[31mError\x1b[0m", records) == Failure("two", "Error")


def test_a_tokens_validity_is_asked_only_where_the_answer_is_ambiguous() -> None:
    def never() -> bool:
        raise AssertionError("asked")

    assert "expired" in explain(Failure(UPLOAD, "Invalid access token [code: 9109]"), "bot", "the upload", never)
    assert "was not reached" in explain(Failure("fetch failed", ""), "bot", "the upload", never)
    assert "expired" in said(UPLOAD, "Authentication error [code: 10000]", valid=False)
    assert "does not permit" in said(UPLOAD, "Authentication error [code: 10000]", valid=True)


def test_a_certificate_of_somebody_else_is_told_from_a_network_that_is_gone() -> None:
    assert "DRYDOCK_CORPORATE_CA" in said("fetch failed: self-signed certificate in certificate chain")


def test_an_account_without_access_is_named() -> None:
    assert "sees no account" in said("Failed to automatically retrieve account IDs for the logged in user.")


@pytest.mark.parametrize("message", ["Something new", ""])
def test_what_is_not_known_is_quoted(message: str) -> None:
    assert said(message) == f"the upload of bot failed: {message or 'it said nothing'}; wrangler's whole message is above"
