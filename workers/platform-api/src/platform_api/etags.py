"""Entity tags (RFC 9110 §8.8.3): whether the caller already has what would be sent."""

import hashlib
import re

# An entity tag within If-None-Match: weak or not, with no quote inside.
TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(body: bytes) -> str:
    """Name a body by its digest."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Tell whether `if_none_match` names `etag`, by the weak comparison that RFC 9110 §13.1.2 asks for."""
    return if_none_match.strip() == "*" or etag in TAG.findall(if_none_match)
