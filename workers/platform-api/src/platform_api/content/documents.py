"""The content that this API serves: one model for each type, told apart by `type`."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator

from platform_api.pages import Page, PageQuery

RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class ContentType(StrEnum):
    """The types of content, as paths name them."""

    EVENTS = "events"
    POSTS = "posts"
    PROJECTS = "projects"
    SPONSORS = "sponsors"


class BaseDocument(BaseModel):
    """What every type of content has."""

    id: str = Field(description="Sanity's id")
    slug: str = Field(description="Names the document in paths", examples=["demo-day"])
    title: str
    summary: str | None = None
    tags: list[str] = Field(default_factory=list)
    updated_at: datetime
    body: str | None = Field(default=None, description="The whole text without markup; only where one document is asked for")

    @field_validator("tags", mode="before")
    @classmethod
    def take_no_tags(cls, value: object) -> object:
        """Take what GROQ gives for a missing array."""
        return [] if value is None else value


class Event(BaseDocument):
    """Something that takes place."""

    type: Literal["event"]
    starts_at: datetime
    ends_at: datetime | None = None
    location: str | None = None
    url: str | None = None


class Post(BaseDocument):
    """An article."""

    type: Literal["post"]
    published_at: datetime
    author: str | None = None


class Project(BaseDocument):
    """What a team builds."""

    type: Literal["project"]
    team: str | None = None
    url: str | None = None


class Sponsor(BaseDocument):
    """Who supports the platform."""

    type: Literal["sponsor"]
    tier: str | None = None
    url: str | None = None


Document = Annotated[Event | Post | Project | Sponsor, Field(discriminator="type")]


def _must_be_rfc3339(value: object) -> object:
    """Refuse what pydantic would take beside it: seconds since 1970, a day without a time, a time without a zone."""
    if isinstance(value, str) and not RFC3339.fullmatch(value):
        raise ValueError("expected a point in time as RFC 3339 has it, such as 2026-12-01T18:00:00Z")
    return value


PointInTime = Annotated[datetime, BeforeValidator(_must_be_rfc3339)]


class ContentQuery(PageQuery):
    """Which content of a type is asked for."""

    tag: str | None = Field(default=None, min_length=1, max_length=64, description="Only what has this tag")
    after: PointInTime | None = Field(default=None, description="Only what takes place, was published or was made from then on")


class DocumentPage(Page[Document]):
    """One page of documents."""
