"""A small FastAPI application: enough to show that routing, validation and JSON work."""

from fastapi import FastAPI
from pydantic import VERSION, BaseModel, Field

app = FastAPI()


class Parcel(BaseModel):
    """What /parcels takes."""

    name: str = Field(min_length=1)
    weight: int = Field(gt=0)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the Worker answers, without touching any state."""
    return {"status": "ok"}


@app.get("/versions")
async def versions() -> dict[str, str]:
    """Name what answers."""
    from fastapi import __version__

    return {"fastapi": __version__, "pydantic": VERSION}


@app.post("/parcels")
async def parcels(parcel: Parcel) -> dict[str, object]:
    """Answer with what was understood, or with 422 where validation refuses it."""
    return {"name": parcel.name, "kilograms": parcel.weight}
