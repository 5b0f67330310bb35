"""Break networks one after the other and write what doctor says of each into docs/doctor.md: python -m tests.doctor."""

import json
import re
import sys

from tests.compose import REPOSITORY
from tests.doctor.asking import Inside
from tests.doctor.inside import Outcome
from tests.doctor.scenarios import SCENARIOS, Scenario

PAGE = "docs/doctor.md"
_BEGIN, _END = "<!-- made by python -m tests.doctor -->\n", "<!-- end -->\n"
_HEAD = "| broken how | what doctor says (and what it saw) | what mends it |\n|---|---|---|\n"


def render(scenario: Scenario, outcome: Outcome) -> str:
    """Return the row of a table for one network."""
    found = next(one for one in json.loads(outcome.report)["findings"] if one["check"] == scenario.check)
    said = f"`{found['check']}` {found['what']}" + (f" ({found['evidence']})" if found["evidence"] else "")
    return f"| {scenario.how} | {_cell(said)} | {_cell(found['mend'])} |"


def _cell(text: str) -> str:
    text = re.sub(r"/tmp/drydock-doctor-[^/\s]+", "/…", text)
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write the page anew; return 1 when a network could not be broken."""
    page = REPOSITORY / PAGE
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    rows = []
    with Inside(SCENARIOS) as inside:
        for name, scenario in SCENARIOS.items():
            if scenario.severity == "ok":
                continue
            print(name, file=sys.stderr)
            rows.append(render(scenario, inside.run(name)))
    page.write_text(f"{before}{_BEGIN}{_HEAD}" + "\n".join(rows) + f"\n{_END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
