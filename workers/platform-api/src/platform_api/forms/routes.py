"""POST /api/v1/forms/{form}: one route for each form, so that the OpenAPI document names its fields."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response

from platform_api.audit import Action, write_audit
from platform_api.dependencies import DatabaseNeeded, RequestId, SettingsNeeded
from platform_api.forms.handover import hand_over
from platform_api.forms.models import FORMS, FormFields, FormName, Receipt
from platform_api.forms.store import fingerprint_of, keep
from platform_api.limits import Limit, limited
from platform_api.problems import ApiError, documented

IdempotencyKey = Annotated[
    str,
    Header(
        min_length=8,
        max_length=128,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Chosen by the sender for this form, as a UUID; the same key again gives the same answer",
        examples=["7d1f6f0e-2f5c-4b1e-9d0a-3f6f9a1c2b3d"],
    ),
]
REPLAYED = {"Idempotent-Replayed": {"description": "true where the key was known", "schema": {"type": "string"}}}
RESPONSES: dict[int | str, dict[str, Any]] = {201: {"headers": REPLAYED}, **documented(400, 409, 413, 503)}

router = APIRouter(prefix="/forms", tags=["forms"], dependencies=[Depends(limited(Limit.FORMS))])


async def receive(
    form: FormName,
    fields: FormFields,
    key: str,
    settings: SettingsNeeded,
    database: DatabaseNeeded,
    request_id: str,
    response: Response,
) -> Receipt:
    """Keep a submission, offer it to Sanity, and answer the same way however often it is sent."""
    submission, is_new = await keep(database, form, key, fields)
    if submission.fingerprint != fingerprint_of(fields):
        raise ApiError(
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with other fields before; choose a new one for a new form.",
        )
    if not submission.is_handed_over:
        await hand_over(settings, database, submission, request_id)
    if is_new:
        await write_audit(database, Action.FORM_SENT, form, "ok", request_id)
    else:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Cache-Control"] = "no-store"
    return Receipt(id=submission.id, form=submission.form, received_at=submission.received_at)


def route_of(form: FormName, model: type[FormFields]) -> Callable[..., Awaitable[Receipt]]:
    """Make the route of one form."""

    async def send(
        fields: model,  # type: ignore[valid-type] # FastAPI reads the type from here
        idempotency_key: IdempotencyKey,
        settings: SettingsNeeded,
        database: DatabaseNeeded,
        request_id: RequestId,
        response: Response,
    ) -> Receipt:
        return await receive(form, fields, idempotency_key, settings, database, request_id, response)

    send.__doc__ = f"{model.__doc__} It is kept at once, and handed to Sanity now or as soon as Sanity can be reached."
    return send


for name, fields_of in FORMS.items():
    router.add_api_route(
        f"/{name}",
        route_of(name, fields_of),
        methods=["POST"],
        status_code=201,
        response_model=Receipt,
        responses=RESPONSES,
        name=f"send_{name}",
        summary=f"Send the form {name}",
    )
