"""`appliance promote` and `appliance degrade`: acts of a person, each refused unless it is safe, each logged."""
import socket

from . import apply, audit, postgres, primary, replication, repmgr, ssh, standby, watch
from .errors import ApplianceError

PROMOTE_S = 300


def promote(host, off_reason="", loss_reason=""):
    """Makes this standby the primary; returns sentences for people.

    `off_reason`: why the person knows that the old primary is off, for when it cannot be told to fence itself.
    `loss_reason`: why commits that only the old primary has may be lost. Throws ApplianceError to refuse.
    """
    environment, role = apply.load(host)
    if replication.load(host).promoting:
        return resume(host, environment, role)
    _check_standby(host, environment, role)
    old = primary.machine(host, environment)
    facts = [_fence(host, old, off_reason, loss_reason)]
    audit.note(host, f"promotion begins: {facts[0]}")
    replication.save(host, promoting=True)
    host.remove(standby.CLONED)
    if postgres.sql(host, f"SELECT pg_promote(true, {PROMOTE_S})").strip() != "t":
        raise ApplianceError(f"the server did not end recovery within {PROMOTE_S} s: run 'appliance promote' again")
    return facts + resume(host, environment, role)


def resume(host, environment, role):
    """Completes a promotion, also one that was cut off at any point; returns what it did."""
    standby.start_server(host)
    writes, timeline = replication.own_claim(host)
    if not writes:
        # Cut off before the server was told: still a standby, and `appliance promote` may be run again.
        standby.mark_cloned(host, primary.machine(host, environment))
        replication.save(host, promoting=False)
        return standby.start(host, environment, role)
    primary.record(host, primary.Claim(environment.machine.name, timeline))
    replication.save(host, standbys=(), degraded=False, fenced="", promoting=False)
    repmgr.promoted(host, environment)
    changes = apply.apply(host, apply.Moment.running, patience=120)
    primary.publish(host, environment)
    # pg_rewind believes the control file, which learns of the new timeline only now.
    postgres.sql(host, "CHECKPOINT")
    audit.note(host, f"promoted to primary, timeline {timeline}")
    return [*changes, f"{environment.machine.name} is the primary, timeline {timeline}"]


def degrade(host, is_sure):
    """Lets this primary acknowledge commits without a standby. `is_sure`: asks the person. Returns sentences."""
    environment, role = apply.load(host)
    state = replication.load(host)
    if not primary.is_own(host, environment) or state.fenced:
        raise ApplianceError(f"{environment.machine.name} is not the primary")
    if not state.standbys:
        return ["no commit waits for a standby: nothing changed"]
    streaming = postgres.sql(host, "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'").split()
    waiting = sorted(set(state.standbys) & set(streaming))
    if waiting:
        raise ApplianceError(f"{', '.join(waiting)} streams: there is no need to work alone")
    if not is_sure(f"Commits will be acknowledged that only {environment.machine.name} has; they are lost if it is."):
        raise ApplianceError("not confirmed: nothing changed")
    replication.save(host, standbys=(), degraded=True)
    apply.apply(host, apply.Moment.running, patience=120)
    audit.note(host, f"degraded: commits no longer wait for {', '.join(state.standbys)}")
    return [f"commits no longer wait for {', '.join(state.standbys)}; they do again once it has come back"]


def _check_standby(host, environment, role):
    if not replication.is_web(role, environment):
        raise ApplianceError("only a web node can be promoted")
    fenced = replication.load(host).fenced
    if fenced:
        raise ApplianceError(f"this database is fenced, {fenced}: run 'appliance rejoin'")
    if primary.is_own(host, environment):
        raise ApplianceError(f"{environment.machine.name} is the primary already")
    if not host.exists(standby.CLONED):
        raise ApplianceError("this node has no complete copy of the primary's database")
    if not postgres.is_up(host):
        raise ApplianceError(f"{postgres.unit(host)} does not run: start it first")


def _fence(host, old, off_reason, loss_reason):
    """Makes sure that the old primary acknowledges nothing any more; returns how we know."""
    try:
        after = ssh.tell(host, old, "fence-anyway" if loss_reason else "fence")
    except ssh.Unreachable as error:
        return _without_proof(host, old, off_reason, loss_reason, error)
    except ApplianceError as error:
        raise ApplianceError(f"{error}: let this standby catch up, or give --accept-loss REASON") from None
    if not after["fenced"]:
        raise ApplianceError(f"{old.name} did not fence itself")
    loss = f"; commits of it may be lost: {loss_reason}" if loss_reason else ""
    return f"{old.name} is fenced: its database is stopped until it rejoins{loss}"


def _without_proof(host, old, off_reason, loss_reason, error):
    contact = watch.last_contact(host)
    seen = f"last contact {contact['at']}, then {contact['sync_state'] or 'not synchronous'}" if contact else "no contact is on record"
    if not off_reason:
        raise ApplianceError(f"{error}: nothing proves that it is off ({seen}); switch it off, then give --old-primary-is-off REASON")
    if _answers(old.private_ip):
        raise ApplianceError(f"{old.name} is not off: its database answers at {old.private_ip}:5432")
    if (contact or {}).get("sync_state") not in standby.SYNCHRONOUS and not loss_reason:
        raise ApplianceError(f"when {old.name} was seen last, its commits did not wait for this node ({seen}), so some may be there "
                             "only: give --accept-loss REASON too")
    loss = f"; commits of it may be lost: {loss_reason}" if loss_reason else ""
    return f"OVERRIDE, {old.name} was not fenced but is said to be off: {off_reason}; {seen}{loss}"


def _answers(address):
    try:
        with socket.create_connection((address, 5432), timeout=5):
            return True
    except OSError:
        return False
