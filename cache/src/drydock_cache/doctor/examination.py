"""The examination: every probe at once, each with its own time, and what is concluded from all of them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.corporate import Hops
from drydock_cache.doctor.accounts import ProxySeen, judge_proxy
from drydock_cache.doctor.answers import judge_answer, judge_plain
from drydock_cache.doctor.certificates import CaFiles, judge_chain, judge_files, judge_own
from drydock_cache.doctor.chains import Certificate, certificates_in
from drydock_cache.doctor.clock import judge_clock
from drydock_cache.doctor.disk import judge_disk
from drydock_cache.doctor.disk_look import look_at_disk
from drydock_cache.doctor.finding import Finding, skipped
from drydock_cache.doctor.greeting import greet
from drydock_cache.doctor.mtu import judge_handshake_size
from drydock_cache.doctor.names import NO_SUCH_NAME, judge_names
from drydock_cache.doctor.seen import Answer, HostSeen, Stage, Target, Trouble
from drydock_cache.doctor.way import NAME_SECONDS, Ways
from drydock_cache.doctor.ways_out import judge_pac, judge_way
from drydock_cache.errors import UpstreamError
from drydock_cache.mode import Mode
from drydock_cache.name_lookup import look_up
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings

type Watch = Callable[[int, int], None]

_PLAIN_HOSTS = 2


@dataclass(frozen=True)
class Subject:
    """What is examined: where upstream is, which URLs are asked for, the store, drydock's own CA certificate where it is.

    `others` returns certificates, by file, of the machine that may have what is missing; it may take its time.
    """

    settings: UpstreamSettings
    targets: Sequence[Target]
    store: Path
    own_ca: Path | None = None
    others: Callable[[], Mapping[str, Sequence[Certificate]]] = dict


def examine(subject: Subject, watch: Watch) -> list[Finding]:
    """Look at everything and conclude; takes under half a minute, whatever the network does. `watch` is told (done, all)."""
    return asyncio.run(_examine(subject, watch))


async def _examine(subject: Subject, watch: Watch) -> list[Finding]:
    disk = asyncio.create_task(asyncio.to_thread(look_at_disk, subject.store))
    trusted = {str(path): certificates_in(path) for path in subject.settings.ca_files}
    files = CaFiles(trusted, {})
    now = time.time()
    found = judge_files(files, now)
    own = certificates_in(subject.own_ca) if subject.own_ca else ()
    if subject.own_ca and (about := judge_own(own[0] if own else None, str(subject.own_ca), now)):
        found.append(about)
    if subject.settings.mode is Mode.OFFLINE:
        found.append(skipped("ways.offline", "network", "drydock is offline: nothing outside is asked."))
    elif any(not held for held in trusted.values()):
        found.append(skipped("ways.trust", "network", "Nothing outside is asked before the CA files can be read."))
    else:
        found += await _outside(subject, trusted, now, watch)
    return [*found, *judge_disk(await disk)]


async def _outside(subject: Subject, trusted: Mapping[str, Sequence[Certificate]], now: float, watch: Watch) -> list[Finding]:
    upstream = Upstream(subject.settings, subject.store)
    try:
        ways = Ways(upstream, [one for held in trusted.values() for one in held])
        nonsense = asyncio.create_task(_look_up_nonsense())
        hops = await _choose(upstream, subject.targets)
        proxies = await _greet_all(upstream, hops)
        absent = {proxy.url for proxy in proxies if proxy.trouble is not Trouble.NONE}
        seen, left_out = await _walk_all(ways, hops, absent, watch)
        plain = await _ask_plain(ways, seen)
        files = CaFiles(trusted, await asyncio.to_thread(subject.others))
        refusals = {
            address: reason
            for one in seen
            for address in one.addresses
            if (reason := subject.settings.refusal(one.target.host, address))
        }
        return [
            *(judge_proxy(proxy, seen) for proxy in proxies),
            *left_out,
            *judge_pac(subject.settings.routes.pac, hops),
            *judge_names(seen, await nonsense, refusals),
            *_judge_hosts(seen, files, now),
            *(about for host, answer in plain if (about := judge_plain(host, answer))),
            judge_clock(_dated(seen, plain, proxies)),
        ]
    finally:
        await upstream.aclose()


def _judge_hosts(seen: Sequence[HostSeen], files: CaFiles, now: float) -> list[Finding]:
    found = []
    for one in seen:
        for about in (judge_way(one), judge_handshake_size(one), judge_chain(one, files, now), judge_answer(one)):
            if about is not None:
                found.append(about)
    return found


async def _look_up_nonsense() -> list[str]:
    try:
        async with asyncio.timeout(NAME_SECONDS):
            return await look_up(NO_SUCH_NAME)
    except (UpstreamError, TimeoutError):
        return []


async def _choose(upstream: Upstream, targets: Sequence[Target]) -> dict[Target, Hops]:
    """Return the hops to each target; none where a PAC script does not say, which shows again on the way."""

    async def choose(target: Target) -> Hops:
        try:
            async with asyncio.timeout(NAME_SECONDS):
                return await upstream.hops("https", target.host, target.port)
        except (UpstreamError, TimeoutError):
            return ()

    return dict(zip(targets, await asyncio.gather(*map(choose, targets)), strict=True))


async def _greet_all(upstream: Upstream, hops: Mapping[Target, Hops]) -> list[ProxySeen]:
    first: dict[str, asyncio.Task[ProxySeen]] = {}
    for target, chosen in hops.items():
        for hop in chosen:
            if hop is not None and hop.url not in first:
                first[hop.url] = asyncio.create_task(greet(upstream.settings, hop, target))
    return [await task for task in first.values()]


async def _walk_all(
    ways: Ways, hops: Mapping[Target, Hops], absent: set[str], watch: Watch
) -> tuple[list[HostSeen], list[Finding]]:
    """Ask all targets at once, but for those behind corporate proxies that are not there."""
    left_out = [target for target, chosen in hops.items() if chosen and all(hop and hop.url in absent for hop in chosen)]
    walks = [target for target in hops if target not in left_out]
    done = 0

    async def walk(target: Target) -> HostSeen:
        nonlocal done
        seen = await ways.walk(target)
        done += 1
        watch(done, len(walks))
        return seen

    watch(0, len(walks))
    seen = await asyncio.gather(*map(walk, walks))
    why = "It is asked through a corporate proxy, which is not there."
    return list(seen), [skipped("ways.behind", target.host, why) for target in left_out]


async def _ask_plain(ways: Ways, seen: Sequence[HostSeen]) -> list[tuple[str, Answer | None]]:
    """Ask some of the hosts whose TLS did not come about without it; what has no name, or no login, has no answer either."""
    failed = [
        one for one in seen if one.stage in (Stage.CONNECT, Stage.TLS) and one.trouble not in (Trouble.NONE, Trouble.LOGIN)
    ]
    asked = [one.target.host for one in failed if one.trouble is not Trouble.FORBIDDEN][:_PLAIN_HOSTS]
    return list(zip(asked, await asyncio.gather(*map(ways.plain, asked)), strict=True))


def _dated(
    seen: Sequence[HostSeen], plain: Sequence[tuple[str, Answer | None]], proxies: Sequence[ProxySeen]
) -> list[tuple[str, Answer]]:
    dated = [(one.target.host, one.answer) for one in seen if one.answer]
    dated += [(host, answer) for host, answer in plain if answer]
    return dated or [(one.url, Answer(one.status, (("date", one.date),), at=time.time())) for one in proxies if one.date]
