"""`appliance pull`: copies the ballots' files from the primary. Without deletions; each file appears complete or not at all.

    /var/lib/appliance/last-pull     {"at": UTC of the last success, "from": machine, "tried": UTC, "problem": ""}
"""
import json

from . import apply, audit, primary, replication, standby
from .errors import ApplianceError, on_one_line
from .ssh import OPTIONS

FOLDER = "/home/ballotbox/datastore"
RECORD = "/var/lib/appliance/last-pull"
USER = "ballotbox"
NEVER = {"at": "", "from": "", "tried": "", "problem": ""}


def pull(host):
    """Copies what this standby lacks; returns sentences. Throws ApplianceError, which is also recorded."""
    environment, role = apply.load(host)
    if not replication.is_web(role, environment):
        raise ApplianceError("only a web node has a datastore")
    if primary.is_own(host, environment):
        return [f"{environment.machine.name} is the primary: there is nothing to pull"]
    if not host.exists(standby.CLONED):
        return [f"{environment.machine.name} is no standby yet: there is nothing to pull"]
    source = primary.machine(host, environment)
    done = host.run(_command(source))
    now = audit.now()
    if done.returncode != 0:
        problem = on_one_line(f"{source.name}: {(done.stderr or 'said nothing')[-400:]}")
        _note(host, {**last(host), "tried": now, "problem": problem})
        raise ApplianceError(f"datastore cannot be pulled from {problem}")
    host.run(["sync", "-f", str(host.path(FOLDER))])
    _note(host, {"at": now, "from": source.name, "tried": now, "problem": ""})
    return [f"pulled the datastore from {source.name}"]


def last(host):
    """The record of the last pull, with empty texts if there was none."""
    try:
        return {**NEVER, **json.loads(host.read_or_none(RECORD) or "{}")}
    except ValueError:
        return dict(NEVER)


def _note(host, record):
    host.write(RECORD, json.dumps(record) + "\n", mode=0o600)


def _command(source):
    # The other side serves its datastore read-only and nothing else, whatever is asked: rsync's daemon on our connection.
    way = " ".join(["ssh", *OPTIONS, "-i", f"/home/{USER}/.ssh/id_ed25519"])
    return ["runuser", "-u", USER, "--", "rsync", "-rlt", "--safe-links", "--timeout=120", "-e", way,
            f"{USER}@{source.name}::datastore/", f"{FOLDER}/"]
