"""POST /api/v1/discord/notify, for those with the API key."""

from fastapi import APIRouter, Depends

from platform_api.audit import Action, write_audit
from platform_api.dependencies import DatabaseNeeded, RequestId, SettingsNeeded, require_api_key
from platform_api.discord.bot import Notification, Sent, notify
from platform_api.limits import Limit, limited
from platform_api.problems import ApiError, documented

# Counted before the key is looked at, so that keys cannot be tried without end.
router = APIRouter(
    prefix="/discord", tags=["discord"], dependencies=[Depends(limited(Limit.PRIVILEGED)), Depends(require_api_key)]
)


@router.post("/notify", responses=documented(400, 401, 404, 413, 502, 503, 504), summary="Post a notification to Discord")
async def post_notification(
    notification: Notification, settings: SettingsNeeded, database: DatabaseNeeded, request_id: RequestId
) -> Sent:
    """Have discord-bot post a notification to the channel of its kind."""
    try:
        sent = await notify(settings, notification)
    except ApiError as error:
        await write_audit(database, Action.NOTIFICATION_SENT, notification.kind, error.code, request_id)
        raise
    await write_audit(database, Action.NOTIFICATION_SENT, notification.kind, "ok", request_id)
    return sent
