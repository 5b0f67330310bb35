"""The one certificate bundle that every tool in a worker container is pointed at."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import worker_ca
from worker_errors import WorkerError


@pytest.fixture(autouse=True)
def system_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    store = tmp_path / "system.pem"
    monkeypatch.setattr(worker_ca, "SYSTEM_STORES", (store,))
    return store


def names(bundle: Path) -> set[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    subjects: list[Any] = [certificate["subject"] for certificate in context.get_ca_certs()]
    return {value for subject in subjects for ((_, value),) in subject}


def test_the_bundle_holds_all_three_and_every_variable_points_at_it(
    tmp_path: Path, certificates: dict[str, str], system_store: Path
) -> None:
    (tmp_path / "own.pem").write_text(certificates["own"])
    (tmp_path / "corporate.pem").write_text(certificates["corporate"])
    system_store.write_text(certificates["own"])
    variables = worker_ca.merge(str(tmp_path / "own.pem"), str(tmp_path / "corporate.pem"), tmp_path / "run/ca-bundle.pem")
    assert names(tmp_path / "run/ca-bundle.pem") == {"own", "corporate"}
    assert {"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "npm_config_cafile"} <= variables.keys()
    assert set(variables.values()) == {str(tmp_path / "run/ca-bundle.pem")}


def test_comments_and_doubles_do_not_reach_the_bundle(tmp_path: Path, certificates: dict[str, str]) -> None:
    own = tmp_path / "own.pem"
    own.write_bytes(f"# Prüfstelle\n{certificates['own']}\nsubject=CN = own\r\n{certificates['own']}".encode("latin-1"))
    worker_ca.merge(str(own), "", tmp_path / "bundle.pem")
    text = (tmp_path / "bundle.pem").read_text("ascii")
    assert text.strip() == certificates["own"].strip()


def test_a_folder_gives_every_certificate_file_in_it(tmp_path: Path, certificates: dict[str, str]) -> None:
    folder = tmp_path / "corporate"
    folder.mkdir()
    (folder / "a.pem").write_text(certificates["own"])
    (folder / "b.crt").write_text(certificates["corporate"])
    (folder / "README.md").write_text("not a certificate")
    worker_ca.merge("", str(folder), tmp_path / "bundle.pem")
    assert names(tmp_path / "bundle.pem") == {"own", "corporate"}


def test_der_is_taken_as_well_as_pem(tmp_path: Path, certificates: dict[str, str]) -> None:
    """As Windows exports it."""
    file = tmp_path / "company.cer"
    file.write_bytes(ssl.PEM_cert_to_DER_cert(certificates["corporate"]))
    found = worker_ca.read_certificates(file, "The corporate CA", "")
    assert [ssl.PEM_cert_to_DER_cert(one) for one in found] == [file.read_bytes()]


def test_an_empty_folder_is_no_corporate_ca(tmp_path: Path, certificates: dict[str, str], system_store: Path) -> None:
    system_store.write_text(certificates["own"])
    (tmp_path / "corporate").mkdir()
    worker_ca.merge("", str(tmp_path / "corporate"), tmp_path / "bundle.pem")
    assert names(tmp_path / "bundle.pem") == {"own"}


def test_a_missing_corporate_ca_is_named_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(
        WorkerError, match=r"corporate CA .*/gone\.pem is not there: expected a PEM file .*DRYDOCK_CORPORATE_CA"
    ):
        worker_ca.merge("", str(tmp_path / "gone.pem"), tmp_path / "bundle.pem")


def test_a_missing_ca_of_drydock_says_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"drydock's CA certificate .*/ca\.pem is not there.*docker compose up -d proxy"):
        worker_ca.merge(str(tmp_path / "ca.pem"), "", tmp_path / "bundle.pem")


def test_a_der_file_that_is_cut_is_a_broken_certificate(tmp_path: Path, certificates: dict[str, str]) -> None:
    """What begins as DER and is none is told like a PEM certificate that cannot be read."""
    file = tmp_path / "corporate.der"
    file.write_bytes(ssl.PEM_cert_to_DER_cert(certificates["corporate"])[:100])
    with pytest.raises(WorkerError, match=r"corporate\.der holds a broken certificate"):
        worker_ca.read_certificates(file, "The corporate CA", "")


def test_a_certificate_cut_short_is_refused_by_its_number(tmp_path: Path, certificates: dict[str, str]) -> None:
    lines = certificates["corporate"].splitlines()
    (tmp_path / "corporate.pem").write_text(certificates["own"] + "\n".join([*lines[:3], lines[-1]]))
    with pytest.raises(WorkerError, match="number 2 of 2 cannot be read"):
        worker_ca.merge("", str(tmp_path / "corporate.pem"), tmp_path / "bundle.pem")
    assert not (tmp_path / "bundle.pem").exists()
