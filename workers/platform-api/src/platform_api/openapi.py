"""Complete the OpenAPI document with the one form of every error."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from platform_api.problems import Problem, documented

TEMPLATE = "#/components/schemas/{model}"


def complete_openapi(api: FastAPI) -> None:
    """Have `api` describe its problems, also where the framework would describe errors of its own."""
    generate: Callable[[], dict[str, Any]] = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is not None:
            return api.openapi_schema
        document = generate()
        schemas = document["components"]["schemas"]
        schema = Problem.model_json_schema(ref_template=TEMPLATE, mode="serialization")
        schemas |= schema.pop("$defs", {}) | {"Problem": schema}
        # The framework's own form of a 422, which no route answers with.
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                responses = operation["responses"]
                responses |= {str(s): r for s, r in documented().items() if s == 500 and str(s) not in responses}
        return document

    api.openapi = openapi  # type: ignore[method-assign] # the way that FastAPI's documentation describes
