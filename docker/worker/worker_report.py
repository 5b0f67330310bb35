"""Print what an upload would hold: size, modules by package, bindings, crons and secrets by name."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from worker_checks import Configuration, Declared
from worker_form import Form, Module

VENDORED = "python_modules/"
OWN, OTHERS = "the Worker's own", "of no distribution"
_RECORD = re.compile(rf"{VENDORED}([\w.]+)-([\w.+!]+)\.dist-info/RECORD")


def describe(form: Form, configuration: Configuration, declared: Declared, size: str, given: Sequence[str]) -> list[str]:
    """Return the lines of the report; `size` is wrangler's own, `given` the secrets that would come along."""
    metadata = form.metadata
    lines = [
        f"{configuration.name}, as it goes to Cloudflare",
        _line("main module", metadata.get("main_module", "")),
        _line("compatibility", ", ".join([metadata.get("compatibility_date", ""), *metadata.get("compatibility_flags", ())])),
        _line("size", size),
        _line("modules", str(len(form.modules))),
        *(f"    {line}" for line in _packages(form.modules)),
        _line("bindings", "" if form.bindings else "none"),
    ]
    lines += [f"    {binding['name']:<24} {binding['type']:<14} {_target(binding)}".rstrip() for binding in form.bindings]
    lines.append(_line("crons (UTC)", "; ".join(configuration.crons) or "none"))
    lines.append(_line("secrets", "" if declared.secrets else "none declared"))
    for name in declared.secrets:
        how = "comes along" if name in given else "required" if name in declared.required_secrets else "optional"
        lines.append(f"    {name:<24} {how}")
    return lines


def _line(title: str, text: str) -> str:
    return f"  {title:<14} {text}".rstrip()


def _target(binding: Mapping[str, Any]) -> str:
    """Say what a binding leads to. A secret that comes along has a value too, which is never shown."""
    if binding["type"] == "plain_text":
        return repr(binding["text"])
    return next((str(binding[key]) for key in ("namespace_id", "id", "service", "bucket_name") if key in binding), "")


def _packages(modules: Iterable[Module]) -> list[str]:
    """Sum modules up: the Worker's own, then each vendored distribution, then what no distribution lists."""
    owners = _owners(modules)
    sums: dict[str, list[int]] = defaultdict(list)
    for module in modules:
        sums[owners.get(module.name, OTHERS) if module.name.startswith(VENDORED) else OWN].append(module.size)
    order = {OWN: 0, OTHERS: 2}
    width = max(map(len, sums))
    return [
        f"{package:<{width}} {len(sizes):>5} {sum(sizes) / 1024:>10.1f} KiB"
        for package, sizes in sorted(sums.items(), key=lambda entry: (order.get(entry[0], 1), entry[0]))
    ]


def _owners(modules: Iterable[Module]) -> dict[str, str]:
    """Map each vendored file to its distribution and version, as the distributions' own records list them."""
    owners = {}
    for module in modules:
        if matched := _RECORD.fullmatch(module.name):
            distribution = " ".join(matched.groups())
            for file, *_ in csv.reader(module.content.decode().splitlines()):
                owners[VENDORED + file] = distribution
    return owners
