"""Several cookies in one response, the one that matters most last."""

from collections.abc import Iterable
from typing import Literal

from starlette.responses import Response

__all__ = ["clear"]


def clear(
    response: Response,
    names: Iterable[str],
    *,
    critical: str,
    path: str = "/",
    secure: bool = True,
    samesite: Literal["lax", "strict", "none"] = "lax",
) -> None:
    """Tell the client to forget `names` and `critical`.

    The pinned runtime sends every Set-Cookie header. An older one, or a proxy that folds headers into a mapping, keeps the last
    alone, so `critical` (the cookie that authenticates) is always written last.
    """
    for name in [*(name for name in names if name != critical), critical]:
        response.delete_cookie(name, path=path, secure=secure, httponly=True, samesite=samesite)
