"""The environment of a client: the variables by which each tool finds the proxy and believes its CA."""

import ssl
from pathlib import Path

from drydock_cache.errors import ConfigError

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

    One bundle for all: most variables replace a tool's own trust instead of adding to it.
    """
    bundle.write_text(_system_certificates() + ca.read_text(encoding="ascii"), encoding="ascii")
    variables = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), proxy)
    variables |= {"NO_PROXY": _LOOPBACK, "no_proxy": _LOOPBACK, "NODE_USE_ENV_PROXY": "1"}
    return variables | {name: str(bundle.absolute()) for name in _CA_VARIABLES}


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
