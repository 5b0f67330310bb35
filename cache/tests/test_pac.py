"""PAC: a real script in its closed process says where a connection goes; what it cannot do, and what happens when it misbehaves."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from drydock_cache import pac as module
from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.pac import Pac, usable

ONE = CorporateProxy("http", "one.example", 8080)
SCRIPT = """
const inside = ["10.0.0.0", "255.0.0.0"];
function FindProxyForURL(url, host) {
  if (isPlainHostName(host) || dnsDomainIs(host, ".corp.example")) return "DIRECT";
  if (isInNet(host, ...inside)) return "PROXY ten.example:3128";
  if (shExpMatch(url, "http://*")) return "PROXY plain.example";
  if (host === "secure.example") return "HTTPS secure-proxy.example:8443";
  if (host === "list.example") return "PROXY one.example:8080; PROXY two.example:8080 ; SOCKS s.example:1080; DIRECT";
  if (host === "here.example") return "PROXY " + myIpAddress() + ":1";
  if (host === "dns.example") return "PROXY " + dnsResolve("localhost") + ":1";
  if (host === "nowhere.example") return isResolvable("nowhere.invalid") ? "PROXY wrong.example:1" : "DIRECT";
  if (host === "socks.example") return "SOCKS s.example:1080";
  if (host === "null.example") return null;
  if (host === "throws.example") throw new Error("no idea");
  if (host === "loops.example") for (;;) {}
  if (host === "eats.example") { const all = []; for (;;) all.push(new Array(1e6).fill(1)); }
  if (host === "url.example") return "PROXY " + url.split("/").length + ".example:1";
  return "PROXY one.example:8080";
}
"""


async def no_download(_url: str, _limit: int) -> bytes:
    raise AssertionError("a file is not downloaded")


@asynccontextmanager
async def pac(place: str, download: Callable[[str, int], Awaitable[bytes]] = no_download) -> AsyncIterator[Pac]:
    script = Pac(place, download)
    try:
        yield script
    finally:
        await script.aclose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "proxy.pac"
    path.write_text(SCRIPT)
    return path


async def chosen(script: Pac, host: str, scheme: str = "https") -> list[str]:
    hops = await script.hops(scheme, host, 443 if scheme == "https" else 80)
    return [hop.url if hop else "direct" for hop in hops]


async def test_a_script_says_where_a_connection_goes(file: Path) -> None:
    """The helper functions, name look-ups, several hops in order, what is unknown left out; null is a direct connection."""
    async with pac(str(file)) as script:
        assert await chosen(script, "plain") == ["direct"]
        assert await chosen(script, "a.corp.example") == ["direct"]
        assert await chosen(script, "10.1.2.3") == ["http://ten.example:3128"]
        assert await chosen(script, "other.example", "http") == ["http://plain.example:80"]
        assert await chosen(script, "secure.example") == ["https://secure-proxy.example:8443"]
        assert await chosen(script, "list.example") == ["http://one.example:8080", "http://two.example:8080", "direct"]
        assert await chosen(script, "dns.example") == ["http://127.0.0.1:1"]
        assert await chosen(script, "nowhere.example") == ["direct"]
        assert await chosen(script, "null.example") == ["direct"]
        assert await chosen(script, "url.example") == ["http://4.example:1"]
        (own,) = await chosen(script, "here.example")
        assert socket.inet_aton(own.removeprefix("http://").removesuffix(":1"))


async def test_what_goes_wrong_in_a_script_is_said_and_the_next_question_answered(file: Path) -> None:
    """An exception, an endless loop and endless memory end in an error that names script and host, within seconds."""
    async with pac(str(file)) as script:
        for host, why in (
            ("throws.example", "failed for throws.example"),
            ("socks.example", "names only proxies"),
            ("eats.example", "eats.example|ended the process"),
            ("loops.example", "did not say within 3 seconds how to reach loops.example"),
        ):
            with pytest.raises(UpstreamError, match=why) as caught:
                await chosen(script, host)
            assert caught.value.failure is UpstreamFailure.PAC
            assert str(file) in caught.value.message
            assert await chosen(script, "list.example")
        assert await script.hops("https", "fine.example", 443) == (ONE,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<html>log in</html>", "cannot be used"),
        ("function Find(", "cannot be used"),
        ("var a = 1;", "cannot be used"),
    ],
)
async def test_what_is_no_script_is_said_so(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "bad.pac"
    path.write_text(text)
    async with pac(str(path)) as script:
        with pytest.raises(UpstreamError, match=why):
            await chosen(script, "a.example")
    async with pac(str(tmp_path / "gone.pac")) as script:
        with pytest.raises(UpstreamError, match="cannot be read: No such file"):
            await chosen(script, "a.example")


# What dukpy offers a script beside PAC's own functions: modules from files, and the environment.
@pytest.mark.parametrize(
    "attempt",
    [
        'require("secret")',
        'require("./secret.js")',
        'call_python("dukpy.load_module", "secret")',
        "process.env.HTTPS_PROXY.length",
        'call_python("os.system", "id")',
    ],
)
async def test_a_script_reaches_no_file_and_no_environment(
    tmp_path: Path, attempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is anybody's code: whatever it tries beyond PAC's functions fails."""
    (tmp_path / "secret.js").write_text("module.exports = 1;")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.example:1")
    path = tmp_path / "curious.pac"
    path.write_text(
        f'function FindProxyForURL() {{ try {{ {attempt}; }} catch (e) {{ return "PROXY kept.out:1"; }} return "DIRECT"; }}'
    )
    async with pac(str(path)) as script:
        assert await chosen(script, "a.example") == ["http://kept.out:1"]


