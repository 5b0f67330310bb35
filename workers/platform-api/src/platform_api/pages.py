"""How every list is divided into pages."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

# Far more pages than anybody reads; a limit keeps offsets within what databases count with.
LAST_PAGE = 10_000


class PageQuery(BaseModel):
    """Which page of a list is asked for; a name that nothing knows is an error, since a list that ignores it would mislead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: int = Field(default=1, ge=1, le=LAST_PAGE, description="Counted from 1")
    page_size: int = Field(default=20, ge=1, le=100, description="Items on a page")

    @property
    def start(self) -> int:
        """Items before the page."""
        return (self.page - 1) * self.page_size

    @property
    def end(self) -> int:
        """Items up to the page's last one."""
        return self.start + self.page_size


class Page[Item](BaseModel):
    """One page of a list."""

    items: list[Item]
    page: int
    page_size: int
    total: int = Field(description="Items on all pages")
    pages: int = Field(description="How many pages there are; 0 where there is no item")

    @classmethod
    def of(cls, items: list[Item], query: PageQuery, total: int) -> Self:
        """Make the page that `query` asked for out of its items and the number of all items."""
        return cls(items=items, page=query.page, page_size=query.page_size, total=total, pages=-(-total // query.page_size))
