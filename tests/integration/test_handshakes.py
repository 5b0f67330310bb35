"""Each client, by itself, holds the CA to the policy's hosts; whoever stole an intermediate's key can speak for no other."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.handshaking import CLIENTS, Shown, missing


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_accepts_hosts_of_the_policy_and_refuses_what_else_a_thief_could_sign(name: str) -> None:
    """F39: through root and intermediate it accepts a host of the policy, and no other, and no leaf that has expired."""
    if lacking := missing(name):
        pytest.skip(f"{lacking} is not installed; the test image brings it")
    client = CLIENTS[name]
    with ThreadPoolExecutor(len(Shown)) as pool:
        inside, outside, expired = pool.map(client.ask, Shown)
    print(f"{name} {client.version()}: {outside.reason!r}, {expired.reason!r}")
    assert inside.accepted, inside.said
    assert not outside.accepted
    assert not expired.accepted
    # it is the certificate that it minds, and nothing else
    assert outside.reason, outside.said
    assert expired.reason, expired.said
