"""Which names a Worker may have, and what the user is told of the others."""

import pytest
from new_worker.names import Name, check_form, packages_of
from new_worker.refusal import RefusedError

PACKAGES = {"fastapi", "typing_extensions"}


@pytest.mark.parametrize("given", ["a", "my-worker", "api2", "a-b-c", "x" * 63, "jsonp", "classes", "a--b"])
def test_a_name_that_cloudflare_python_and_compose_take_is_taken(given: str) -> None:
    assert check_form(given, PACKAGES) == Name(given)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "a name is missing: run make new NAME=my-worker"),
        ("My-Worker", "expected small letters, digits and hyphens, with a letter first"),
        ("my_worker", "expected small letters"),
        ("1worker", "expected small letters"),
        ("-worker", "expected small letters"),
        ("--help", "expected small letters"),
        ("my worker", "expected small letters"),
        ("wörker", "expected small letters"),
        ("../etc", "expected small letters"),
        ("worker\n", "expected small letters"),
        ("x" * 64, "expected 63 characters or fewer, found 64"),
        ("worker-", "cannot be part of a host name"),
        ("xn--abc", "cannot be part of a host name"),
        ("class", "class is a word of the language"),
        ("json", "json is a module of the standard library"),
        ("test", "test has another meaning here"),
        ("workers", "workers is a module of the Workers runtime"),
        ("worker-kit", "worker_kit is a module of the Workers runtime"),
        ("fastapi", "fastapi is a package that Workers or their tests install"),
        ("typing-extensions", "typing_extensions is a package that Workers or their tests install"),
        ("main", "main has another meaning here"),
        ("localhost", "localhost has another meaning here"),
        ("true", "cannot be a service in compose.yml"),
        ("x-worker", "cannot be a service in compose.yml"),
    ],
)
def test_any_other_name_is_refused_with_the_reason(given: str, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check_form(given, PACKAGES)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_name_has_a_spelling_for_each_place() -> None:
    name = Name("my-new-worker")
    assert (name.package, name.variable, name.volume) == ("my_new_worker", "DRYDOCK_MY_NEW_WORKER_PORT", "my-new-worker-work")


def test_a_lock_names_its_packages_as_they_are_imported() -> None:
    lock = (
        "Annotated-Doc==1.0 \\\n    --hash=sha256:ab==\n# via x==2\nhttpx[http2]==1.0\nruamel.yaml==3 ; python_version > '3'\n"
    )
    assert packages_of(lock) == {"annotated_doc", "httpx", "ruamel_yaml"}
