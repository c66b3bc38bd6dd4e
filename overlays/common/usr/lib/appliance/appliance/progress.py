"""Where the machine stands: flags in /run/appliance, the serial console, and the 503 page.

    /run/appliance/stages       stages so far, one per line
    /run/appliance/progress     there until ready
    /run/appliance/ready        there when ready; nginx looks at it on each request
    /run/appliance/failed       reason, one line
    /run/appliance/reasons/UNIT what a command of ours said before it failed
"""
import os
import socket

from . import pages
from .errors import on_one_line

RUN = "/run/appliance"
READY = f"{RUN}/ready"
FAILED = f"{RUN}/failed"
PROGRESS = f"{RUN}/progress"
STAGES = f"{RUN}/stages"
CONSOLE = "/dev/console"


def console_line(host, text):
    """Prints `appliance[NAME]: text` on a line of its own on the console; a machine without one does not mind."""
    line = f"\nappliance[{socket.gethostname()}]: {on_one_line(text)}\n".encode("utf-8", "replace")
    flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    if not host.is_real:
        flags |= os.O_APPEND
    try:
        handle = os.open(host.path(CONSOLE), flags)
    except OSError:
        return
    try:
        os.write(handle, line)
    except OSError:
        pass
    finally:
        os.close(handle)


def stage(host, text):
    """Notes the next stage of the boot: page, console, journal."""
    text = on_one_line(text)
    print(f"stage {text}", flush=True)
    _put(host, STAGES, (host.read_or_none(STAGES) or "") + text + "\n")
    if not host.exists(READY):
        _put(host, PROGRESS, "")
    _refresh_progress_page(host)
    console_line(host, f"stage {text}")


def ready(host, role, plan):
    """Opens the site and says so, on each boot."""
    host.remove(PROGRESS)
    _put(host, READY, "")
    console_line(host, f"ready {role} {plan}")


def fail(host, reason):
    """Closes the site with a reason that people see; it must hold no secret.

    The first reason stays until the next try: what fails after it fails because of it.
    """
    reason = on_one_line(reason)
    host.remove(READY)
    if host.exists(FAILED):
        return
    _put(host, FAILED, reason + "\n")
    _refresh_progress_page(host)
    console_line(host, f"failed {reason}")


def note_reason(host, error):
    """Keeps why a command of ours fails, for `fail UNIT` that systemd starts next."""
    unit = os.environ.get("APPLIANCE_UNIT")
    if unit:
        _put(host, f"{RUN}/reasons/{unit}", "; ".join(error.problems) + "\n")


def forget_reason(host):
    unit = os.environ.get("APPLIANCE_UNIT")
    if unit:
        host.remove(f"{RUN}/reasons/{unit}")


def reason_of(host, unit):
    """Why `unit` failed: our own command's words, else the unit's last line in the journal."""
    noted = host.read_or_none(f"{RUN}/reasons/{unit}")
    if noted:
        return on_one_line(noted)
    said = host.run(["journalctl", "-b", "-u", unit, "-o", "cat", "-n", "20", "--no-pager"]).stdout or ""
    lines = [line for line in said.splitlines() if line and not line.startswith(f"{unit}:")]
    own = [line for line in lines if "systemd" not in line and not line.startswith(("Starting ", "Failed to start", "Started "))]
    return on_one_line(f"{unit}: {(own or lines or ['said nothing'])[-1]}")


def _refresh_progress_page(host):
    stages = (host.read_or_none(STAGES) or "").splitlines()
    _put(host, f"{RUN}/www/503.html", pages.progress(stages, (host.read_or_none(FAILED) or "").strip()))
    _put(host, f"{RUN}/www/503.json", pages.progress_json(stages, (host.read_or_none(FAILED) or "").strip()))


def _put(host, path, content):
    host.write(path, content, mode=0o644)
