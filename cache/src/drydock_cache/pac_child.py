"""The process that runs a PAC script: it reads questions from standard input, and can open no file and no connection.

A script comes from the network, so it is anybody's code. It gets a process without environment, without further file descriptors,
without children and with little memory; names are looked up by who started it, who also ends it when it takes too long.
"""

import contextlib
import json
import resource
import socket
import sys
from typing import Any

_MEMORY = 512 << 20


def main() -> None:
    """Load the script of the first line, then answer a question a line, until the end of standard input."""
    import dukpy
    from pypac import parser

    interpreter = dukpy.JSInterpreter()  # while its own files can still be read
    dukpy.JSInterpreter = lambda: interpreter
    for name, function in _NAMES.items():
        setattr(socket, name, function)
    _warm_up(parser, interpreter)
    _close_in()
    question = _read()
    try:
        script = parser.PACFile(question["script"])
    except Exception as error:  # noqa: BLE001 - whatever a script does is its own failure
        _write({"error": str(error)})
        return
    _write({"loaded": True})
    while (question := _read()) is not None:
        try:
            found = script.find_proxy_for_url(question["url"], question["host"])
            _write({"hops": parser.parse_pac_value(found) if isinstance(found, str) and found.strip() else ["DIRECT"]})
        except Exception as error:  # noqa: BLE001 - as above
            _write({"error": str(error)})


def _warm_up(parser: Any, interpreter: Any) -> None:
    """Use everything that is imported at its first use: afterwards no file can be opened."""
    from pypac.parser_functions import dateRange, isInNet, shExpMatch

    isInNet("10.0.0.1", "10.0.0.0", "255.0.0.0")
    shExpMatch("a", "*")
    dateRange("JAN", 2000, "FEB", 2000)
    parser.parse_pac_value("PROXY a:1; DIRECT")
    with contextlib.suppress(Exception):
        interpreter.evaljs("throw new Error('é')")


def _close_in() -> None:
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of address space
            resource.setrlimit(limit, (value, value))


def _read() -> Any:
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def _write(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _addresses(name: str) -> list[str]:
    _write({"look_up": name})
    answer = _read()
    found: list[str] = answer["addresses"] if answer else []
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return found


def _by_name(name: str) -> str:
    ipv4 = [address for address in _addresses(name) if ":" not in address]
    if not ipv4:
        raise socket.gaierror(socket.EAI_NONAME, "no IPv4 address")
    return ipv4[0]


def _all_by_name(name: str) -> tuple[str, list[str], list[str]]:
    return name, [], [address for address in _addresses(name) if ":" not in address]


def _address_info(name: str | None, *_rest: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    return [
        (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 0))
        for address in _addresses(name or "")
    ]


# An empty name is this machine's.
_NAMES = {
    "gethostname": lambda: "",
    "gethostbyname": _by_name,
    "gethostbyname_ex": _all_by_name,
    "getaddrinfo": _address_info,
}

if __name__ == "__main__":
    main()
