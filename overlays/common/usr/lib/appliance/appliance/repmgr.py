"""The cluster's book-keeping with repmgr: its role's rights, its record of each node, clone and rejoin."""
from . import postgres, replication
from .errors import ApplianceError

# pg_monitor: settings and statistics, which repmgr reads. The functions are what pg_rewind needs. No superuser.
# Its own book-keeping must not wait for a standby that is not there.
RIGHTS = """BEGIN;
CREATE EXTENSION repmgr;
ALTER ROLE repmgr REPLICATION;
ALTER ROLE repmgr SET synchronous_commit = 'local';
GRANT pg_monitor TO repmgr;
GRANT USAGE ON SCHEMA repmgr TO repmgr;
GRANT ALL ON ALL TABLES IN SCHEMA repmgr TO repmgr;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA repmgr TO repmgr;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean), pg_catalog.pg_stat_file(text, boolean),
  pg_catalog.pg_read_binary_file(text), pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO repmgr;
COMMIT;
"""
DATABASE = replication.USER


def run(host, *words):
    """Runs repmgr as postgres, which never asks. Throws ApplianceError with its last words."""
    return host.command(postgres.as_postgres([postgres.program(host, "repmgr"), "-f", replication.CONFIGURATION, *words]))


def prepare_primary(host, environment, role):
    """Gives the role repmgr its rights and registers this node; returns what changed."""
    if not replication.others(role, environment):
        return []
    changes = []
    if postgres.sql(host, "SELECT count(*) FROM pg_extension WHERE extname = 'repmgr'", DATABASE).strip() == "0":
        postgres.sql(host, RIGHTS, DATABASE)
        changes.append("gave database role repmgr its rights")
    if not _is_registered(host, environment):
        run(host, "primary", "register", "--force")
        changes.append(f"registered {environment.machine.name} as primary")
    return changes


def promoted(host, environment):
    """Notes in the book-keeping that this node is the primary now; all others are gone until they register again."""
    number = int(environment.machine.node_id)
    postgres.sql(host, f"UPDATE repmgr.nodes SET active = false, type = 'standby' WHERE node_id <> {number};\n"
                       f"UPDATE repmgr.nodes SET active = true, type = 'primary', upstream_node_id = NULL WHERE node_id = {number};",
                 DATABASE)


def takes_replicas(host, target):
    """Throws ApplianceError unless `target` takes our replication login and knows itself as primary."""
    host.command(postgres.as_postgres([postgres.program(host, "psql"), "-X", "-w", "-A", "-t", "-q", "-c", "IDENTIFY_SYSTEM",
                                       replication.connection(host, target) + " replication=1"]))
    known = replication.ask(host, target, f"SELECT count(*) FROM repmgr.nodes WHERE node_id = {int(target.node_id)}"
                                          " AND type = 'primary' AND active")
    if known != ["1"]:
        raise ApplianceError(f"{target.name} is not registered as primary yet")


def clone(host, target):
    """Makes the empty data folder a copy of `target`."""
    run(host, "-d", replication.connection(host, target, seconds=10), "standby", "clone", "--force", "--fast-checkpoint")


def register_standby(host, environment, target):
    """Registers this node as standby of `target`, if it is not; returns whether it did."""
    number = int(environment.machine.node_id)
    known = replication.ask(host, target, f"SELECT count(*) FROM repmgr.nodes WHERE node_id = {number} AND type = 'standby'"
                                          f" AND active AND upstream_node_id = {int(target.node_id)}")
    if known == ["1"]:
        return False
    run(host, "standby", "register", "--force", f"--upstream-node-id={int(target.node_id)}")
    return True


def rejoin(host, target):
    """Turns back what `target` does not have, by pg_rewind, and starts as its standby. Throws ApplianceError if it cannot."""
    run(host, "-d", replication.connection(host, target, seconds=10), "node", "rejoin", "--force-rewind")


def _is_registered(host, environment):
    number = int(environment.machine.node_id)
    return postgres.sql(host, f"SELECT count(*) FROM repmgr.nodes WHERE node_id = {number} AND type = 'primary' AND active",
                        DATABASE).strip() == "1"
