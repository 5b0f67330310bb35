"""Translate what wrangler says when a deployment fails into one sentence that says what to do."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

_TEMPLATE = "the template “Edit Cloudflare Workers” at https://dash.cloudflare.com/profile/api-tokens"
_PATH = re.compile(r"request to the Cloudflare API \((?P<path>[^)]*)\)")
# Cloudflare's own numbers of errors, as its API answers them.
_INVALID_TOKEN = {1000, 6003, 6111, 9106, 9109, 10001}
_NOT_ALLOWED = {9103, 10000, 10405}
_NO_SUCH_ACCOUNT = {7003}
_NO_SUCH_KV = {10041, 10042}
_NO_SUCH_D1 = {10181, 7404}
_NO_SUCH_SERVICE = {10143, 10144}
_NO_SUCH_WORKER = {10007, 10090}
_SERVER_FAILED = {7501, 10013, 10500}
_NETWORK = re.compile(
    r"fetch failed|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|UND_ERR|other side closed"
    r"|terminated|timed out|Unable to resolve Cloudflare|Proxy response \(\d+\)",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(r"certificate|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)", re.IGNORECASE)
_TERMINAL = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """What is known of a run of wrangler that failed."""

    message: str
    """wrangler's own, of the record that it keeps of a failed command; empty where it kept none."""
    output: str
    """All that it printed, without colours."""

    @property
    def codes(self) -> set[int]:
        """Return the numbers that Cloudflare gave its errors."""
        return {int(code) for code in re.findall(r"\[code: (\d+)\]", self.output)}

    @property
    def path(self) -> str:
        """Return the path of the API that was asked, if it is said."""
        found = _PATH.search(" ".join(self.message.split())) or _PATH.search(" ".join(self.output.split()))
        return found["path"] if found else ""

    @property
    def reason(self) -> str:
        """Return the first sentence of an error that Cloudflare numbered, or wrangler's message."""
        noted = re.search(r"^[\s-]*(\S.*?)\s*\[code: \d+\]", self.output, re.MULTILINE)
        return noted[1] if noted else " ".join(self.message.split()) or "it said nothing"


def read_failure(output: str, records: str) -> Failure:
    """Take the failure from what wrangler printed and from its records (WRANGLER_OUTPUT_FILE_PATH), one JSON object a line."""
    entries = [json.loads(line) for line in records.splitlines() if line.strip()]
    messages = [str(entry.get("message", "")) for entry in entries if entry.get("type") == "command-failed"]
    return Failure(messages[-1] if messages else "", _TERMINAL.sub("", output))


def explain(failure: Failure, name: str, what: str, token_is_valid: Callable[[], bool]) -> str:
    """Say in one sentence what failed, why, and what mends it.

    name: of the Worker; what: was being done, such as “the upload”; token_is_valid: asked only where Cloudflare's answer fits an
    expired token and one without the permission alike.
    """
    codes, text = failure.codes, f"{failure.message}\n{failure.output}"
    if codes & _INVALID_TOKEN or (codes & _NOT_ALLOWED and not token_is_valid()):
        return (
            f"Cloudflare does not know the token in CLOUDFLARE_API_TOKEN, so {what} of {name} was refused: it expired, was revoked or "
            f"is not whole; make a new one from {_TEMPLATE} and export it"
        )
    if codes & _NOT_ALLOWED:
        return (
            f"the token in CLOUDFLARE_API_TOKEN is valid, but does not permit {what} of {name}{_at(failure)}: "
            f"give it the permissions of {_TEMPLATE}, for this account, or export another CLOUDFLARE_ACCOUNT_ID"
        )
    if "More than one account available" in text:
        accounts = ", ".join(
            f"{id_} ({title})" for title, id_ in dict.fromkeys(re.findall(r"`([^`]+)`: `([0-9a-f]{32})`", text))
        )
        return (
            f"the token in CLOUDFLARE_API_TOKEN sees several accounts, and {name} goes to one: "
            f"export CLOUDFLARE_ACCOUNT_ID, one of {accounts}"
        )
    if "Failed to automatically retrieve account IDs" in text or "belong to any accounts" in text:
        return (
            "the token in CLOUDFLARE_API_TOKEN sees no account: "
            "export CLOUDFLARE_ACCOUNT_ID, or give the token access to an account"
        )
    for known, lacks in _LACKING.items():
        if codes & known:
            return f"{what} of {name} was refused, because {lacks}: Cloudflare says “{failure.reason}”"
    if failure.path.endswith("/schedules"):
        return (
            f"the code of {name} is live, but its crons were not set: Cloudflare says “{failure.reason}”; "
            "run the same command again"
        )
    if _CERTIFICATE.search(failure.message):
        return (
            f"{what} of {name} ended at TLS: the certificate of Cloudflare's API is signed by somebody else; "
            "set DRYDOCK_CORPORATE_CA to the company's CA certificate and run the same command again"
        )
    if _server_failed(failure):
        return (
            f"Cloudflare's API, or what answered in its place, failed during {what} of {name}{_at(failure)}: “{failure.reason}”; see "
            "https://www.cloudflarestatus.com and run the same command again in a few minutes"
        )
    if _NETWORK.search(text):
        return (
            f"Cloudflare's API was not reached during {what} of {name}: the network is gone, or the proxy refuses the host; "
            "`docker compose logs proxy` says which; run the same command again"
        )
    return f"{what} of {name} failed: {failure.reason}; wrangler's whole message is above"


_LACKING = {
    frozenset(
        _NO_SUCH_KV
    ): "a KV namespace of wrangler.jsonc is not in this account (`wrangler kv namespace list` lists those that are)",
    frozenset(_NO_SUCH_D1): "a D1 database of wrangler.jsonc is not in this account (`wrangler d1 list` lists those that are)",
    frozenset(_NO_SUCH_SERVICE): "it is bound to a Worker that is not deployed; deploy that one first, or both with WORKER=all",
    frozenset(_NO_SUCH_ACCOUNT): "CLOUDFLARE_ACCOUNT_ID names no account that the token sees; copy it from the dashboard",
}


def is_unknown_worker(failure: Failure) -> bool:
    """Tell whether Cloudflare has no Worker of that name yet; wrangler puts its own words in place of the number."""
    return bool(failure.codes & _NO_SUCH_WORKER or re.match(r'Worker ".*" not found', failure.message))


def _server_failed(failure: Failure) -> bool:
    """Tell a fault of Cloudflare's servers: one that they number so, or an answer that is no JSON."""
    said = failure.message + failure.reason
    return bool(failure.codes & _SERVER_FAILED or re.search(r"malformed response|Internal (Server )?Error|\b50[0-4]\b", said))


def _at(failure: Failure) -> str:
    return f" ({failure.path})" if failure.path else ""
