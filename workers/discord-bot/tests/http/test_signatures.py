"""Who may interact: Discord alone, now, with the very bytes it signed. Everything else is a 401."""

import json
import time
from typing import Any

import pytest
from bot_bench import ed25519
from bot_bench.bench import Bench
from bot_bench.worker import SECRET
from discord_interactions import verify_key  # type: ignore[import-untyped, unused-ignore]

PING = b'{"type":1}'
OTHER = bytes(32)


def refused(response: Any) -> bool:
    return bool(response.status_code == 401 and response.json()["error"]["code"] == "unauthorized")


def test_a_signed_ping_is_answered_with_a_pong(bench: Bench) -> None:
    response = bench.interact(PING)
    assert (response.status_code, response.json()) == (200, {"type": 1})


def test_a_ping_as_discord_sends_it_is_answered(bench: Bench) -> None:
    body = {"application_id": "1", "id": "2", "token": "t", "type": 1, "version": 1, "user": {"id": "3"}, "entitlements": []}
    assert bench.interact(json.dumps(body, indent=1).encode()).json() == {"type": 1}


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "00",
        "0" * 127,
        "0" * 128,
        "0" * 129,
        "f" * 128,
        "g" * 128,
        "0x" + "0" * 126,
        "00 " * 42 + "00",
        "zz" * 64,
        "%00" * 42 + "00",
        "0" * 10_000,
    ],
)
def test_a_signature_that_is_none_is_refused(bench: Bench, signature: str | None) -> None:
    assert refused(bench.interact(PING, x_signature_ed25519=signature))


@pytest.mark.parametrize("timestamp", [None, "", "now", "-1", "1.5", "+1", "1_0", "9" * 13, "9" * 400, "0x10", "nan"])
def test_a_timestamp_that_is_none_is_refused(bench: Bench, timestamp: str | None) -> None:
    signed = {"timestamp": timestamp} if timestamp else {}
    assert refused(bench.interact(PING, **signed, x_signature_timestamp=timestamp))  # type: ignore[arg-type]


@pytest.mark.parametrize("age", [330, 3600, 10**8, -330, -(10**8)])
def test_a_true_signature_of_another_time_is_refused(bench: Bench, age: int) -> None:
    assert refused(bench.interact(PING, timestamp=str(int(time.time()) - age)))


@pytest.mark.parametrize("age", [0, 240, -240])
def test_a_signature_of_the_last_minutes_is_accepted(bench: Bench, age: int) -> None:
    assert bench.interact(PING, timestamp=str(int(time.time()) - age)).status_code == 200


def test_another_key_is_refused(bench: Bench) -> None:
    assert refused(bench.interact(PING, secret=OTHER))


def test_a_body_changed_by_one_byte_is_refused(bench: Bench) -> None:
    timestamp = str(int(time.time()))
    signature = ed25519.sign(SECRET, timestamp.encode() + PING).hex()
    assert refused(bench.interact(PING + b" ", x_signature_ed25519=signature, x_signature_timestamp=timestamp))


def test_the_timestamp_is_signed_too(bench: Bench) -> None:
    earlier = str(int(time.time()) - 10)
    assert refused(bench.interact(PING, x_signature_timestamp=earlier))


@pytest.mark.parametrize("part", [slice(0, 32), slice(32, 64)])
def test_each_half_of_the_signature_counts(bench: Bench, part: slice) -> None:
    timestamp = str(int(time.time()))
    signature = bytearray(ed25519.sign(SECRET, timestamp.encode() + PING))
    signature[part] = bytes(32)
    assert refused(bench.interact(PING, timestamp=timestamp, x_signature_ed25519=signature.hex()))


def test_a_signature_plus_the_group_order_is_no_second_signature(bench: Bench) -> None:
    """RFC 8032, section 5.1.7: S lies below L, or one message would have several signatures."""
    timestamp = str(int(time.time()))
    signature = ed25519.sign(SECRET, timestamp.encode() + PING)
    raised = (int.from_bytes(signature[32:], "little") + ed25519.L).to_bytes(32, "little")
    assert refused(bench.interact(PING, timestamp=timestamp, x_signature_ed25519=(signature[:32] + raised).hex()))


def test_upper_case_hexadecimal_is_the_same_signature(bench: Bench) -> None:
    timestamp = str(int(time.time()))
    signature = ed25519.sign(SECRET, timestamp.encode() + PING).hex().upper()
    assert bench.interact(PING, timestamp=timestamp, x_signature_ed25519=signature).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"{", b"[]", b"null", b'"1"', b"[" * 50_000, b'{"type":"1"}', b'{"type":99}']
)
def test_what_is_no_interaction_is_refused_unread_without_a_signature_and_as_a_400_with_one(bench: Bench, body: bytes) -> None:
    assert refused(bench.interact(body, secret=OTHER))
    response = bench.interact(body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid")


def test_a_token_that_would_change_the_url_is_refused(bench: Bench) -> None:
    body = {"type": 2, "application_id": "1", "token": "../../../evil?", "data": {"name": "ask"}}
    assert bench.interact(json.dumps(body).encode()).status_code == 400


def test_a_body_of_megabytes_is_refused(bench: Bench) -> None:
    assert bench.interact(b" " * 300_000).status_code == 413


@pytest.mark.parametrize("secret", [SECRET, OTHER])
@pytest.mark.parametrize("body", [PING, b'{ "type": 1, "name": "\xc3\xa9" }'])
def test_the_package_discord_interactions_is_of_the_same_mind(bench: Bench, body: bytes, secret: bytes) -> None:
    timestamp = str(int(time.time()))
    signature = ed25519.sign(secret, timestamp.encode() + body).hex()
    theirs = verify_key(body, signature, timestamp, ed25519.public_key(SECRET).hex())
    ours = bench.interact(body, x_signature_ed25519=signature, x_signature_timestamp=timestamp)
    assert (ours.status_code == 200) is theirs is (secret == SECRET)


def test_what_pynacl_signs_is_accepted(bench: Bench) -> None:
    """The library below discord-interactions signs; the Worker checks."""
    from nacl.signing import SigningKey

    timestamp = str(int(time.time()))
    signature = SigningKey(SECRET).sign(timestamp.encode() + PING).signature.hex()
    assert bench.interact(PING, timestamp=timestamp, x_signature_ed25519=signature).json() == {"type": 1}


def test_no_refusal_tells_the_public_key(bench: Bench) -> None:
    assert ed25519.public_key(SECRET).hex() not in bench.interact(PING, secret=OTHER).text
