"""Judges what a host answered: the truth, or a portal, a block page or nothing in its place."""

import re
from urllib.parse import urlsplit

from drydock_cache.doctor.finding import Finding, fail, ok, warn
from drydock_cache.doctor.seen import Answer, HostSeen

_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,120})", re.IGNORECASE)
_PORTALS = re.compile(r"login|portal|captive|hotspot|guest|blocked", re.IGNORECASE)
_LOG_IN = "Log in to the network with a browser, then try again."


def judge_answer(seen: HostSeen) -> Finding | None:
    """Judge the response to the request for a target; None where there is none."""
    if seen.answer is None:
        return None
    answer, target = seen.answer, seen.target
    shown = f"{target.host}: {describe(answer)}"
    allow = f"Ask your network's people to allow {target.host}; the page may say how."
    if portal := portal_of(answer, target.host):
        return fail("answers.portal", target.host, "A login page of the network answers in the host's place.", portal, _LOG_IN)
    if answer.status == 407:
        return None
    if target.tunnelled and not (seen.chain.company and answer.status == 403):
        return ok("answers.true", target.host, "The host answers.", shown)
    if answer.status == 403 and _is_html(answer):
        if seen.chain.company or target.size is not None:
            return fail("answers.blocked", target.host, "A block page answers in the host's place.", shown, allow)
        return warn("answers.forbidden", target.host, "The host, or somebody in its place, refuses with a page.", shown, allow)
    if answer.status == 401:
        mend = "Put the user and the token into the mirror's address, such as UV_DEFAULT_INDEX=https://USER:TOKEN@HOST/…"
        return fail("answers.login", target.host, "The host wants a login.", shown, mend)
    if answer.status >= 500:
        mend = "Try again later; what is stored is served meanwhile."
        return warn("answers.ill", target.host, "The host, or a proxy on the way, says that it cannot answer.", shown, mend)
    if target.size is not None:
        return _judge_asset(seen, answer, shown, allow)
    if answer.status == 200:
        what = "Something answers with success for what is not there."
        if not answer.beginning and answer.header("content-length") in ("", "0"):
            return fail("answers.empty", target.host, "An empty body is sent for what is not there.", shown, allow)
        return fail("answers.anything", target.host, what, shown, f"{_LOG_IN} {allow}")
    return ok("answers.true", target.host, "The host answers.", shown)


def portal_of(answer: Answer, host: str) -> str:
    """Return what shows that a login page of the network answers for `host`, or nothing."""
    if answer.status == 511:  # RFC 6585 §6
        return f"{host}: 511 Network Authentication Required"
    leads = urlsplit(answer.header("location"))
    if (
        answer.status in (302, 303, 307)
        and leads.hostname not in (None, host)
        and (leads.scheme == "http" or _PORTALS.search(answer.header("location")))
    ):
        return f"{host}: {answer.status} leads to {leads.hostname}"
    if answer.status == 200 and re.search(rb"http-equiv=[\"']?refresh|captive|hotspot|<form", answer.beginning, re.IGNORECASE):
        return f"{host}: {describe(answer)}"
    return ""


def judge_plain(host: str, answer: Answer | None) -> Finding | None:
    """Judge the answer to plain HTTP where TLS did not work: a portal shows itself there."""
    if answer is None:
        return None
    if evidence := portal_of(answer, host) or (describe(answer) if answer.status == 200 and _is_html(answer) else ""):
        what = "A login page of the network answers in the host's place."
        return fail("answers.portal", host, what, f"http://{host}/: {evidence.removeprefix(f'{host}: ')}", _LOG_IN)
    return None


def describe(answer: Answer) -> str:
    """Say in short what came: status, kind, length or title, and who says that it was them."""
    title = _TITLE.search(answer.beginning)
    parts = [str(answer.status), answer.header("content-type").partition(";")[0]]
    parts.append(f'"{title[1].decode(errors="replace").strip()}"' if title else "")
    parts.append("empty" if answer.status == 200 and answer.header("content-length") == "0" else "")
    who = answer.header("server") or answer.header("via")
    parts.append(f"from {who[:60]}" if who else "")
    return " ".join(part for part in parts if part)


def _judge_asset(seen: HostSeen, answer: Answer, shown: str, allow: str) -> Finding:
    host, size = seen.target.host, seen.target.size
    length = answer.header("content-length")
    if answer.status in (301, 302, 303, 307, 308):  # to a place of its own, as portals were told apart before
        return ok("answers.true", host, "The host answers.", f"{shown} leads to {urlsplit(answer.header('location')).hostname}")
    if answer.status == 404:
        mend = "make lock CHECK=1 says what changed; make lock writes it anew."
        return warn(
            "answers.gone", host, "What assets.lock names is not there any more.", f"{shown} for {seen.target.url}", mend
        )
    if answer.status != 200 or _is_html(answer) or (length and length != str(size)):
        evidence = f"{shown}; {length or 'no'} bytes, expected {size}"
        return fail("answers.other", host, "Something else answers than what assets.lock names.", evidence, allow)
    return ok("answers.true", host, "The host answers with what assets.lock names.", shown)


def _is_html(answer: Answer) -> bool:
    return "html" in answer.header("content-type").lower() or answer.beginning.lstrip()[:5].lower() in (b"<html", b"<!doc")
