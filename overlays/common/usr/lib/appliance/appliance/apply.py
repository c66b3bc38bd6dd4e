"""`appliance apply`: makes the machine what its environment says, and touches nothing more often than needed."""
import enum
import fcntl
import json
import os
import time
from contextlib import contextmanager

from . import environment as environments
from . import certificate, peers, postgres, progress, replication, roles
from .errors import ApplianceError

# Consequences that are still due. In /run, for after a power cut every service reads its files anew anyway.
PENDING = f"{progress.RUN}/pending"
PRIVATE = {"/etc/appliance": 0o700, environments.PATH: 0o600, "/srv/certs/selfsigned/key-nopass.pem": 0o600}


class Moment(enum.Enum):
    boot = "boot"        # services of the role start after us and read the new files by themselves
    running = "running"  # a person asks: services are changed now


def load(host):
    """(environment, role) of this machine, checked."""
    environment = environments.load(host)
    role = roles.load(host, environment.machine.role)
    roles.check_settings(role, environment, environments.PATH)
    return environment, role


def apply(host, moment, patience=0):
    """Applies the environment; returns what changed, as sentences. Waits up to `patience` seconds for another one at work.

    Every new file is checked before the first is written. Throws ApplianceError; consequences still due are
    remembered for the next run.
    """
    from . import render  # with the engine of templates, slow to load: who only asks needs none

    with lock(host, patience):
        environment, role = load(host)
        changes = certificate.ensure(host, environment) + _keep_private(host) + _make_users(host, role)
        if role.databases and postgres.ensure_cluster(host):
            changes.append("made database cluster main")
        renewed = peers.renew(host, environment, role)
        changes += renewed
        made = render.files(host, environment, role)
        due = _write_files(host, made, changes, [("reload", json.dumps("nginx.service"))] if renewed else [])
        _remove(host, render.stale(host, role, made), changes)
        _act(host, due, moment, changes)
        if role.databases and moment is Moment.running and replication.may_write(host, environment, role):
            changes += databases(host, environment, role)
        return changes


def databases(host, environment, role):
    """Starts the server if it does not run, and makes its databases and roles; returns what changed."""
    unit = postgres.unit(host)
    changes = []
    if not host.succeeds(["systemctl", "is-active", "--quiet", unit]):
        host.command(["systemctl", "start", unit])
        changes.append(f"started {unit}")
    postgres.wait_until_up(host)
    return changes + postgres.ensure_databases(host, role.databases, environment.settings)


@contextmanager
def lock(host, patience=0, sleep=time.sleep):
    """Only one of us changes the machine at a time. Throws ApplianceError after `patience` seconds."""
    path = host.path(f"{progress.RUN}/lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _is_locked(handle):
            if patience <= 0:
                raise ApplianceError("another 'appliance apply' is at work: wait for it")
            patience -= 1
            sleep(1)
        yield
    finally:
        os.close(handle)


def _is_locked(handle):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_users(host, role):
    """Accounts of payloads. Not left to systemd-sysusers.service, which runs only when a package says so."""
    missing = [name for name in role.users if not host.has_user(name)]
    if missing:
        host.command(["systemd-sysusers"])
        # Its status says nothing about our folders: those of others may want what the sandbox of our unit forbids (setgid).
        host.run(["systemd-tmpfiles", "--create"])
    return [f"made user {name}" for name in missing]


def _keep_private(host):
    changes = []
    for path, mode in PRIVATE.items():
        target = host.path(path)
        if target.exists() and target.stat().st_mode & 0o7777 != mode:
            target.chmod(mode)
            changes.append(f"closed {path} to others")
    return changes


def _write_files(host, made, changes, due):
    """Writes what differs; returns the consequences due, each once, in the order of the files, `due` before them."""
    due = list(dict.fromkeys([*(tuple(item) for item in json.loads(host.read_or_none(PENDING) or "[]")), *due]))
    differing = [file for file in made if not _is_there(host, file)]
    for file in differing:
        if file.check:
            host.accepts(file.path, file.content, file.check)
    for file in differing:
        consequence = (file.then[0], json.dumps(file.then[1])) if file.then else None
        if consequence and consequence not in due:
            due.append(consequence)
    if due:
        host.write(PENDING, json.dumps(due))
    for file in differing:
        _write(host, file)
        changes.append(f"wrote {file.path}")
    return due


def _is_there(host, file):
    if file.is_link:
        return host.has_link(file.path, file.content)
    return host.has(file.path, file.content, file.mode, file.owner)


def _write(host, file):
    if file.is_link:
        host.link(file.path, file.content)
    else:
        host.write(file.path, file.content, file.mode, file.owner)


def _remove(host, paths, changes):
    for path in paths:
        host.remove(path)
        changes.append(f"removed {path}")


def _act(host, due, moment, changes):
    for verb, what in due:
        what = json.loads(what)
        if verb == "run":
            host.command(what)
            changes.append(f"ran {' '.join(what)}")
            continue
        # At boot only what runs already hears of it; all else starts after us. The database is started by databases() alone:
        # on a fenced node it must stay down.
        command = {"reload": "reload-or-restart", "restart": "restart"}[verb]
        only_running = moment is Moment.boot or what.startswith("postgresql@")
        host.command(["systemctl", f"try-{command}" if only_running else command, what])
        if moment is Moment.running:
            changes.append(f"{verb}ed {what}")
    host.remove(PENDING)
