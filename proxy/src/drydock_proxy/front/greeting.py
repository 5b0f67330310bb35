"""Reading the host name from a TLS greeting that has not been taken from its socket yet (RFC 8446 §4.1.2, RFC 6066 §3)."""

_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0


def looks_like_tls(data: bytes) -> bool:
    """Tell whether bytes may begin a TLS greeting."""
    return data[:1] == b"\x16" and (len(data) < 2 or data[1] == 3)


def server_name(data: bytes) -> str | None:
    """Return the host name that a greeting asks for, or None while its first record is not whole.

    Empty where there is no name, and for every greeting of an unusual form, such as one in several records.
    """
    if len(data) < 5:
        return None
    if data[0] != _HANDSHAKE:
        return ""
    length = int.from_bytes(data[3:5])
    if len(data) < 5 + length:
        return None
    try:
        return _of_hello(data[5 : 5 + length])
    except (IndexError, UnicodeDecodeError):
        return ""


def _of_hello(message: bytes) -> str:
    if message[0] != _CLIENT_HELLO or int.from_bytes(message[1:4]) != len(message) - 4:
        return ""
    place = 4 + 2 + 32
    place += 1 + message[place]
    place += 2 + int.from_bytes(_exactly(message, place, 2))
    place += 1 + message[place]
    end = place + 2 + int.from_bytes(_exactly(message, place, 2))
    place += 2
    if end != len(message):
        return ""
    while place < end:
        kind, length = int.from_bytes(_exactly(message, place, 2)), int.from_bytes(_exactly(message, place + 2, 2))
        content = _exactly(message, place + 4, length)
        if kind == _SERVER_NAME:
            return _of_extension(content)
        place += 4 + length
    return ""


def _of_extension(content: bytes) -> str:
    """Return the one host name of the extension; a list of several has no meaning that all agree on."""
    length = int.from_bytes(_exactly(content, 3, 2))
    if content[2] != _HOST_NAME or length != len(content) - 5 or int.from_bytes(content[:2]) != len(content) - 2:
        return ""
    return content[5:].decode("ascii")


def _exactly(data: bytes, start: int, count: int) -> bytes:
    found = data[start : start + count]
    if len(found) != count:
        raise IndexError(start)
    return found
