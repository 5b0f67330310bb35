// Read what a visitor sent with the form, within limits.

const MEDIA_TYPE = "application/x-www-form-urlencoded";
// Characters; far more than two short fields need, far less than what would hurt.
export const LONGEST_BODY = 64 * 1024;

/** A body cannot be taken; `status` is the HTTP status that says so. */
export class FormError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** Read the form of a Request: its name and message, empty where missing. */
export async function readForm(request) {
  const mediaType = (request.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  if (mediaType !== MEDIA_TYPE) {
    throw new FormError(415, `The form must be sent as ${MEDIA_TYPE}, not as ${mediaType || "nothing"}.`);
  }
  // By its header first: a body that is too long is not read at all.
  const announced = Number(request.headers.get("content-length") ?? 0);
  const body = announced > LONGEST_BODY ? undefined : await request.text();
  if (body === undefined || body.length > LONGEST_BODY) {
    throw new FormError(413, `The form may hold ${LONGEST_BODY} characters, not ${body?.length ?? announced}.`);
  }
  const fields = new URLSearchParams(body);
  return { name: (fields.get("name") ?? "").trim(), message: (fields.get("message") ?? "").trim() };
}
