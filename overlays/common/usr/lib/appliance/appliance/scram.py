"""SCRAM-SHA-256 verifiers as PostgreSQL keeps them (RFC 5803), made here so that no SQL ever holds a password.

    SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY        (salt and keys in base64)
"""
import base64
import hashlib
import hmac
import os
import re

ITERATIONS = 4096
FORM = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


def verifier(password, salt=None, iterations=ITERATIONS):
    """The verifier of a password of printable ASCII (values.password)."""
    salt = salt if salt is not None else os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def matches(password, known):
    """Whether the verifier `known`, which may be anything, was made from this password."""
    form = FORM.fullmatch(known)
    if not form:
        return False
    made = verifier(password, base64.b64decode(form[2]), int(form[1]))
    return hmac.compare_digest(made, known)


def _base64(data):
    return base64.b64encode(data).decode("ascii")
