"""The forms that can be sent, and what each one asks for."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# One @ with something on both sides, and a dot in the domain: whether the address works, only a message to it can tell.
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\x00-\x20]+@[^@\x00-\x20]+\.[^@.\x00-\x20]+$", examples=["ada@example.org"])
]
# Something that can be seen, so that no field is filled in with spaces.
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]
Text = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"[^\x00-\x20]")]


class FormName(StrEnum):
    """The forms, as paths name them."""

    CONTACT = "contact"
    NEWSLETTER = "newsletter"
    SPONSOR = "sponsor"


class FormFields(BaseModel):
    """What every form has in common: a field that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Contact(FormFields):
    """A message to the team."""

    name: Line
    email: Email
    message: Text


class Newsletter(FormFields):
    """A wish for the newsletter."""

    email: Email
    consent: Literal[True] = Field(description="That the address may be kept and written to")


class SponsorInquiry(FormFields):
    """An offer to sponsor."""

    company: Line
    name: Line
    email: Email
    tier: Literal["bronze", "silver", "gold"] | None = None
    message: Text | None = None


FORMS: dict[FormName, type[FormFields]] = {
    FormName.CONTACT: Contact,
    FormName.NEWSLETTER: Newsletter,
    FormName.SPONSOR: SponsorInquiry,
}


class Receipt(BaseModel):
    """Proof that a form was received; the same for every send with the same key."""

    id: str = Field(description="Names the submission")
    form: FormName
    received_at: datetime = Field(description="When it was received first, in UTC")
