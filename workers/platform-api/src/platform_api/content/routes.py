"""GET /api/v1/content/{type} and /api/v1/content/{type}/{slug}."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from platform_api.content.cache import Cache, CacheState, Served, key_of
from platform_api.content.documents import ContentQuery, ContentType, Document, DocumentPage
from platform_api.content.queries import QUERIES
from platform_api.dependencies import SettingsNeeded, require_api_key
from platform_api.etags import etag_of, is_known
from platform_api.limits import Limit, limited
from platform_api.problems import ApiError, documented
from platform_api.sanity import Sanity, SanityError
from platform_api.settings import Settings

DOCUMENT: TypeAdapter[Document] = TypeAdapter(Document)
PAGE = TypeAdapter(DocumentPage)
HEADERS = {
    "ETag": {"description": "Names this body for If-None-Match", "schema": {"type": "string"}},
    "X-Cache": {"description": "hit, miss, or stale while Sanity is down", "schema": {"type": "string"}},
    "Age": {"description": "Seconds since Sanity was asked", "schema": {"type": "integer"}},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"headers": HEADERS},
    304: {"description": "The caller has this body already"},
    **documented(401, 502, 503, 504),
}
Slug = Annotated[str, Path(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=96, examples=["demo-day"])]
IfNoneMatch = Annotated[str, Header(max_length=1024, description="Entity tags that the caller has")]

router = APIRouter(prefix="/content", tags=["content"], dependencies=[Depends(limited(Limit.READ))])


async def must_revalidate(
    settings: SettingsNeeded,
    cache_control: Annotated[str, Header(max_length=256, description="no-cache asks Sanity now; needs the API key")] = "",
    x_api_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> bool:
    """Let those with the API key ask Sanity past the cache; for everybody else the cache is what protects Sanity."""
    if "no-cache" not in cache_control.lower() or x_api_key is None:
        return False
    await require_api_key(settings, x_api_key)
    return True


Revalidate = Annotated[bool, Depends(must_revalidate)]


def respond(served: Served, if_none_match: str, settings: Settings) -> Response:
    """Send a body, or only its tag to those who have it."""
    etag = etag_of(served.body.encode())
    left = 0 if served.state is CacheState.STALE else max(0, settings.content_fresh - served.age)
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={left}",
        "Age": str(served.age),
        "X-Cache": served.state.value,
    }
    if is_known(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(served.body, media_type="application/json", headers=headers)


def checked[Model](adapter: TypeAdapter[Model], value: object) -> str:
    """Make the JSON of what Sanity sent, or say that it is not what was asked for."""
    try:
        return adapter.dump_json(adapter.validate_python(value)).decode()
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, item["loc"])) for item in error.errors()})[:3])
        raise SanityError(502, "upstream_invalid", f"Sanity answered with content of another form (at {places}).") from error


def normalised(after: datetime | None) -> str | None:
    """Write a point in time as Sanity does, in UTC."""
    if after is None:
        return None
    try:
        return after.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except OverflowError as error:
        raise RequestValidationError(
            [{"loc": ("query", "after"), "msg": "Not a point in time of the years 1 to 9999"}]
        ) from error


@router.get("/{type}", response_model=DocumentPage, responses=RESPONSES, summary="List content of a type")
async def list_content(
    settings: SettingsNeeded,
    type: ContentType,  # the name that the path and its documentation use
    asked: Annotated[ContentQuery, Query()],
    revalidate: Revalidate,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List what is published: events by their date, posts newest first, projects and sponsors by name."""
    query = QUERIES[type]
    parameters = {
        "type": query.type_name,
        "tag": asked.tag,
        "after": normalised(asked.after),
        "start": asked.start,
        "end": asked.end,
    }

    async def ask() -> str:
        found = await Sanity.of(settings).query(query.page, parameters)
        if not isinstance(found, dict) or not isinstance(found.get("total"), int) or not isinstance(found.get("items"), list):
            raise SanityError(502, "upstream_invalid", "Sanity answered with a page that has no items or no total.")
        pages = -(-found["total"] // asked.page_size)
        return checked(PAGE, found | {"page": asked.page, "page_size": asked.page_size, "pages": pages})

    served = await Cache.of(settings).serve(key_of("page", parameters), ask, revalidate=revalidate)
    return respond(served, if_none_match, settings)


@router.get(
    "/{type}/{slug}",
    response_model=Document,
    responses=RESPONSES | documented(401, 404, 502, 503, 504),
    summary="Read one document",
)
async def read_content(
    settings: SettingsNeeded,
    type: ContentType,  # the name that the path and its documentation use
    slug: Slug,
    revalidate: Revalidate,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Read one published document with its text."""
    query = QUERIES[type]
    parameters = {"type": query.type_name, "slug": slug}

    async def ask() -> str:
        found = await Sanity.of(settings).query(query.one, parameters)
        if found is None:
            raise ApiError(404, "not_found", f"There is no {query.type_name} with the slug {slug}.")
        return checked(DOCUMENT, found)

    served = await Cache.of(settings).serve(key_of("one", parameters), ask, revalidate=revalidate)
    return respond(served, if_none_match, settings)
