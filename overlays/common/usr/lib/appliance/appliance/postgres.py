"""PostgreSQL on this machine: version, cluster `main`, memory, databases and their roles."""
import os
import re
import shutil
import time
from contextlib import contextmanager

from . import scram
from .errors import ApplianceError

PROGRAMS = "/usr/lib/postgresql"
HOME = "/var/lib/postgresql"
CLOSED = "/etc/cloud/cloud-init.disabled"
MADE = "/var/lib/appliance/cluster-made"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def version(host):
    """Major version of the cluster `main`, or of the newest server installed. Throws ApplianceError if there is none."""
    found = _versions(host, "/etc/postgresql", "main/postgresql.conf") or _versions(host, PROGRAMS, "bin/initdb")
    if not found:
        raise ApplianceError(f"{PROGRAMS}: there is no PostgreSQL server in this image")
    return str(max(found))


def unit(host):
    return f"postgresql@{version(host)}-main.service"


def data(host):
    """Folder of the cluster `main`."""
    return f"{HOME}/{version(host)}/main"


def is_up(host):
    return host.succeeds([program(host, "pg_isready"), "-q"])


def tuning(memory_mib, cores):
    """Settings that follow the machine's size. Formula of the ECS appliance (facts/seeds.md 5.10)."""
    pool = max(512, memory_mib - 2560 - 256 * cores)
    work_kib = (pool - pool // 4) * 1024 // 96 // cores
    return {"max_connections": 36 + 8 * cores,
            "shared_buffers": f"{pool // 4}MB",
            "work_mem": f"{min(65536, max(4096, work_kib))}kB",
            "effective_cache_size": f"{max(2048, pool * 3 // 4)}MB"}


def wal_limit(disk_mib):
    """MiB of WAL that a standby which is away may hold back: a quarter of the disk, so that the primary goes on."""
    return max(512, min(16384, disk_mib // 4 // 64 * 64))


def ensure_cluster(host):
    """Makes the cluster `main` if this is the first boot; returns whether it did.

    A first boot that was cut off leaves half a cluster: it is removed, for nobody can have used it. Later a missing
    cluster is never replaced by an empty one.
    """
    number = version(host)
    folders = [host.path(f"/etc/postgresql/{number}/main"), host.path(f"/var/lib/postgresql/{number}/main")]
    if host.exists(MADE):
        missing = [folder for folder in folders if not folder.is_dir()]
        if missing:
            raise ApplianceError(f"{missing[0]}: is missing, although the database was made before: bring it back, "
                                 f"or remove {MADE} to begin with an empty one")
        return False
    if host.exists(CLOSED) and any(folder.exists() for folder in folders):
        raise ApplianceError(f"{folders[1]}: was not made by this appliance: move it away, or create {MADE} to keep it")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    host.command(["pg_createcluster", number, "main", "--start-conf", "manual", "--encoding", "UTF8", "--locale", "C.UTF-8", "--",
                  "--auth-local", "peer", "--auth-host", "scram-sha-256", "--data-checksums"])
    host.write(MADE, f"{number}\n", mode=0o600)
    return True


def ensure_databases(host, databases, settings):
    """Makes databases and their login roles, sets passwords that differ; returns what it changed, as sentences.

    `databases` are rows {name, password?: name of a setting}; without one its role gets in by the socket alone, as the
    user of the same name. Only SCRAM verifiers are sent, on standard input.
    """
    verifiers, present = _present(host)
    changes = []
    statements = []
    for row in databases:
        name, secret = row["name"], secret_of(row, settings)
        if not NAME.fullmatch(name):
            raise ApplianceError(f"database '{name}': must be a word of lower-case letters, digits and '_'")
        if name not in verifiers:
            statements.append(f'CREATE ROLE "{name}" LOGIN;')
            changes.append(f"made database role {name}")
        if secret is not None and not scram.matches(secret, verifiers.get(name, "")):
            statements.append(f"ALTER ROLE \"{name}\" PASSWORD '{scram.verifier(secret)}';")
            changes.append(f"set the password of database role {name}")
        if name not in present:
            statements.append(f'CREATE DATABASE "{name}" OWNER "{name}" TEMPLATE template0 ENCODING \'UTF8\' LOCALE \'C.UTF-8\';')
            changes.append(f"made database {name}")
        if present.get(name, True):
            statements.append(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC;')
            changes.append(f"closed database {name} to other roles")
    if statements:
        sql(host, "\n".join(statements) + "\n")
    return changes


def secret_of(row, settings):
    """The password of a row of `databases`, or None if its role has none."""
    return settings[row["password"]] if "password" in row else None


def wait_until_up(host, seconds=120, sleep=time.sleep):
    """Waits until the server takes connections. Throws ApplianceError after `seconds`."""
    for _ in range(seconds):
        if is_up(host):
            return
        sleep(1)
    raise ApplianceError(f"{unit(host)}: takes no connections after {seconds} s")


WHO = ("SELECT current_setting('server_version'), pg_encoding_to_char(encoding) FROM pg_database"
       " WHERE datname = current_database()")


def login(host, database, password):
    """What the server says about itself to role `database`: (version, encoding).

    With a password over TCP; without one over the socket, as the user of the same name. The password goes to psql in a
    memory file, so neither arguments nor environment hold it.
    """
    ask = [program(host, "psql"), "-X", "-w", "-A", "-t", "-q", "-c", WHO]
    if password is None:
        said = host.command(["runuser", "-u", database, "--", *ask, f"dbname={database} connect_timeout=10"])
        return tuple(said.strip().split("|"))
    with pgpass(password) as (path, handle):
        connection = f"host=127.0.0.1 dbname={database} user={database} connect_timeout=10 sslmode=require passfile={path}"
        said = host.command([*ask, connection], pass_fds=(handle,))
    return tuple(said.strip().split("|"))


@contextmanager
def pgpass(password):
    """(path, descriptor) of a password file in memory, for libpq's `passfile`; pass the descriptor on to the child."""
    handle = os.memfd_create("pgpass", 0)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, f"*:*:*:*:{escaped(password)}\n".encode("ascii"))
        yield f"/proc/self/fd/{handle}", handle
    finally:
        os.close(handle)


def escaped(password):
    """As a field of a password file."""
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _versions(host, folder, evidence):
    base = host.path(folder)
    return [int(child.name) for child in (base.iterdir() if base.is_dir() else ())
            if child.name.isdigit() and (child / evidence).exists()]


def program(host, name):
    """Straight to the binary: Debian's wrapper in /usr/bin costs a second of Perl on a slow machine."""
    return f"{PROGRAMS}/{version(host)}/bin/{name}"


def _present(host):
    """({role: its verifier}, {database: whether strangers may connect}) of the server."""
    rows = sql(host, "SELECT 'role', rolname, coalesce(rolpassword, '') FROM pg_authid WHERE rolcanlogin;\n"
                      "SELECT 'database', datname, has_database_privilege('public', oid, 'CONNECT') FROM pg_database;\n")
    found = [line.split("|", 2) for line in rows.splitlines()]
    return ({name: value for kind, name, value in found if kind == "role"},
            {name: value == "t" for kind, name, value in found if kind == "database"})


def as_postgres(argv):
    """The command line that runs `argv` as the user postgres."""
    return ["runuser", "-u", "postgres", "--", *argv]


def sql(host, text, database="postgres"):
    """What the statements print, as superuser on the socket. Our own changes wait for no standby: they are made again if lost."""
    ask = [program(host, "psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", database]
    return host.command(as_postgres(ask), stdin=f"SET synchronous_commit = local;\n{text.rstrip().rstrip(';')};\n")
