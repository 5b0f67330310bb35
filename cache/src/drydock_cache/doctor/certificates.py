"""Judges certificate chains: who signed, which certificate is missing, and which file or setting would mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import gmtime, strftime

from drydock_cache.doctor.chains import Certificate, holders
from drydock_cache.doctor.finding import Finding, fail, ok, warn
from drydock_cache.doctor.seen import HostSeen, Trouble

# OpenSSL's codes (x509_vfy.h)
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_SIGNER = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})
_SOON = 30 * 86400.0
ASK = "Ask your company's people for its CA certificate as a PEM file, then: export DRYDOCK_CORPORATE_CA=/path/of/it.pem"


@dataclass(frozen=True)
class CaFiles:
    """Files of CA certificates: those that are trusted already, and others of the machine that may have what is missing."""

    trusted: Mapping[str, Sequence[Certificate]]
    others: Mapping[str, Sequence[Certificate]]


def judge_chain(seen: HostSeen, files: CaFiles, now: float) -> Finding | None:
    """Judge what a host showed; `now` in epoch seconds is the local clock."""
    host, chain = seen.target.host, seen.chain
    if not chain.shown:
        if seen.trouble is not Trouble.UNTRUSTED:
            return None
        return fail("certificates.unseen", host, "The certificate is not trusted, and could not be seen.", seen.said, ASK)
    top, leaf = chain.top, chain.shown[0]
    if seen.trouble is not Trouble.UNTRUSTED:
        by = f'the company\'s CA "{top.subject}" signs it anew' if chain.company else f'"{top.subject}" vouches for it'
        return ok("certificates.trusted", host, "The certificate is trusted.", f"{host}: {by}")
    if chain.code in _OTHER_NAME:
        what = "What answers shows a certificate for another host: a portal, a block page, or a wrong address."
        mend = "Log in to the network with a browser; or correct DNS, DRYDOCK_RESOLVE or HTTPS_PROXY."
        return fail("certificates.other-name", host, what, f"{host}: shown is {_of(leaf)}", mend)
    if chain.code in (_NOT_YET_VALID, _EXPIRED):
        return _judge_times(seen, now)
    if chain.code in _UNKNOWN_SIGNER:
        return _judge_signer(host, leaf, top, files)
    return fail("certificates.wrong", host, "The certificate is wrong.", f"{seen.said} Shown is {_of(leaf)}", ASK)


def judge_files(files: CaFiles, now: float) -> list[Finding]:
    """Judge the company's own files: they must hold certificates, and these must be valid."""
    found = []
    for name, held in files.trusted.items():
        outdated = [one for one in held if not one.begins <= now <= one.ends]
        if not held:
            found.append(fail("certificates.file", name, "The CA file has no certificate that can be read.", name, ASK))
        elif outdated:
            what = "A certificate in the CA file is not valid at this time."
            evidence = f"{_of(outdated[0])}, valid from {_day(outdated[0].begins)} to {_day(outdated[0].ends)}"
            found.append(warn("certificates.file", name, what, evidence, ASK))
        else:
            found.append(
                ok("certificates.file", name, "The CA file is in use.", ", ".join(f'"{one.subject}"' for one in held[:5]))
            )
    return found


def judge_own(ca: Certificate | None, path: str, now: float) -> Finding | None:
    """Judge drydock's own CA certificate by its time."""
    if ca is None:
        return None
    if now > ca.ends:
        mend = "docker compose restart proxy, then the Workers, which read it when they start: docker compose restart"
        return fail("certificates.own", path, "drydock's own CA certificate is over.", f"since {_day(ca.ends)}", mend)
    if ca.ends - now < _SOON:
        mend = "docker compose restart proxy && docker compose restart"
        return warn("certificates.own", path, "drydock's own CA certificate is soon over.", f"on {_day(ca.ends)}", mend)
    return ok("certificates.own", path, "drydock's own CA certificate is valid.", f"until {_day(ca.ends)}")


def _judge_signer(host: str, leaf: Certificate, top: Certificate, files: CaFiles) -> Finding:
    missing = f'"{top.issuer}"'
    evidence = f"{host}: {_of(leaf)}; the certificate of {missing} is missing"
    given = [name for name, held in files.trusted.items() if held]
    if given:
        held = ", ".join(dict.fromkeys(f'"{one.subject}"' for name in given for one in files.trusted[name]))
        evidence += f"; {', '.join(given)} has {held}"
    mend = ASK
    if places := holders(top, dict(files.others)):
        mend = f"It lies on this machine: export DRYDOCK_CORPORATE_CA={places[0]}"
    if given:
        what = f"TLS is signed by {missing}, whose certificate is not in the CA file that was given."
        return fail("certificates.other-ca", host, what, evidence, mend)
    what = f"TLS is signed by {missing}, whom nobody here trusts: the CA of a company, as a rule."
    return fail("certificates.unknown-ca", host, what, evidence, mend)


def _judge_times(seen: HostSeen, now: float) -> Finding:
    host = seen.target.host
    late = [one for one in seen.chain.shown if now > one.ends]
    early = [one for one in seen.chain.shown if now < one.begins]
    one = (early or late or seen.chain.shown)[0]
    evidence = f"{host}: {_of(one)}, valid from {_day(one.begins)} to {_day(one.ends)}; the clock here says {_day(now)}"
    check, what = ("certificates.early", "not valid yet") if early else ("certificates.late", "over")
    mend = "Set the clock: sudo timedatectl set-ntp true; if it is right, the host's people must renew the certificate."
    return fail(check, host, f"A certificate is {what}, by the clock of this machine.", evidence, mend)


def _of(certificate: Certificate) -> str:
    return f'"{certificate.subject}", signed by "{certificate.issuer}"'


def _day(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M UTC", gmtime(seconds))
