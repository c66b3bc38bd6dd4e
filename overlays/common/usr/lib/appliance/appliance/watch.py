"""`appliance watch`: looks at the replication every few seconds for as long as the machine runs.

    /run/appliance/replication.json     what `observe` saw last
    /run/appliance/www/primary.json     whom this node holds to be the primary, for the authorities
    /var/lib/appliance/last-contact     on a standby: when the primary was heard last, and whether it waited for us

It fences this node if another one took over, and has the primary wait for this standby again once it can.
"""
import json
import time

from . import apply, audit, peer, postgres, primary, progress, replication, standby
from . import environment as environments
from .errors import ApplianceError

ROUND = 5
SEEN = f"{progress.RUN}/replication.json"
CONTACT = "/var/lib/appliance/last-contact"
CONTACT_EVERY = 15
ASK_EVERY = 30
# Asking the primary costs both of them a handshake.
SYNC_EVERY = 15

SQL = """SELECT json_build_object('writes', NOT pg_is_in_recovery(),
 'standbys', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'sync_state', sync_state,
    'lag_bytes', CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) END,
    'lag_seconds', round(extract(epoch FROM coalesce(flush_lag, interval '0'))::numeric, 1), 'heard', reply_time)), '[]')
    FROM pg_stat_replication WHERE state = 'streaming'),
 'lost_slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE wal_status = 'lost'),
 'archive_fails', (SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) FROM pg_stat_archiver),
 'stream', (SELECT json_build_object('lag_bytes', pg_wal_lsn_diff(coalesce(latest_end_lsn, flushed_lsn), pg_last_wal_replay_lsn()),
    'lag_seconds', CASE WHEN coalesce(latest_end_lsn, flushed_lsn) <= pg_last_wal_replay_lsn() THEN 0
                   ELSE round(extract(epoch FROM now() - pg_last_xact_replay_timestamp())::numeric, 1) END)
    FROM pg_stat_wal_receiver WHERE status = 'streaming'))"""


def run(host, sleep=time.sleep, now=time.monotonic):
    """Never returns."""
    watcher = Watcher(host, now)
    while True:
        try:
            watcher.round()
        except (ApplianceError, OSError, ValueError, KeyError) as error:
            # A watcher that ends sees nothing any more; the next round may do better.
            print(f"this round failed, ignoring: {error}", flush=True)
        sleep(ROUND)


class Watcher:
    def __init__(self, host, now=time.monotonic):
        self.host = host
        self.now = now
        self.alarms = []
        self.loaded = None
        self.due = {}
        self.heard = {}
        self.sync = ""

    def round(self):
        """Looks once, publishes, and acts; returns what it saw."""
        environment, role = self.load()
        facts = observe(self.host, environment, role, self.heard, None if self.is_due("sync", SYNC_EVERY) else self.sync)
        self.sync = facts["sync_state"]
        self.heard = {one["name"]: one["heard"] for one in facts["standbys"]}
        self.host.write(SEEN, json.dumps(facts) + "\n")
        primary.publish(self.host, environment)
        self.tell(facts["alarms"])
        if facts["acts"] == "primary" and set(facts["waits_for"]) - {s["name"] for s in facts["standbys"]}:
            self.look_for_successor(environment, role)
        elif facts["acts"] == "standby":
            self.keep_synchronous(environment, facts)
        return facts

    def load(self):
        """The environment, read again only when its file changed: that costs a second on a slow machine."""
        stamp = self.host.path(environments.PATH).stat().st_mtime_ns
        if not self.loaded or self.loaded[0] != stamp:
            self.loaded = (stamp, *apply.load(self.host))
        return self.loaded[1:]

    def tell(self, alarms):
        for alarm in alarms:
            if alarm not in self.alarms:
                print(f"alarm: {alarm}", flush=True)
        for alarm in self.alarms:
            if alarm not in alarms:
                print(f"over: {alarm}", flush=True)
        self.alarms = alarms

    def look_for_successor(self, environment, role):
        newer = replication.successor(self.host, environment, role)
        if newer:
            peer.fence(self.host, environment, role, f"superseded by {newer.name}", newer)

    def keep_synchronous(self, environment, facts):
        if facts["sync_state"] and self.is_due("contact", CONTACT_EVERY):
            contact = {"at": audit.now(), "primary": facts["primary"], "sync_state": facts["sync_state"]}
            self.host.write(CONTACT, json.dumps(contact) + "\n", mode=0o600)
        wanted = facts["streams"] and facts["sync_state"] not in standby.SYNCHRONOUS
        if wanted and self.host.exists(standby.CLONED) and self.is_due("ask", ASK_EVERY):
            standby.become_synchronous(self.host, environment)

    def is_due(self, what, seconds):
        if self.now() < self.due.get(what, float("-inf")):
            return False
        self.due[what] = self.now() + seconds
        return True


