"""Hand submissions to Sanity; what it does not take now, the cron offers again."""

import logging

from worker_kit.d1 import Database

from platform_api.audit import Action, write_audit
from platform_api.forms.store import Submission, note_attempt
from platform_api.sanity import Sanity, SanityError
from platform_api.settings import Settings

logger = logging.getLogger(__name__)


def document_of(submission: Submission) -> dict[str, object]:
    """Make the document that Sanity gets.

    Its id is the submission's, so that handing it over twice makes one document. The dot in it keeps the document out of the
    reach of those without a token, even in a public dataset: it holds people's addresses.
    """
    return {
        "_id": f"submission.{submission.id}",
        "_type": "submission",
        "form": submission.form.value,
        "receivedAt": submission.received_at.isoformat(),
        "fields": {name: value for name, value in submission.fields.items() if value is not None},
    }


async def hand_over(settings: Settings, database: Database, submission: Submission, request_id: str) -> bool:
    """Offer a submission to Sanity, write down how that ended, and return whether it took it."""
    try:
        await Sanity.of(settings).create(document_of(submission))
    except SanityError as error:
        logger.warning("submission %s waits for Sanity: %s", submission.id, error)
        outcome = error.code
    else:
        outcome = "ok"
    await note_attempt(database, submission, handed_over=outcome == "ok")
    await write_audit(database, Action.FORM_HANDED_OVER, submission.form, outcome, request_id)
    return outcome == "ok"
