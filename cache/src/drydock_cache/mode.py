"""Modes: whether upstream may be asked, and what a miss means."""

from enum import StrEnum


class Mode(StrEnum):
    """Whether upstream may be asked.

    *online*; *rehearsal*, in which what is stored answers as it would offline, and what is missed is fetched and listed;
    *offline*, in which no upstream connection is ever tried.
    """

    ONLINE = "online"
    REHEARSAL = "rehearsal"
    OFFLINE = "offline"
