"""Answering names: the sealed network's DNS, where every name that the policy allows leads to the proxy itself.

workerd and a Worker's own fetch know no proxy; they resolve a name and connect to port 443. Other names do not exist here, and
the journal says which line of the policy would change that.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address

from drydock_cache.policy import Policy
from mitmproxy import dns
from mitmproxy.connection import Client
from mitmproxy.net.dns import classes, op_codes, response_codes, types

from drydock_proxy.journal import log_access
from drydock_proxy.refusing import Seldom
from drydock_proxy.tally import Tally

_TTL_SECONDS = 30
# mitmproxy keeps each question until its connection ends: 100 MiB for all 65,536 numbers that one can have.
_MOST_ASKED = 1000


class AnswerNames:
    """Answers A questions with the proxy's address on the sealed network, and never asks another resolver."""

    def __init__(self, policy: Policy, address: str, tally: Tally, forget: Callable[[str], None]) -> None:
        self._policy = policy
        self._address = IPv4Address(address)
        self._tally = tally
        self._forget = forget
        self._asked: Counter[str] = Counter()  # by the id of the connection, or of the UDP port that asks
        self._seldom = Seldom()

    def dns_request(self, flow: dns.DNSFlow) -> None:
        """Answer a question: our address, no record of that type, or no such name."""
        # a flow may hold the answer to an earlier question; it must not be sent should anything below fail
        flow.response = flow.request.fail(response_codes.SERVFAIL)
        question = flow.request.question
        if flow.request.op_code != op_codes.QUERY or question is None or question.class_ != classes.IN:
            flow.response = flow.request.fail(response_codes.NOTIMP)
        elif not self._policy.resolves(question.name):
            self._refused(question.name)
            flow.response = flow.request.fail(response_codes.NXDOMAIN)
        elif question.type == types.A:
            record = dns.ResourceRecord.A(question.name, self._address, ttl=_TTL_SECONDS)
            flow.response = flow.request.succeed([record])
        else:
            flow.response = flow.request.succeed([])

    def client_disconnected(self, client: Client) -> None:
        """Forget a connection."""
        self._asked.pop(client.id, None)

    def dns_response(self, flow: dns.DNSFlow) -> None:
        """Send no answer to an answer, which could go to and fro between two servers for ever."""
        if not flow.request.query:
            flow.response = None
        client = flow.client_conn.id
        self._asked[client] += 1
        if self._asked[client] == _MOST_ASKED:
            del self._asked[client]
            asyncio.get_running_loop().call_soon(self._forget, client)  # once the answer is on its way

    def _refused(self, name: str) -> None:
        """Write a line, but not for each of a resolver's retries."""
        self._tally.names_refused += 1
        if self._seldom.due(name):
            decision = self._policy.host(name)
            log_access("dns", host=name, outcome="refused", reason=decision.reason, mend=decision.mend)
