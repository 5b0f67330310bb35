"""The probe of a Worker's container with real clients behind a real proxy: who is set up wrongly is named, and nobody else."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from drydock_cache.client_environment import client_variables
from drydock_cache.doctor.finding import Severity
from drydock_cache.doctor.worker import judge_worker

from tests.compose import REPOSITORY
from tests.integration.running import RunningProxy, plain_environment
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

PROBE = REPOSITORY / "docker" / "worker" / "worker_probe.py"
URL = "https://assets.example/nothing/"
INDEXES = {"PIP_INDEX_URL": URL, "UV_DEFAULT_INDEX": URL, "NPM_CONFIG_REGISTRY": URL}
# workerd, which knows no proxies, is asked in the stack (tests/e2e/test_corporate.py): names lead it to the proxy there
CLIENTS = ("curl", "python", "uv", "pip", "npm", "node", "git")


OTHER_CA = "other.pem"


@pytest.mark.parametrize(
    ("wrong", "failed"),
    [
        (
            {
                "CURL_CA_BUNDLE": OTHER_CA,
                "PIP_PROXY": "http://127.0.0.1:1",
                "npm_config_cafile": OTHER_CA,
                "NODE_USE_ENV_PROXY": "",
            },
            {
                "curl": "CURL_CA_BUNDLE",
                "pip": "did not reach the proxy",
                "npm": "npm_config_cafile",
                "node": "found no address",
            },
        ),
        (
            {"SSL_CERT_FILE": OTHER_CA, "NODE_EXTRA_CA_CERTS": OTHER_CA, "GIT_SSL_CAINFO": OTHER_CA},
            {"python": "SSL_CERT_FILE", "uv": "SSL_CERT_FILE", "node": "NODE_EXTRA_CA_CERTS", "git": "GIT_SSL_CAINFO"},
        ),
    ],
    ids=["some", "others"],
)
def test_the_clients_that_are_set_up_wrongly_are_named_and_no_others(
    start_upstream: Callable[..., Upstream],
    start_proxy: Callable[..., RunningProxy],
    authority_file: Path,
    tmp_path: Path,
    wrong: Mapping[str, str],
    failed: Mapping[str, str],
) -> None:
    """Another CA or proxy in a variable that one tool alone reads, or Node's own, without which it looks at no proxy, taken away."""
    upstream = start_upstream("assets.example")
    proxy = start_proxy('pin = ["assets.example"]\n', upstream_ca=authority_file, resolve=upstream.resolve)
    Authority.create("Another root").write(tmp_path / OTHER_CA)
    environment = plain_environment(tmp_path) | client_variables(proxy.proxy_url, proxy.ca, tmp_path / "bundle.pem") | INDEXES
    environment |= {**wrong, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}  # git must look for no repository around
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"  # which has pip
    done = subprocess.run(
        [python, PROBE, URL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    found = {one.subjects[0]: one for one in judge_worker(done.stdout) if one.check.startswith("clients.")}
    assert {name: one.severity for name, one in found.items() if name != "workerd"} == {
        name: Severity.FAIL if name in failed else Severity.OK for name in CLIENTS
    }, done.stdout
    for name, said in failed.items():
        assert said in found[name].what
        assert found[name].evidence
        assert found[name].mend
