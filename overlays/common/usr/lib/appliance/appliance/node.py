"""What a web node does when its database starts: as the primary, or as a standby that catches up first."""
import time

from . import apply, peer, primary, promotion, replication, repmgr, standby
from .errors import ApplianceError


def start(host, environment, role, sleep=time.sleep):
    """Starts the database in the part that the record gives this node; returns what changed.

    Throws ApplianceError if it is fenced, or if another node took over while this one was away.
    """
    state = replication.load(host)
    if state.fenced:
        raise ApplianceError(f"{state.fenced}: run 'appliance rejoin'")
    if state.promoting:
        return promotion.resume(host, environment, role)
    if not primary.is_own(host, environment):
        return standby.start(host, environment, role, sleep)
    newer = replication.successor(host, environment, role)
    if newer:
        reason = f"superseded by {newer.name}"
        peer.fence(host, environment, role, reason, newer)
        raise ApplianceError(f"{reason}: run 'appliance rejoin'")
    return apply.databases(host, environment, role) + repmgr.prepare_primary(host, environment, role)
