"""Complete the OpenAPI document with what FastAPI cannot see: the body of /interactions, which is read raw for its signature."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from discord_bot.interactions.incoming import INTERACTION

TEMPLATE = "#/components/schemas/{model}"
SIGNATURE = {"x-signature-ed25519": "^[0-9a-fA-F]{128}$", "x-signature-timestamp": "^[0-9]{1,12}$"}
"""What the headers of a signature look like; one that is missing is a 401 like a wrong one, so the route itself asks for neither."""


def complete_openapi(app: FastAPI) -> None:
    """Have `app` describe interactions with the types that they are validated with."""
    generate: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = generate()
        schema = INTERACTION.json_schema(ref_template=TEMPLATE)
        # OpenAPI's discriminators are texts, Discord's types are numbers; the branches tell them apart without one.
        del schema["discriminator"]
        document["components"]["schemas"] |= schema.pop("$defs")
        operation = document["paths"]["/interactions"]["post"]
        for parameter in operation["parameters"]:
            parameter |= {"required": True, "schema": {"type": "string", "pattern": SIGNATURE[parameter["name"]]}}
        operation["requestBody"] = {
            "required": True,
            "description": "An interaction as Discord sends it. Its signature covers the raw bytes.",
            "content": {"application/json": {"schema": schema}},
        }
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the way that FastAPI's documentation describes