async def test_the_process_of_a_script_can_open_nothing(file: Path) -> None:
    """Its limits, as the kernel has them: no further descriptor, no child, no file to write, little memory; no environment."""
    async with pac(str(file)) as script:
        await chosen(script, "a.example")
        assert script._process is not None
        assert script._process._process is not None
        pid = script._process._process.pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        for name in ("Max open files", "Max processes", "Max file size", "Max core file size"):
            (line,) = [line for line in limits.splitlines() if line.startswith(name)]
            assert line.removeprefix(name).split()[:2] == ["0", "0"], line
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
    assert not Path(f"/proc/{pid}").exists()


async def test_a_changed_file_is_read_again(file: Path) -> None:
    async with pac(str(file)) as script:
        assert await chosen(script, "a.example") == ["http://one.example:8080"]
        file.write_text('function FindProxyForURLEx() { return "PROXY new.example:1"; }')
        assert await chosen(script, "a.example") == ["http://new.example:1"]


async def test_an_answer_is_kept_for_a_while(file: Path) -> None:
    """The same question costs nothing the second time, even when the script would not answer it any more."""
    async with pac(str(file)) as script:
        await chosen(script, "a.example")
        assert script._process is not None
        await script._process.aclose()
        started = time.monotonic()
        assert await chosen(script, "a.example") == ["http://one.example:8080"]
        assert time.monotonic() - started < 0.05


async def test_a_url_is_fetched_once_and_its_old_script_serves_while_its_host_is_away(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched behind the back of those who ask; a host that is away at the very start is asked again after a while."""
    calls: list[str] = []
    answers: list[bytes | UpstreamError] = []

    async def download(url: str, _limit: int) -> bytes:
        calls.append(url)
        answer = answers.pop(0)
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    away = UpstreamError(UpstreamFailure.PAC, "The PAC script is away.")
    answers[:] = [away]
    url = "http://wpad.example/proxy.pac"
    async with pac(url, download) as script:
        for _ in range(3):
            with pytest.raises(UpstreamError, match="is away"):
                await chosen(script, "a.example")
        assert calls == [url]
        script._look_again_at = 0.0
        answers[:] = [file.read_bytes()]
        assert await asyncio.gather(*(chosen(script, "a.example") for _ in range(5))) == [["http://one.example:8080"]] * 5
        assert len(calls) == 2
        newer = b'function FindProxyForURL() { return "PROXY new.example:1"; }'
        for answer, expected in ((away, "one.example:8080"), (newer, "new.example:1")):
            script._look_again_at = 0.0
            answers[:] = [answer]
            await chosen(script, "a.example")
            assert script._behind is not None
            await script._behind
            assert await chosen(script, "a.example") == [f"http://{expected}"]
        assert len(calls) == 4


def test_only_what_can_be_used_is_taken() -> None:
    assert usable(["http://one.example:8080", "socks5://s:1", "DIRECT", "http://:::", "DIRECT"]) == (ONE, None)
    assert module.is_url("HTTPS://wpad.example/")
    assert not module.is_url("/etc/proxy.pac")
