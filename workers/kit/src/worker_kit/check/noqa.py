"""Read `# noqa` comments as flake8 does, for the lines a finding spans."""

import re
from collections.abc import Sequence

_COMMENT = re.compile(r"#\s*noqa(?P<codes>\s*:\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?(?![A-Za-z0-9])", re.IGNORECASE)
_CODE = re.compile(r"[A-Z]+[0-9]+", re.IGNORECASE)


def is_silenced(code: str, lines: Sequence[str]) -> bool:
    """Tell whether one of `lines` carries a bare `# noqa`, or one that names `code` or the start of it."""
    for line in lines:
        for comment in _COMMENT.finditer(line):
            if comment["codes"] is None:
                return True
            if any(code.startswith(named.upper()) for named in _CODE.findall(comment["codes"])):
                return True
    return False
