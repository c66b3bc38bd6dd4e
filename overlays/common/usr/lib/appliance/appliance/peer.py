"""What another web node may ask of this one, through the forced command of its key: a closed set of words."""
from . import apply, audit, postgres, primary, progress, replication, standby
from .errors import ApplianceError


def answer(host, caller, word):
    """Does `word` for the web node `caller`, to whose key it is bound; returns a mapping. Throws ApplianceError to refuse."""
    environment, role = apply.load(host)
    if caller not in [machine.name for machine in replication.others(role, environment)]:
        raise ApplianceError(f"'{caller}' is no other web node of this deployment")
    return WORDS[word](host, environment, role, caller)


def _status(host, environment, role, _):
    state = replication.load(host)
    return {"primary": primary.current(host, environment).name, "standbys": list(state.standbys), "degraded": state.degraded,
            "fenced": state.fenced}


def _synchronous(host, environment, role, caller):
    """From now on each commit waits for `caller`."""
    state = replication.load(host)
    if not primary.is_own(host, environment) or state.fenced:
        raise ApplianceError(f"{environment.machine.name} is not the primary")
    streaming = postgres.sql(host, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = "
                                   f"'{caller}'").strip()
    if streaming != "1":
        raise ApplianceError(f"{caller} does not stream")
    if caller not in state.standbys or state.degraded:
        replication.save(host, standbys=tuple(sorted({*state.standbys, caller})), degraded=False)
        apply.apply(host, apply.Moment.running, patience=120)
        audit.note(host, f"commits wait for {caller}")
    return _status(host, environment, role, caller)


def _fence(host, environment, role, caller):
    """Makes room for `caller`, which has all that was acknowledged here."""
    state = replication.load(host)
    if primary.is_own(host, environment) and caller not in state.standbys:
        raise ApplianceError(f"{environment.machine.name} does not wait for {caller} with its commits, so some may be here only")
    return _fence_anyway(host, environment, role, caller)


def _fence_anyway(host, environment, role, caller):
    if not replication.load(host).fenced:
        fence(host, environment, role, f"superseded by {caller}")
    return _status(host, environment, role, caller)


def fence(host, environment, role, reason, claim=None):
    """Stops this node's database for good: until `appliance rejoin`. `claim`: the new primary, if there is one already."""
    with apply.lock(host, patience=120):
        # First the record, so that not even a reboot in the next moment starts it.
        replication.save(host, fenced=reason)
        if claim:
            primary.record(host, claim)
            primary.publish(host, environment)
        standby.stop_server(host)
    audit.note(host, f"fenced, {reason}: database stopped")
    progress.fail(host, f"{reason}: run 'appliance rejoin'")
    apply.apply(host, apply.Moment.running, patience=120)


WORDS = {"status": _status, "synchronous": _synchronous, "fence": _fence, "fence-anyway": _fence_anyway}
