"""Sizes as people write them: 700M, 4.7G, 2T, in steps of 1024."""

import re

from drydock_cache.errors import ConfigError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_STEPS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str, option: str) -> int:
    """Return a size in bytes; raise ConfigError, which names the option, for what is none."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{option} {text!r} is no size.", f"Write it as a number with K, M, G or T: {option} 10G")
    return int(float(match[1]) * _STEPS[match[2].upper()])
