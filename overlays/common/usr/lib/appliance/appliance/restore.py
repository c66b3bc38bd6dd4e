"""`appliance restore`: brings the database back to a base backup, and from there to the last or any moment of the WAL archive.

The old data folder stays beside the new one as `main.before-restore` until the new one works, and after that until the next restore.
"""
import os
import re
import shutil
import time

from . import apply, audit, backup, boot, postgres, primary, replication, repmgr, standby
from .errors import ApplianceError
from .host import owner_ids

TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}(:?\d{2})?)")
WAIT_S = 6 * 3600


def restore(host, name, moment=""):
    """Restores base backup `name` up to `moment` (a UTC time, or the end of the archive); returns sentences."""
    environment, role = apply.load(host)
    _check(host, environment, role, name, moment)
    audit.note(host, f"restore of {name} begins" + (f", up to {moment}" if moment else ""))
    data, old = postgres.data(host), f"{postgres.data(host)}.before-restore"
    _archive_the_last(host)
    # The standby goes on with what is now wrong; nobody must wait for it.
    replication.save(host, standbys=(), degraded=False)
    standby.stop_server(host)
    shutil.rmtree(host.path(old), ignore_errors=True)
    host.path(data).rename(host.path(old))
    try:
        _unpack(host, name, data)
        _recover(host, moment, data, old)
    except (ApplianceError, OSError):
        _put_back(host, environment, data, old)
        raise
    return _complete(host, environment, role, name, old)


def _check(host, environment, role, name, moment):
    if not replication.is_web(role, environment):
        raise ApplianceError("only a web node has backups")
    if not primary.is_own(host, environment) or replication.load(host).fenced:
        raise ApplianceError(f"{environment.machine.name} is not the primary: restore there, then 'appliance rejoin' here")
    if name not in backup.names(host):
        known = ", ".join(backup.names(host)) or "none"
        raise ApplianceError(f"there is no base backup '{name}', there are: {known}")
    if moment and not TIME.fullmatch(moment):
        raise ApplianceError(f"--to: must be a time such as 2031-11-21T04:00:00Z, is '{moment}'")
    host.command(["gzip", "-t", str(host.path(f"{backup.BASE}/{name}/base.tar.gz"))])


def _archive_the_last(host):
    """So that even the newest commits are in the archive; a server that is broken need not be able to."""
    try:
        postgres.sql(host, "SELECT pg_switch_wal()")
    except ApplianceError as error:
        print(f"the newest WAL is taken from the old folder: {error}", flush=True)


def _unpack(host, name, data):
    folder = host.path(data)
    folder.mkdir(mode=0o700)
    if host.is_real:
        os.chown(folder, *owner_ids("postgres"))
    host.command(postgres.as_postgres(["tar", "-xzf", str(host.path(f"{backup.BASE}/{name}/base.tar.gz")), "-C", str(folder)]))
    host.remove(f"{data}/standby.signal")
    host.write(f"{data}/recovery.signal", "", mode=0o600, owner="postgres")


def _recover(host, moment, data, old):
    # In a file of its own that goes away afterwards: a standby's copy of postgresql.auto.conf must not know it.
    lines = [f"restore_command = '/usr/lib/appliance/restore-wal %f %p {old}/pg_wal'", "recovery_target_action = 'promote'",
             "synchronous_standby_names = ''"]
    # Names of time zones, Z among them, are not known yet when this is read.
    lines += [f"recovery_target_time = '{moment.replace('Z', '+00')}'"] if moment else []
    host.write(_settings(host), "\n".join(lines) + "\n", owner="postgres")
    host.command(["systemctl", "start", postgres.unit(host)])
    postgres.wait_until_up(host, seconds=WAIT_S)
    for _ in range(WAIT_S):
        if postgres.sql(host, "SELECT pg_is_in_recovery()").strip() == "f":
            return
        time.sleep(1)
    raise ApplianceError(f"recovery did not end within {WAIT_S} s")


def _settings(host):
    return f"/etc/postgresql/{postgres.version(host)}/main/conf.d/restore.conf"


def _put_back(host, environment, data, old):
    host.run(["systemctl", "stop", postgres.unit(host)])
    host.remove(_settings(host))
    if host.path(data).exists():
        shutil.rmtree(host.path(data))
    host.path(old).rename(host.path(data))
    audit.note(host, "restore failed: the old database is back")
    apply.apply(host, apply.Moment.running, patience=120)


def _complete(host, environment, role, name, old):
    host.remove(_settings(host))
    _, timeline = replication.own_claim(host)
    primary.record(host, primary.Claim(environment.machine.name, timeline))
    primary.publish(host, environment)
    apply.apply(host, apply.Moment.running, patience=120)
    repmgr.prepare_primary(host, environment, role)
    audit.note(host, f"restored {name}, timeline {timeline}")
    sentences = [f"restored {name}, timeline {timeline}", f"the old database is in {old} until the next restore", *boot.recover(host)]
    others = ", ".join(machine.name for machine in replication.others(role, environment))
    return sentences + ([f"now run 'appliance rejoin' on {others}: until then commits wait for no standby"] if others else [])
