"""One form for every error of a FastAPI application: a code, a sentence and the request's id, also in its OpenAPI document."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from worker_kit.errors import KitError, MissingSetting
from worker_kit.middleware import request_id

__all__ = ["Fault", "Problem", "RefusedError", "documented", "install"]

HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}

log = logging.getLogger(__name__)


class Fault(BaseModel):
    """What one error says."""

    code: str
    """For programs, such as `unauthorized`."""
    message: str
    """One sentence for people."""
    request_id: str
    """The id under which the logs speak of this request."""
    details: list[dict[str, Any]] | None = None
    """Which fields are wrong, where fields are."""


class Problem(BaseModel):
    """Every error's body, in the form that the middleware of this package uses too."""

    error: Fault


class RefusedError(Exception):
    """A request that gets an error as its answer."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        """Keep the status, the code, the sentence, and the seconds after which another try makes sense."""
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of these error statuses."""
    return {status: {"model": Problem} for status in statuses}


def install(app: FastAPI) -> None:
    """Make every error of `app` a Problem."""

    @app.exception_handler(RefusedError)
    async def refuse(request: Request, error: RefusedError) -> JSONResponse:
        headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else None
        return _problem(request, error.status, error.code, error.message, headers=headers)

    @app.exception_handler(KitError)
    async def report_kit(request: Request, error: KitError) -> JSONResponse:
        log.error("a binding or setting failed: %s", error)
        # Only the kit's own sentence about a missing setting: what a binding says may quote what it was given.
        told = str(error) if isinstance(error, MissingSetting) else "A binding or a setting does not work."
        return _problem(request, 503, "unavailable", told)

    @app.exception_handler(RequestValidationError)
    async def report_fields(request: Request, error: RequestValidationError) -> JSONResponse:
        # Without the input: it may be long, and is the sender's own.
        details = [{"where": [str(step) for step in fault["loc"]], "message": fault["msg"]} for fault in error.errors()]
        return _problem(request, 422, "invalid", "The request does not have the expected form.", details=details)

    @app.exception_handler(HTTPException)
    async def report_http(request: Request, error: HTTPException) -> JSONResponse:
        code = HTTP_CODES.get(error.status_code, "refused")
        return _problem(request, error.status_code, code, str(error.detail), headers=error.headers)


def _problem(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    details: list[dict[str, Any]] | None = None,
) -> JSONResponse:
    fault = Fault(code=code, message=message, request_id=request_id(request.scope), details=details)
    return JSONResponse(Problem(error=fault).model_dump(exclude_none=True), status, headers)
