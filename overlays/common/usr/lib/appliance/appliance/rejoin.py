"""`appliance rejoin`: one command that makes a former primary, or a standby that lost the thread, a standby again."""
import time

from . import apply, audit, boot, postgres, primary, replication, repmgr, standby
from .errors import ApplianceError

CHECKPOINT_S = 600


def rejoin(host):
    """Returns sentences for people. Throws ApplianceError if no other web node says that it is the primary."""
    environment, role = apply.load(host)
    if not replication.is_web(role, environment):
        raise ApplianceError("only a web node can rejoin")
    claim = _writer(host, environment, role)
    if claim is None:
        return _unfence(host, environment, role)
    target = next(machine for machine in environment.machines if machine.name == claim.name)
    if _follows(host, environment, claim, target):
        return [f"{environment.machine.name} follows {claim.name} already: nothing changed"]
    audit.note(host, f"rejoins {claim.name}, timeline {claim.timeline}")
    _forget_own_part(host, environment, claim)
    how = _rewind(host, environment, target) or standby.clone(host, environment)
    standby.mark_cloned(host, target)
    standby.start_server(host)
    standby.join(host, environment)
    drop_slots(host)
    audit.note(host, f"is a standby of {claim.name}: {how[0]}")
    return [*how, f"{environment.machine.name} is a synchronous standby of {claim.name}", *boot.recover(host)]


def drop_slots(host):
    """Slots from the time as a primary would keep WAL for ever."""
    postgres.sql(host, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")


def _writer(host, environment, role):
    """The Claim of the other web node that writes, or None. Throws ApplianceError if no other one answers."""
    silent = []
    claims = []
    for machine in replication.others(role, environment):
        try:
            writes, timeline = replication.claim_of(host, machine)
        except ApplianceError as error:
            silent.append(error.problems[0])
            continue
        if writes:
            claims.append(primary.Claim(machine.name, timeline))
    if silent and not claims:
        raise ApplianceError(f"no other web node says that it is the primary: {'; '.join(silent)}")
    return max(claims, key=lambda claim: claim.timeline, default=None)


def _follows(host, environment, claim, target):
    if primary.current(host, environment) != claim or replication.load(host).fenced or not host.exists(standby.CLONED):
        return False
    return postgres.is_up(host) and standby.is_streaming(host)


def _unfence(host, environment, role):
    """Every other web node is a standby: a promotion was broken off after it had fenced us, so we go on as the primary."""
    if not primary.is_own(host, environment):
        raise ApplianceError("no other web node is the primary, and this one was not it: promote one of them first")
    if not replication.load(host).fenced:
        return [f"{environment.machine.name} is the primary: nothing changed"]
    replication.save(host, fenced="")
    audit.note(host, "goes on as the primary: no other node was promoted")
    return [*apply.apply(host, apply.Moment.running, patience=120), *boot.recover(host)]


def _forget_own_part(host, environment, claim):
    """From here on a power cut leads to a new clone at the next boot, and never to a second primary."""
    host.remove(standby.CLONED)
    primary.record(host, claim)
    primary.publish(host, environment)
    standby.stop_server(host)
    replication.save(host, fenced="", promoting=False, standbys=(), degraded=False)
    apply.apply(host, apply.Moment.running, patience=120)


def _rewind(host, environment, target):
    """[sentence] if pg_rewind could do it, or []: then the copy must be made anew."""
    try:
        slot = f"repmgr_slot_{int(environment.machine.node_id)}"
        if replication.ask(host, target, f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{slot}'") == ["lost"]:
            raise ApplianceError(f"{target.name} let go of the WAL for this node")
        _shut_down_cleanly(host)
        _await_checkpoint(host, target)
        repmgr.rejoin(host, target)
        return [f"turned back to {target.name} with pg_rewind"]
    except ApplianceError as error:
        print(f"cannot rewind, clones anew: {error}", flush=True)
        host.run(["systemctl", "stop", postgres.unit(host)])
        return []


def _await_checkpoint(host, target, sleep=time.sleep):
    """Until the control file of `target` names its timeline, pg_rewind takes both for one history and turns nothing back."""
    for _ in range(CHECKPOINT_S):
        _, timeline = replication.claim_of(host, target)
        if replication.ask(host, target, "SELECT timeline_id FROM pg_control_checkpoint()") == [str(timeline)]:
            return
        sleep(1)
    raise ApplianceError(f"{target.name} made no checkpoint on its timeline within {CHECKPOINT_S} s")


def _shut_down_cleanly(host):
    """pg_rewind wants a server that was shut down; after a crash its recovery runs here without taking connections."""
    folder = postgres.data(host)
    said = host.command(postgres.as_postgres([postgres.program(host, "pg_controldata"), "-D", str(host.path(folder))]))
    state = next(line.split(":", 1)[1].strip() for line in said.splitlines() if line.startswith("Database cluster state:"))
    if state in ("shut down", "shut down in recovery"):
        return
    if host.exists(f"{folder}/standby.signal"):
        standby.start_server(host)
        standby.stop_server(host)
        return
    host.command(postgres.as_postgres([
        postgres.program(host, "postgres"), "--single", "-D", str(host.path(folder)), "-c",
        f"config_file=/etc/postgresql/{postgres.version(host)}/main/postgresql.conf", "-c", "archive_mode=off", "postgres"]))
