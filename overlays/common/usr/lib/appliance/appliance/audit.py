"""The audit log: one line for each act that changes who may write or whom we trust, in a file and in the journal."""
import datetime
import os

from .errors import on_one_line

PATH = "/var/log/appliance/audit.log"


def note(host, text):
    """Appends `text` with time and person, durably, and prints it, which is the journal for units; others tell it there."""
    person = on_one_line(os.environ.get("SUDO_USER") or "root", 64)
    line = f"{now()} {person}: {on_one_line(text, 1000)}"
    path = host.path(PATH)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        os.write(handle, (line + "\n").encode("utf-8", "replace"))
        os.fsync(handle)
    finally:
        os.close(handle)
    host.run(["logger", "-t", "appliance", "-p", "auth.notice", "--", f"{person}: {on_one_line(text, 1000)}"])


def now():
    """UTC, as everywhere in our files."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
