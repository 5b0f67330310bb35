"""mitmproxy's core and the one of its own addons that drydock runs, imported without the others.

`mitmproxy.addons`, which the core imports, imports every addon there is, a web framework and an LDAP client among them: a third
of the time until the proxy is ready, and a seventh of its memory. A package in its place that only knows its folder gives the
module that is asked for.
"""

import sys
from pathlib import Path
from types import ModuleType

import mitmproxy

if "mitmproxy.addons" not in sys.modules:
    _package = ModuleType("mitmproxy.addons")
    _package.__path__ = [str(Path(folder) / "addons") for folder in mitmproxy.__path__]
    sys.modules["mitmproxy.addons"] = _package

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master

__all__ = ["Master", "Proxyserver"]
