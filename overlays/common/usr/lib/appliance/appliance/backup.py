"""`appliance backup`: base backups beside the WAL archive, so that any moment in between can be restored.

    /var/postgres_backups/wal/SEGMENT.gz               written by the server's archive_command
    /var/postgres_backups/base/20311121T040000Z/       base.tar.gz, backup_manifest, first-wal
"""
import datetime
import re
import shutil

from . import apply, postgres, primary, replication
from .errors import ApplianceError

FOLDER = "/var/postgres_backups"
BASE = f"{FOLDER}/base"
WAL = f"{FOLDER}/wal"
NAME = re.compile(r"\d{8}T\d{6}Z")
SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{16})(\.[0-9A-F]{8}\.backup|\.partial)?\.gz")


def backup(host, now=None):
    """Makes a base backup and removes what is too old; returns sentences. A standby leaves it to the primary."""
    environment, role = apply.load(host)
    if not replication.is_web(role, environment):
        raise ApplianceError("only a web node has backups")
    if not primary.is_own(host, environment):
        return [f"{environment.machine.name} is a standby: {primary.current(host, environment).name} makes the backups"]
    now = now or datetime.datetime.now(datetime.timezone.utc)
    name = now.strftime("%Y%m%dT%H%M%SZ")
    if host.exists(f"{BASE}/{name}"):
        raise ApplianceError(f"{BASE}/{name}: is there already")
    _make(host, name)
    keep = int(environment.settings.get("backup_keep_days", 15))
    return [f"made base backup {name}", *clean(host, now - datetime.timedelta(days=keep))]


def names(host):
    """Base backups that are complete, the oldest first."""
    folder = host.path(BASE)
    found = sorted(child.name for child in (folder.iterdir() if folder.is_dir() else ()) if NAME.fullmatch(child.name))
    return [name for name in found if host.exists(f"{BASE}/{name}/first-wal")]


def facts(host):
    """For `appliance status`: how many base backups, and the newest."""
    found = names(host)
    return {"count": len(found), "last": found[-1] if found else ""}


def clean(host, oldest):
    """Removes base backups from before `oldest`, but never the last one, and WAL that none of the others needs."""
    limit = oldest.strftime("%Y%m%dT%H%M%SZ")
    found = names(host)
    changes = []
    for name in [name for name in found if name < limit][:len(found) - 1 if found and found[-1] < limit else None]:
        shutil.rmtree(host.path(f"{BASE}/{name}"))
        changes.append(f"removed base backup {name}")
    kept = names(host)
    if kept:
        removed = _clean_wal(host, min(host.read(f"{BASE}/{name}/first-wal").strip()[8:24] for name in kept))
        changes += [f"removed {removed} WAL files"] if removed else []
    return changes


def _make(host, name):
    part = f"{BASE}/.{name}.part"
    for leftover in host.path(BASE).glob(".*.part"):
        shutil.rmtree(leftover)
    # Before the backup begins, so its first segment is not later than this one.
    first = postgres.sql(host, "SELECT pg_walfile_name(pg_current_wal_lsn())").strip()
    host.command(postgres.as_postgres([postgres.program(host, "pg_basebackup"), "-D", str(host.path(part)), "-F", "tar", "-X", "fetch",
                                       "-Z", "gzip:1" if int(postgres.version(host)) >= 15 else "1", "-c", "fast", "-w"]))
    host.write(f"{part}/first-wal", f"{first}\n", owner="postgres")
    host.path(part).rename(host.path(f"{BASE}/{name}"))


def _clean_wal(host, first):
    """Segments compare by their place alone: their names begin with the timeline."""
    removed = 0
    for child in sorted(host.path(WAL).iterdir()):
        parts = SEGMENT.fullmatch(child.name)
        if parts and parts[2] < first:
            child.unlink()
            removed += 1
    return removed
