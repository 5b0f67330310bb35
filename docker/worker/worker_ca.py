"""Merge the system's, the company's and drydock's own certificates into one clean PEM file that every tool is pointed at."""

import re
import ssl
from pathlib import Path

from worker_errors import WorkerError

SYSTEM_STORES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/ssl/cert.pem"))
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s+[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})
# uv, pip, requests, npm, Node, curl, git and both ages of workerd each read another one of these.
FILE_VARIABLES = (
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "npm_config_cafile",
)
# uv and workerd would read a folder beside the file, and what is asked for is that the one merged file speaks.
UNSET_VARIABLES = ("SSL_CERT_DIR",)


def parse_certificates(text: str, origin: str) -> list[str]:
    """Take the certificates out of a PEM text, without comments; `origin` names it in the error."""
    found = [re.sub(r"\s*\n\s*", "\n", match.strip()) for match in CERTIFICATE.findall(text)]
    if not found:
        raise WorkerError(
            f"{origin} is not a PEM certificate file: expected a BEGIN CERTIFICATE line, found none; "
            "convert it with: openssl x509 -inform der -in FILE -out FILE.pem"
        )
    for number, certificate in enumerate(found, 1):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificate)
        except ssl.SSLError as error:
            raise WorkerError(
                f"{origin} holds a broken certificate: number {number} of {len(found)} cannot be read ({error.reason}); "
                "export it again from where it came"
            ) from error
    return found


def as_text(data: bytes) -> str:
    """Return PEM as it is, and DER, which begins with a SEQUENCE, as PEM; whether it is a certificate shows when it is parsed."""
    return ssl.DER_cert_to_PEM_cert(data) if data[:1] == b"\x30" else data.decode("ascii", "replace")


def read_certificates(path: Path, purpose: str, command: str) -> list[str]:
    """Read one file, PEM or DER, or every certificate file of a folder; `command` mends a missing path."""
    try:
        entries = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        return [
            certificate
            for file in entries
            for certificate in parse_certificates(as_text(file.read_bytes()), f"{purpose} {file}")
        ]
    except FileNotFoundError as error:
        raise WorkerError(f"{purpose} {path} is not there: expected a PEM file or a folder of them; {command}") from error
    except OSError as error:
        raise WorkerError(f"{purpose} {path} cannot be read: {error.strerror}; {command}") from error


def system_certificates() -> list[str]:
    """Read the certificates that the image trusts already; none where it has no store."""
    for store in SYSTEM_STORES:
        if store.is_file() and (text := store.read_text("ascii", "replace")):
            return [re.sub(r"\s*\n\s*", "\n", match.strip()) for match in CERTIFICATE.findall(text)]
    return []


def write_bundle(certificates: list[str], target: Path) -> None:
    """Write each certificate once, with nothing between them: comments inside a PEM file have crashed workerd."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.new")
    staged.write_text("\n".join(dict.fromkeys(certificates)) + "\n", "ascii")
    staged.replace(target)


def merge(own: str, corporate: str, target: Path) -> dict[str, str]:
    """Make the bundle and return the variables that point at it.

    `own` and `corporate` are paths, empty where there is none. `corporate` may be a folder, which may hold nothing.
    """
    certificates = system_certificates()
    if corporate:
        certificates += read_certificates(
            Path(corporate), "The corporate CA", "set DRYDOCK_CORPORATE_CA to it, or to nothing if there is none"
        )
    if own:
        certificates += read_certificates(
            Path(own), "drydock's CA certificate", "start the proxy, which makes it, with: docker compose up -d proxy"
        )
    write_bundle(certificates, target)
    return dict.fromkeys(FILE_VARIABLES, str(target))
