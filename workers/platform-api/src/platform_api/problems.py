"""The one form of every error: RFC 9457 `application/problem+json` with a code, a sentence and the request's id."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from worker_kit.errors import DatabaseError
from worker_kit.middleware import request_id
from worker_kit.settings import InvalidSettings

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)


class FieldError(BaseModel):
    """What is wrong with one value of the request."""

    field: str = Field(description="Where the value stands, as `body.email`", examples=["body.email"])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """Why a request was not answered as it asked."""

    type: str = Field(default="about:blank", description="Always about:blank: `code` says which problem it is")
    title: str = Field(description="The status in words", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="One sentence for a person", examples=["There is no event with the slug demo-day."])
    code: str = Field(description="One word for a program", examples=["not_found"])
    request_id: str = Field(description="Names the request in the logs; also in the header X-Request-Id")
    errors: list[FieldError] = Field(default_factory=list, description="The values that were not taken, for `invalid_request`")


class ApiError(Exception):
    """A request ends with this status, code and sentence."""

    def __init__(self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


DESCRIPTIONS = {
    400: "The body cannot be read",
    401: "The API key is missing or wrong",
    404: "There is no such thing",
    409: "The Idempotency-Key came with other fields before",
    413: "The body is too long",
    422: "A value of the request was not taken",
    429: "Too many requests; Retry-After says when to come back",
    500: "A fault of this API",
    502: "A service behind this API answered with nonsense or an error",
    503: "A service behind this API cannot be reached, or is not configured",
    504: "A service behind this API took too long",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route answers with, for its `responses`."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    headers = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
    return {
        status: {"description": DESCRIPTIONS[status], "content": content} | ({"headers": headers} if status == 429 else {})
        for status in sorted({*statuses, 422, 429, 500})
    }


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make the response of a problem."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id(request.scope),
        errors=errors or [],
    )
    return JSONResponse(
        body.model_dump(), status, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", **dict(headers or {})}
    )


async def answer_api_error(request: Request, error: Exception) -> JSONResponse:
    """Answer with what a route decided."""
    assert isinstance(error, ApiError)
    return problem_response(request, error.status, error.code, error.detail, headers=error.headers)


async def answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer for the framework: no route, no such method, a body that is too long or no JSON."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = {
        404: f"There is nothing at {request.url.path}; /docs lists what there is.",
        405: f"{request.method} is not possible at {request.url.path}.",
    }.get(error.status_code, str(error.detail))
    return problem_response(request, error.status_code, phrase.lower().replace(" ", "_"), detail, headers=error.headers)


async def answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    """Say which values were not taken; never repeat a value, which may be a secret."""
    assert isinstance(error, RequestValidationError)
    errors = [FieldError(field=".".join(map(str, item["loc"])), message=item["msg"]) for item in error.errors()]
    detail = f"{len(errors)} value{'s' if len(errors) > 1 else ''} of the request cannot be taken: see errors."
    return problem_response(request, 422, "invalid_request", detail, errors=errors)


async def answer_fault(request: Request, error: Exception) -> JSONResponse:
    """Answer for a fault of our own: the log has the cause, the caller the request's id."""
    logger.error("request %s failed", request_id(request.scope), exc_info=error)
    return problem_response(request, 500, "internal_error", "This API failed; its log has the cause under this request's id.")


async def answer_database_error(request: Request, error: Exception) -> JSONResponse:
    """Answer for D1, where a route cannot do without it; what D1 says may quote a statement, so only the log has it."""
    logger.error("request %s: %s", request_id(request.scope), error)
    return problem_response(
        request,
        503,
        "database_unavailable",
        "The database does not answer now; send it again.",
        headers={"Retry-After": "30"},
    )


async def answer_invalid_settings(request: Request, error: Exception) -> JSONResponse:
    """Answer for a variable that has a value it may not have; the log names it."""
    logger.error("request %s: %s", request_id(request.scope), error)
    return problem_response(request, 503, "not_configured", "The settings of this Worker are wrong; its log says which.")


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(ApiError, answer_api_error)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    app.add_exception_handler(DatabaseError, answer_database_error)
    app.add_exception_handler(InvalidSettings, answer_invalid_settings)
    app.add_exception_handler(Exception, answer_fault)
