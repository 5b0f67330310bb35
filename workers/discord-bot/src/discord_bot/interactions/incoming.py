"""What Discord sends to /interactions, as types; what the bot does not use is passed over."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Snowflake = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,512}$")]
"""It becomes part of a URL, so nothing that has a meaning there."""


class Incoming(BaseModel):
    """The base of everything that comes in."""

    model_config = ConfigDict(frozen=True)


class Ping(Incoming):
    """Discord's question whether the endpoint lives."""

    type: Literal[1]


class Option(Incoming):
    """One value given to a command."""

    name: str
    value: str | int | float | bool | None = None


class CommandData(Incoming):
    """Which command was used, and with what."""

    name: str
    options: tuple[Option, ...] = ()

    def values(self) -> dict[str, Any]:
        """Return the options by name."""
        return {option.name: option.value for option in self.options}


class ComponentData(Incoming):
    """Which button was pressed."""

    custom_id: str


class Input(Incoming):
    """What was written into one field of a form."""

    custom_id: str
    value: str = ""


class Row(Incoming):
    """A part of a form: Discord puts a field into a row's list or, in newer forms, below a label."""

    components: tuple[Input, ...] = ()
    component: Input | None = None


class ModalData(Incoming):
    """Which form was sent, and what it says."""

    custom_id: str
    components: tuple[Row, ...] = ()

    def values(self) -> dict[str, str]:
        """Return the fields' texts by their ids."""
        inputs = [entry for row in self.components for entry in (*row.components, *((row.component,) if row.component else ()))]
        return {entry.custom_id: entry.value for entry in inputs}


class Answerable(Incoming):
    """An interaction that can be answered later, by its application and token."""

    application_id: Snowflake
    token: Token = Field(repr=False)


class CommandUse(Answerable):
    """A slash command was used."""

    type: Literal[2]
    data: CommandData


class ButtonPress(Answerable):
    """A button was pressed."""

    type: Literal[3]
    data: ComponentData


class FormSent(Answerable):
    """A form was sent."""

    type: Literal[5]
    data: ModalData


type Interaction = Annotated[Ping | CommandUse | ButtonPress | FormSent, Field(discriminator="type")]
INTERACTION: TypeAdapter[Ping | CommandUse | ButtonPress | FormSent] = TypeAdapter(Interaction)
