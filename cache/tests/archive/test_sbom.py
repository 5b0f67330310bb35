"""The bill of materials is valid CycloneDX 1.6, names packages as others do, and follows from the content alone."""

import json
from contextlib import closing
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from drydock_cache.archive.sbom import bill_of_materials
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.index import StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store

from cache.tests.archive.conftest import Sides

DIGEST = Digest.of(b"content")


def components(*urls: str) -> list[dict[str, Any]]:
    stored = [StoredResponse(CacheKey(url), 200, (), Blob(DIGEST, 7), 1.0, 2.0) for url in urls]
    return list(json.loads(bill_of_materials(stored, 2.0))["components"])


def test_it_is_valid_by_the_schema(sides: Sides) -> None:
    """By the strict one of its makers, with formats."""
    with closing(Store.open_read_only(sides.near)) as store:
        document = bill_of_materials(list(store.responses()), 1234.5)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(
        document.decode().replace('"file"', '"fiel"').replace("library", "x")
    )


def test_the_assets_are_its_components_and_pages_are_not(sides: Sides) -> None:
    with closing(Store.open_read_only(sides.near)) as store:
        responses = list(store.responses())
    listed = json.loads(bill_of_materials(responses, 1.0))["components"]
    assets = {stored.key.url: stored.blob.digest.hex for stored in responses if not stored.vary}
    assert {one["bom-ref"]: one["hashes"][0]["content"] for one in listed} == assets


@pytest.mark.parametrize(
    ("url", "purl"),
    [
        (
            "https://a.example/x/pydantic_core-2.50.4-cp314-cp314-pyemscripten_2026_0_wasm32.whl",
            "pkg:pypi/pydantic-core@2.50.4",
        ),
        ("https://a.example/Flask-3.0-1-py3-none-any.whl", "pkg:pypi/flask@3.0"),
        ("https://a.example/x-1.0%2Blocal-py3-none-any.whl", "pkg:pypi/x@1.0%2Blocal"),
        ("https://n.example/wrangler/-/wrangler-4.1.0.tgz", "pkg:npm/wrangler@4.1.0"),
        (
            "https://n.example/@cloudflare/workerd-linux-64/-/workerd-linux-64-1.2.tgz",
            "pkg:npm/%40cloudflare/workerd-linux-64@1.2",
        ),
        ("https://n.example/@cloudflare%2fworkerd/-/workerd-1.2.tgz", "pkg:npm/%40cloudflare/workerd@1.2"),
        ("https://n.example/a/-/b-1.tgz", None),
        ("https://b.example/pyodide_0.26.0a2.capnp.bin", None),
        ("https://b.example/", None),
    ],
)
def test_a_package_is_named_by_its_purl(url: str, purl: str | None) -> None:
    (component,) = components(url)
    assert component.get("purl") == purl
    assert component["name"]


def test_the_same_assets_make_the_same_document_and_others_another_serial_number() -> None:
    def document(body: bytes, etag: str) -> bytes:
        headers = (("etag", etag),)
        return bill_of_materials(
            [StoredResponse(CacheKey("https://a.example/x"), 200, headers, Blob(Digest.of(body), 1), 1, 2)], 2
        )

    assert document(b"1", "a") == document(b"1", "b")
    assert json.loads(document(b"1", "a"))["serialNumber"] != json.loads(document(b"2", "a"))["serialNumber"]
