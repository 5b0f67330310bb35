"""The report of `drydock doctor` and its JSON (docs/doctor.md), with every secret taken out of it."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from drydock_cache.doctor.finding import Finding, Place, Severity, together
from drydock_cache.errors import ConfigError, mask_credentials

SCHEMA = 1
_MASK = "***"
_BLANKS = re.compile(r"[\s,]+")
_SECRET_NAMES = re.compile(r"TOKEN|PASSWORD|SECRET|API_KEY", re.IGNORECASE)
_FEWEST = 4  # letters; masking shorter ones would make riddles of sentences


@dataclass(frozen=True)
class Report:
    """Findings, the worst first, and when they were made (RFC 3339, UTC)."""

    findings: tuple[Finding, ...]
    at: str = ""

    @classmethod
    def of(cls, findings: Iterable[Finding], at: str, secrets: Iterable[str] = ()) -> "Report":
        """Put findings together and take credentials in URLs, queries and the given secrets out of every text."""
        hidden = sorted({secret for secret in secrets if len(secret) >= _FEWEST}, key=len, reverse=True)

        def hide(text: str) -> str:
            for secret in hidden:
                text = text.replace(secret, _MASK)
            return text

        def clean(text: str) -> str:
            return mask_credentials(hide(text))

        return cls(
            tuple(
                replace(
                    found,
                    subjects=tuple(map(clean, found.subjects)),
                    what=clean(found.what),
                    evidence=clean(found.evidence),
                    mend=hide(found.mend),  # where http://USER:PASSWORD@HOST is what to write
                )
                for found in together(findings)
            ),
            at,
        )

    @property
    def status(self) -> int:
        """The exit status: 1 when anything fails or may fail, else 0."""
        return int(any(found.severity in (Severity.FAIL, Severity.WARN) for found in self.findings))

    def count(self, severity: Severity) -> int:
        """Count the findings of a severity."""
        return sum(found.severity is severity for found in self.findings)

    def to_json(self) -> str:
        """Write the report as JSON."""
        document = {
            "schema": SCHEMA,
            "at": self.at,
            "status": self.status,
            "counts": {str(severity): self.count(severity) for severity in Severity},
            "findings": [
                {
                    "check": found.check,
                    "severity": str(found.severity),
                    "place": str(found.place),
                    "subjects": list(found.subjects),
                    "what": found.what,
                    "evidence": found.evidence,
                    "mend": found.mend,
                }
                for found in self.findings
            ],
        }
        return json.dumps(document, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what to_json wrote; raise ConfigError for anything else."""
        try:
            document: dict[str, Any] = json.loads(text)
            if document["schema"] != SCHEMA:
                raise ConfigError(f"The report has schema {document['schema']}, and {SCHEMA} was expected.")
            found = [
                Finding(
                    one["check"],
                    Severity(one["severity"]),
                    tuple(one["subjects"]),
                    one["what"],
                    one["evidence"],
                    one["mend"],
                    Place(one["place"]),
                )
                for one in document["findings"]
            ]
            return cls(tuple(found), document["at"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"What should be a report of drydock doctor is none: {error!r}.") from None


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """List what an environment holds that no report may show: passwords in addresses, in every spelling, and tokens."""
    found = []
    for name, value in environment.items():
        if _SECRET_NAMES.search(name) and "/" not in value:  # a path names a file, and is none
            found.append(value)
        for word in _BLANKS.split(value):
            user, _, password = word.rpartition("@")[0].rpartition("://")[2].partition(":")
            if password:
                plain = unquote(password)
                pair = b64encode(f"{unquote(user)}:{plain}".encode()).decode()
                found += [password, plain, quote(plain, safe=""), pair]
    return found