def observe(host, environment, role, heard=None, sync=None):
    """How the replication is, as shown by `appliance status`; never fails because a server does not answer.

    `heard`: by name, when a standby had been heard in the last round. One that was not heard since then, although it
    answers every second, is gone, long before TCP knows. `sync`: what the primary said a moment ago of this standby.
    """
    claim = primary.current(host, environment)
    state = replication.load(host)
    seen = _look(host)
    facts = {"acts": _part(environment, claim, state, replication.others(role, environment)), "primary": claim.name,
             "timeline": claim.timeline, "sync_state": "", "streams": False, "lag_bytes": None, "lag_seconds": None,
             "standbys": [one for one in (seen["standbys"] if seen else []) if (heard or {}).get(one["name"]) != one["heard"]],
             "waits_for": list(state.standbys), "degraded": state.degraded,
             "fenced": state.fenced, "checked": audit.now()}
    if seen and facts["acts"] == "standby":
        _add_stream(host, environment, facts, seen, sync)
    elif seen and facts["standbys"]:
        worst = max(facts["standbys"], key=lambda one: one["lag_bytes"])
        facts.update({key: worst[key] for key in ("sync_state", "lag_bytes", "lag_seconds")}, streams=True)
    return {**facts, "alarms": _alarms(facts, seen)}


def last_contact(host):
    """What this standby noted last about the primary, or None."""
    try:
        return json.loads(host.read_or_none(CONTACT) or "null")
    except ValueError:
        return None


def _part(environment, claim, state, others):
    if state.fenced:
        return "fenced"
    if claim.name != environment.machine.name:
        return "standby"
    return "primary" if others else "alone"


def _look(host):
    try:
        return json.loads(postgres.sql(host, SQL))
    except (ApplianceError, ValueError):
        return None


def _add_stream(host, environment, facts, seen, sync):
    if not seen["stream"]:
        return
    facts.update(seen["stream"], streams=True)
    try:
        facts["sync_state"] = sync or standby.sync_state(host, environment, primary.machine(host, environment))
    except ApplianceError:
        facts["streams"] = False


def _alarms(facts, seen):
    if facts["acts"] == "fenced":
        return [f"fenced, {facts['fenced']}: run 'appliance rejoin'"]
    if seen is None:
        return ["the database does not answer"]
    alarms = [f"replication slot {name} is lost: run 'appliance rejoin' on its standby" for name in seen["lost_slots"]]
    if seen["archive_fails"]:
        alarms.append("WAL cannot be archived: see the log of PostgreSQL")
    if facts["acts"] == "standby":
        if not facts["streams"]:
            alarms.append(f"no stream from {facts['primary']}")
        elif facts["sync_state"] not in standby.SYNCHRONOUS:
            alarms.append(f"{facts['primary']} does not wait for this node with its commits")
    if facts["acts"] == "primary":
        streaming = {one["name"] for one in facts["standbys"]}
        alarms += [f"standby {name} is gone: commits wait for it" for name in facts["waits_for"] if name not in streaming]
        if facts["degraded"]:
            alarms.append("works alone: commits wait for no standby")
        elif not facts["waits_for"]:
            alarms.append("no standby has registered yet: commits wait for none")
    return alarms
