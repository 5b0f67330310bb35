"""The GROQ of every type of content: constants, with whatever a caller says in parameters."""

from dataclasses import dataclass

from platform_api.content.documents import ContentType

COMMON = '"id": _id, "type": _type, "slug": slug.current, title, summary, tags, "updated_at": _updatedAt'


@dataclass(frozen=True)
class Query:
    """How one type is found in Sanity."""

    type_name: str
    """Its `_type`."""
    date: str
    """The field that `after` compares with."""
    order: str
    fields: str
    """What its projection has beyond the common fields."""

    @property
    def page(self) -> str:
        """Ask for one page and the number of all; parameters type, tag, after, start, end."""
        found = f"*[_type == $type && defined(slug.current) && ($tag == null || $tag in tags) && ($after == null || {self.date} >= $after)]"
        return (
            f'{{"items": {found} | order({self.order}) [$start...$end] {{{COMMON}, {self.fields}}}, "total": count({found})}}'
        )

    @property
    def one(self) -> str:
        """Ask for one document with its text; parameters type, slug."""
        return f'*[_type == $type && slug.current == $slug][0]{{{COMMON}, {self.fields}, "body": pt::text(body)}}'


QUERIES = {
    ContentType.EVENTS: Query(
        "event", "dateTime", "dateTime asc", '"starts_at": dateTime, "ends_at": endDateTime, location, url'
    ),
    ContentType.POSTS: Query("post", "publishedAt", "publishedAt desc", '"published_at": publishedAt, "author": author->name'),
    ContentType.PROJECTS: Query("project", "_createdAt", "title asc", '"team": team->name, url'),
    ContentType.SPONSORS: Query("sponsor", "_createdAt", "order asc, title asc", "tier, url"),
}
