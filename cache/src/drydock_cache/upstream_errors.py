"""What goes wrong on the way to upstream, said in our own words: httpx's exceptions become UpstreamError."""

import contextlib
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpcore
import httpx

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.proxy_account import login_remedy, named, said_of_login


class UntrustedError(UpstreamError):
    """A host's certificate was not believed: it is signed by somebody who is not trusted, or for another name."""

    def signed_by(self, issuer: str) -> "UntrustedError":
        """Return the same error with the name of who signed; an empty name adds nothing."""
        said = f"{self.message} Its certificate is signed by {issuer}." if issuer else self.message
        return UntrustedError(self.failure, said, self.remedy)


_TRUST_REMEDY = "If your company re-signs TLS, give its CA certificate to drydock with DRYDOCK_CORPORATE_CA=FILE."

# What docker/auth answers where it reached no proxy of the company's.
_AUTHENTICATOR_ALONE = "521"
# What it answers where it has no ticket of Kerberos that is taken; the reason phrase is why, a tab, and what mends it.
_AUTHENTICATOR_WITHOUT_TICKET = "522"


@contextlib.contextmanager
def translate(url: str, proxy: CorporateProxy | None) -> Iterator[None]:
    """Turn every exception of the HTTP client that is raised inside into an UpstreamError that names host and cause."""
    try:
        yield
    except (httpx.ProxyError, httpcore.ProxyError) as error:
        raise _proxy_error(url, proxy, str(error)) from error
    except (httpx.TimeoutException, httpcore.TimeoutException) as error:
        whom = f"The corporate proxy {proxy.url}" if proxy else f"The upstream {_host(url)}"
        raise UpstreamError(
            UpstreamFailure.TIMEOUT,
            f"{whom} did not answer in time ({type(error).__name__}).",
            "Check the network, then try again.",
        ) from error
    except (httpx.ConnectError, httpcore.ConnectError) as error:
        raise _connect_error(url, proxy, error) from error
    except (httpx.RemoteProtocolError, httpcore.RemoteProtocolError) as error:
        if "location header" in str(error):  # quoting it would show what may be a signature
            raise UpstreamError(UpstreamFailure.REDIRECTS, f"{_host(url)} redirects to something that is no URL.") from None
        short = "without sending complete" in str(error) or "closed connection" in str(error) or "disconnected" in str(error)
        failure = UpstreamFailure.TRUNCATED if short else UpstreamFailure.PROTOCOL
        raise UpstreamError(failure, f"The upstream {_host(url)} broke HTTP: {error}.", "Try again.") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise UpstreamError(UpstreamFailure.PROTOCOL, f"{_host(url)} cannot be asked like that: {error}.") from error
    except (httpx.TransportError, httpcore.NetworkError) as error:
        raise UpstreamError(
            UpstreamFailure.TRUNCATED, f"The connection to {_host(url)} broke: {error or type(error).__name__}.", "Try again."
        ) from error


def _connect_error(url: str, proxy: CorporateProxy | None, error: Exception) -> UpstreamError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            detail = getattr(cause, "verify_message", "") or cause.reason or str(cause)
            kind, remedy = (UntrustedError, _TRUST_REMEDY) if "verif" in str(cause).lower() else (UpstreamError, "")
            return kind(UpstreamFailure.TLS, f"TLS with {_host(url)} failed: {detail}.", remedy)
        cause = cause.__cause__ or cause.__context__
    whom = f"The corporate proxy {proxy.url}" if proxy else f"The upstream {_host(url)}"
    return UpstreamError(
        UpstreamFailure.UNREACHABLE,
        f"{whom} cannot be reached: {error}.",
        "Check HTTPS_PROXY and NO_PROXY." if proxy else "Check the network; behind a corporate proxy, set HTTPS_PROXY.",
    )


def _proxy_error(url: str, proxy: CorporateProxy | None, answer: str) -> UpstreamError:
    where = named(proxy, proxy.url) if proxy else f"The corporate proxy {_host(url)}"
    if answer.startswith(("407", "401")):  # tinyproxy says 401 of a wrong password
        known = proxy is not None and (proxy.authorization or proxy.authenticator)
        given = "a user and password were given" if known else "no user and password were given"
        return UpstreamError(
            UpstreamFailure.PROXY_AUTH,
            f"{where} answered {said_of_login(answer[:3])} for {_host(url)}; {given}.",
            login_remedy(proxy),
        )
    if proxy is not None and proxy.authenticator and answer.startswith(_AUTHENTICATOR_ALONE):
        return UpstreamError(
            UpstreamFailure.UNREACHABLE,
            f"{where} cannot be reached.",
            "Check HTTPS_PROXY, or the PAC script, which name the company's proxy.",
        )
    if proxy is not None and proxy.authenticator and (error := without_ticket(answer)):
        return error
    return UpstreamError(
        UpstreamFailure.PROXY_REFUSED,
        f"{where} refused a connection to {_host(url)}: {answer}.",
        f"Ask for {_host(url)} to be allowed, or list it in NO_PROXY when it is reachable directly.",
    )


def without_ticket(answer: str) -> UpstreamError | None:
    """Return what corporate-auth says where Kerberos logs it in nowhere; `answer` is the status with its reason phrase."""
    status, _, phrase = answer.partition(" ")
    if status != _AUTHENTICATOR_WITHOUT_TICKET:
        return None
    said, _, remedy = phrase.partition("\t")
    reason = f"corporate-auth cannot log in at the company's proxy: {said.removesuffix('.')}."
    return UpstreamError(UpstreamFailure.PROXY_AUTH, reason, remedy)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
