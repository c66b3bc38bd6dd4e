"""A web node that is not the primary: clones it once, follows it, and has it wait for us with each commit.

Nothing here has a time limit: whichever machine boots first, the other one comes some time.
"""
import os
import shutil
import time

from . import postgres, primary, progress, replication, repmgr, ssh
from .errors import ApplianceError
from .host import owner_ids

# The data folder is a standby's copy. Without it, it is cloned anew: half a clone, or data of an earlier primary.
CLONED = "/var/lib/appliance/cloned"
SYNCHRONOUS = ("sync", "quorum")
PAUSE = 3


def start(host, environment, role, sleep=time.sleep):
    """Starts this standby's server and returns once the primary's commits wait for it; returns what changed."""
    changes = []
    if not host.exists(CLONED):
        wait_for_primary(host, environment, sleep)
        changes += clone(host, environment)
    changes += start_server(host)
    join(host, environment, sleep)
    return changes


def wait_for_primary(host, environment, sleep=time.sleep):
    """Waits until the primary takes our replication login."""
    target = primary.machine(host, environment)
    progress.stage(host, f"waiting for {target.name}")
    said = ""
    while True:
        try:
            return repmgr.takes_replicas(host, target)
        except ApplianceError as error:
            if error.problems[0] != said:
                said = error.problems[0]
                print(said, flush=True)
        sleep(PAUSE)


def clone(host, environment):
    """Replaces the data folder by a copy of the primary's."""
    target = primary.machine(host, environment)
    progress.stage(host, f"clone of {target.name}")
    stop_server(host)
    host.remove(CLONED)
    _empty(host, postgres.data(host))
    repmgr.clone(host, target)
    mark_cloned(host, target)
    return [f"cloned {target.name}"]


def mark_cloned(host, target):
    host.write(CLONED, f"{target.name}\n", mode=0o600)


def start_server(host):
    unit = postgres.unit(host)
    if postgres.is_up(host):
        return []
    host.command(["systemctl", "start", unit])
    postgres.wait_until_up(host, seconds=600)
    return [f"started {unit}"]


def stop_server(host):
    """Stops the server; nothing of it is left afterwards. Throws ApplianceError otherwise."""
    host.command(["systemctl", "stop", postgres.unit(host)])
    if host.succeeds(["pgrep", "-u", "postgres", "-x", "postgres"]):
        raise ApplianceError(f"{postgres.unit(host)}: was stopped, but processes of it still run")


def join(host, environment, sleep=time.sleep):
    """Returns once we are registered, stream, and the primary's commits wait for us; or once we were promoted."""
    said = ""
    while not primary.is_own(host, environment):
        state = replication.load(host)
        if state.fenced:
            raise ApplianceError(f"this database is fenced, {state.fenced}: run 'appliance rejoin'")
        try:
            return become_synchronous(host, environment)
        except ApplianceError as error:
            if error.problems[0] != said:
                said = error.problems[0]
                progress.stage(host, f"waiting for {primary.machine(host, environment).name}")
                print(said, flush=True)
        sleep(PAUSE)


def become_synchronous(host, environment):
    """Registers and asks the primary to wait for us, as far as that is not so. Throws ApplianceError if it is not so then."""
    target = primary.machine(host, environment)
    if not is_streaming(host):
        raise ApplianceError(f"no stream from {target.name} yet")
    repmgr.register_standby(host, environment, target)
    if sync_state(host, environment, target) not in SYNCHRONOUS:
        ssh.tell(host, target, "synchronous")
        if sync_state(host, environment, target) not in SYNCHRONOUS:
            raise ApplianceError(f"{target.name} does not wait for us yet")


def is_streaming(host):
    return postgres.sql(host, "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'").strip() == "1"


def sync_state(host, environment, target):
    """What the primary says of us: sync, quorum, potential, async, or '' if we do not stream."""
    return replication.ask(host, target, "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming' AND application_name = "
                                         f"'{environment.machine.name}'")[0]


def _empty(host, folder):
    """The folder stays: a missing one means a lost disk."""
    path = host.path(folder)
    if path.is_symlink():
        raise ApplianceError(f"{folder}: must be a folder, is a link")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for child in path.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    path.chmod(0o700)
    if host.is_real:
        os.chown(path, *owner_ids("postgres"))
