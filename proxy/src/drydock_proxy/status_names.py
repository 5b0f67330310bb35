"""Says which names the status port answers to: it stands on developers' own machines, beside browsers that show strangers' pages."""

import ipaddress
from collections.abc import Iterable

_LOCAL = ".localhost"  # RFC 6761 §6.3: it leads nowhere else


def is_answered(host: str, names: Iterable[str] = ()) -> bool:
    """Tell whether a request with this Host header is answered: an address, a name without a dot as containers have, or one of `names`.

    A name that a stranger owns may be made to lead here (DNS rebinding), and a browser would then let the stranger's page read.
    """
    name = host.rpartition(":")[0] if host.count(":") == 1 or "]:" in host else host
    name = name.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        name = name.lower().removesuffix(".")
        return bool(name) and ("." not in name or name.endswith(_LOCAL) or name in (each.lower() for each in names))
    return True
