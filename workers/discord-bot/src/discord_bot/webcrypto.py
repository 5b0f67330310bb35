"""Ed25519 by the runtime's WebCrypto: native code, and no package to vendor. Importable only where there is a runtime."""

from js import crypto
from pyodide.ffi import JsException, to_js

ALGORITHM = "Ed25519"


async def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether `public_key` signed `message`; a key that is no point of the curve signed nothing."""
    try:
        key = await crypto.subtle.importKey("raw", to_js(public_key), ALGORITHM, False, to_js(["verify"]))
        return bool(await crypto.subtle.verify(ALGORITHM, key, to_js(signature), to_js(message)))
    except JsException:
        return False
