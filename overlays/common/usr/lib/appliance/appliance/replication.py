"""Replication between the web nodes: what this node remembers of it, and what the servers say.

    /var/lib/appliance/replication     {"standbys": ["prod-s2"], "degraded": false, "fenced": "", "promoting": false}

`standbys` are those whose confirmation each commit waits for. Never ALTER SYSTEM: its file is copied to standbys; all
settings come from this record through `appliance apply`.
"""
import json
from dataclasses import asdict, dataclass, replace

from . import firewall, postgres, primary
from .errors import ApplianceError

PATH = "/var/lib/appliance/replication"
USER = "repmgr"
CONFIGURATION = "/etc/repmgr.conf"
# Of the role and of this node's number in the cluster; the timeline a writer is on is in the name of its WAL file.
STATE_SQL = ("SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),"
             " (SELECT timeline_id FROM pg_control_checkpoint()))"
             " ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END")


@dataclass(frozen=True)
class State:
    standbys: tuple = ()
    degraded: bool = False
    fenced: str = ""        # why this node must not run its database
    promoting: bool = False


def load(host):
    """What this node remembers. Throws ApplianceError if the record is damaged."""
    text = host.read_or_none(PATH)
    if text is None:
        return State()
    try:
        found = json.loads(text)
        return State(tuple(found["standbys"]), bool(found["degraded"]), str(found["fenced"]), bool(found["promoting"]))
    except (ValueError, KeyError, TypeError):
        raise ApplianceError(f"{PATH}: is damaged: bring it back, or remove it if this node never replicated") from None


def save(host, **changes):
    """Changes the record durably; returns the new State."""
    state = replace(load(host), **changes)
    host.write(PATH, json.dumps(asdict(state)) + "\n", mode=0o600)
    return state


def others(role, environment):
    """The other web nodes."""
    return firewall.peers(role, environment, "web")


def is_web(role, environment):
    return role.group_of(environment.machine) == "web"


def may_write(host, environment, role):
    """Whether this machine may make databases and roles: not on a standby, and not once fenced."""
    if not is_web(role, environment):
        return True
    return primary.is_own(host, environment) and not load(host).fenced


def connection(host, machine, database=USER, seconds=10):
    """libpq's words for a verified login to another web node; the password is in the file of user postgres."""
    return (f"host={machine.name} user={USER} dbname={database} connect_timeout={seconds} application_name=appliance "
            f"sslmode=verify-full sslrootcert=/etc/postgresql/{postgres.version(host)}/main/server.crt "
            f"passfile={postgres.HOME}/.pgpass")


def ask(host, machine, query=STATE_SQL):
    """The first row of `query` at another web node, as texts. Throws ApplianceError if it does not answer."""
    said = host.command(postgres.as_postgres([postgres.program(host, "psql"), "-X", "-w", "-A", "-t", "-q", "-F", "|", "-c", query,
                                              connection(host, machine)]))
    return said.strip().split("|")


def claim_of(host, machine):
    """(whether another web node writes, its timeline). Throws ApplianceError if it does not answer."""
    return _claim(ask(host, machine), machine.name)


def own_claim(host):
    """The same of this node's server."""
    return _claim(postgres.sql(host, STATE_SQL).strip().split("|"), "the server")


def _claim(row, who):
    if len(row) != 2 or row[0] not in ("t", "f") or not row[1].isdigit():
        raise ApplianceError(f"{who} does not know its timeline yet")
    return row[0] == "f", int(row[1])


def successor(host, environment, role):
    """The Claim of a web node that writes on a later timeline than we hold to be the primary's, or None."""
    known = primary.current(host, environment)
    found = None
    for machine in others(role, environment):
        try:
            writes, timeline = claim_of(host, machine)
        except ApplianceError:
            continue
        if writes and timeline > max(known.timeline, found.timeline if found else 0):
            found = primary.Claim(machine.name, timeline)
    return found
