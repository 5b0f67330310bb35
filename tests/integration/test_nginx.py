"""Against real nginx: assets, validation, and what it is really asked for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, header
from tests.upstream.nginx import Nginx
from tests.upstream.pki import Authority

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed; the test image brings it")


def test_an_asset_is_asked_for_once_and_a_page_is_validated(
    start_nginx: Callable[..., Nginx],
    start_proxy: Callable[..., RunningProxy],
    authority: Authority,
    authority_file: Path,
    tmp_path: Path,
) -> None:
    """GET, HEAD and Range of an asset cost one plain request; a page that must be validated costs a 304."""
    root = tmp_path / "root"
    root.mkdir()
    body = bytes(range(256)) * 10_000
    (root / "file.whl").write_bytes(body)
    (root / "page").write_bytes(b"page")
    nginx = start_nginx(root, authority=authority, server='add_header Cache-Control "no-cache";')
    policy = 'pin = ["assets.example/file.whl"]\nrevalidate = ["assets.example"]\n'
    proxy = start_proxy(policy, resolve=nginx.resolve, upstream_ca=authority_file)
    for way in Way:
        assert ask(proxy, way, "https://assets.example/file.whl", "--range", "1000-1999").body == body[1000:2000]
        head = ask(proxy, way, "https://assets.example/file.whl", "--head")
        assert header(head, "Content-Length") == str(len(body))
        assert ask(proxy, way, "https://assets.example/file.whl").body == body
        assert ask(proxy, way, "https://assets.example/page").body == b"page"
    first, second, third = nginx.seen()
    assert first == f"GET assets.example/file.whl 200 {len(body)} range=- if-none-match=-"
    assert second == "GET assets.example/page 200 4 range=- if-none-match=-"
    assert third.startswith("GET assets.example/page 304 0 range=- if-none-match=")
    assert not third.endswith("=-")
