"""The environment of a client: the variables by which each tool finds the proxy and believes its CA."""

import os
import ssl
from pathlib import Path

from drydock_cache.errors import ConfigError
from drydock_cache.trust import read_certificates

_CA_VARIABLES = (
    "SSL_CERT_FILE",  # uv, curl, Python, Go, workerd
    "NODE_EXTRA_CA_CERTS",  # Node, npm, wrangler
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "npm_config_cafile",
)
_LOOPBACK = "localhost,127.0.0.1,::1"


def client_variables(proxy: str, ca: Path, bundle: Path) -> dict[str, str]:
    """Return the variables for a client of the proxy; writes the system's certificates and the CA into `bundle`.

    One bundle for all: most variables replace a tool's own trust instead of adding to it. Raises ConfigError when the CA
    cannot be read or the bundle not be written.
    """
    _write_bundle(ca, bundle)
    variables = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), proxy)
    variables |= {"NO_PROXY": _LOOPBACK, "no_proxy": _LOOPBACK, "NODE_USE_ENV_PROXY": "1"}
    return variables | {name: str(bundle.absolute()) for name in _CA_VARIABLES}


def _write_bundle(ca: Path, bundle: Path) -> None:
    fresh = bundle.with_name(f".{bundle.name}.{os.getpid()}")  # clients that run may read the old one at this moment
    try:
        fresh.write_text(_system_certificates() + "\n".join(read_certificates(ca)) + "\n", encoding="ascii")
        fresh.replace(bundle)
    except OSError as error:
        raise ConfigError(
            f"The merged certificates cannot be written to {bundle}: {error.strerror}.",
            "Name another place with --bundle FILE.",
        ) from None


def _system_certificates() -> str:
    context = ssl.create_default_context()
    certificates = context.get_ca_certs(binary_form=True)
    if not certificates:  # a folder of hashed files is read lazily
        folder = ssl.get_default_verify_paths().capath
        paths = sorted(Path(folder).glob("*.pem")) if folder else []
        for path in paths:
            context.load_verify_locations(cafile=path)
        certificates = context.get_ca_certs(binary_form=True)
    if not certificates:
        raise ConfigError("This system has no CA certificates.", "Install them (on Debian: apt-get install ca-certificates).")
    return "".join(ssl.DER_cert_to_PEM_cert(certificate) for certificate in certificates)
