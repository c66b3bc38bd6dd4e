"""Against a real, throw-away server on a socket and a port of its own; tests/run installs it."""
import base64
import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from appliance import postgres, render, roles, scram
from appliance import environment as environments
from appliance.errors import ApplianceError
from appliance.host import Host, run_command

PROGRAMS = Path("/usr/lib/postgresql")
HOSTILE = {"quotes": "it's \"quoted\" 'twice'", "shell": "$(reboot) `id` ;|&<>", "backslash": "back\\slash\\", "colon": "a:b:c:d:e",
           "sql": "'; DROP DATABASE iam; --", "dollar": "$$ $1 %s {0} {{x}}", "spaces": "  leading and trailing  ", "hash": "#not a comment"}


def as_postgres():
    """The server refuses to run as root."""
    account = pwd.getpwnam("postgres")

    def drop():
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    return drop if os.geteuid() == 0 else None


@pytest.fixture(scope="module")
def programs():
    versions = sorted((int(p.name) for p in PROGRAMS.iterdir() if p.name.isdigit()), reverse=True)
    return PROGRAMS / str(versions[0]) / "bin"


@pytest.fixture(scope="module")
def server(programs, tmp_path_factory):
    """A cluster with our own pg_hba.conf and TLS on a free port; yields (port, folder)."""
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/appliance-pg.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key",
                    "-out", "server.crt", "-days", "2", "-subj", "/CN=x"], cwd=folder, check=True, capture_output=True)
    for path in (data, folder / "server.key", folder):
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
    (folder / "server.key").chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"preexec_fn": as_postgres(), "check": True, "cwd": "/", "stdout": subprocess.DEVNULL}
    subprocess.run([programs / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync", "-A", "peer"], **own)
    options = (f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c ssl=on -c fsync=off "
               f"-c ssl_cert_file={folder}/server.crt -c ssl_key_file={folder}/server.key")
    subprocess.run([programs / "pg_ctl", "-D", data, "-w", "-s", "-l", folder / "log", "-o", options, "start"], **own)
    try:
        yield port, folder
    finally:
        subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "-s", "stop"], **own)
        shutil.rmtree(folder)


@pytest.fixture
def machine(server, programs, host):
    """Our code with only its commands turned to the throw-away server; its pg_hba.conf is the rendered one."""
    port, folder = server
    host.write(f"/usr/lib/postgresql/{programs.parent.name}/bin/initdb", "")
    found = environments.load(host)
    made = {file.path: file.content for file in render.files(host, found, roles.load(host, found.machine.role))}
    (folder / "data/pg_hba.conf").write_text(next(content for path, content in made.items() if path.endswith("/pg_hba.conf")))
    subprocess.run([programs / "pg_ctl", "-D", folder / "data", "-s", "reload"], preexec_fn=as_postgres(), check=True, cwd="/")

    def run(argv, **options):
        return run_command(argv, env={**os.environ, "PGPORT": str(port), "PGHOST": str(folder), "PGUSER": "postgres"}, **options)
    return Host(host.root, run)


ROWS = ({"name": "ballot_box", "password": "b"}, {"name": "iam", "password": "i"})


def test_databases_are_made_once(machine):
    settings = {"b": "first password", "i": "second password"}
    assert postgres.ensure_databases(machine, ROWS, settings) == [
        "made database role ballot_box", "set the password of database role ballot_box", "made database ballot_box",
        "closed database ballot_box to other roles", "made database role iam", "set the password of database role iam",
        "made database iam", "closed database iam to other roles"]
    assert postgres.ensure_databases(machine, ROWS, settings) == []


@pytest.mark.parametrize("password", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_passwords_log_in_and_nothing_else_happens(machine, password):
    settings = {"b": password, "i": "second password"}
    postgres.ensure_databases(machine, ROWS, settings)
    assert postgres.login(machine, "ballot_box", password)[1] == "UTF8"
    assert postgres.login(machine, "iam", "second password")[1] == "UTF8"
    assert postgres.ensure_databases(machine, ROWS, settings) == []


def test_a_changed_password_works_at_once_and_the_old_one_no_more(machine):
    postgres.ensure_databases(machine, ROWS, {"b": "the old password", "i": "second password"})
    assert postgres.ensure_databases(machine, ROWS, {"b": "the new password", "i": "second password"}) == [
        "set the password of database role ballot_box"]
    assert postgres.login(machine, "ballot_box", "the new password")
    with pytest.raises(ApplianceError, match="password authentication failed"):
        postgres.login(machine, "ballot_box", "the old password")


def test_one_role_does_not_get_into_the_database_of_another(machine, server):
    postgres.ensure_databases(machine, ROWS, {"b": "first password", "i": "second password"})
    done = subprocess.run(["psql", "-X", "-w", f"host=127.0.0.1 port={server[0]} user=ballot_box dbname=iam password='first password'",
                           "-c", "SELECT 1"], capture_output=True, text=True, cwd="/")
    assert done.returncode == 2 and "no pg_hba.conf entry" in done.stderr


def test_the_server_log_holds_no_password(machine, server):
    postgres.ensure_databases(machine, ROWS, {"b": "canary-in-the-log", "i": "second password"})
    assert "canary-in-the-log" not in (server[1] / "log").read_text()


def test_our_verifier_is_the_one_of_rfc_7677():
    """The user 'user' with password 'pencil' of RFC 7677, section 3, whose server key follows from these values."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram.verifier("pencil", salt, 4096) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")


@pytest.mark.parametrize("known", ["", "md5abc", "SCRAM-SHA-256$4096:x", "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA"])
def test_a_verifier_of_another_kind_does_not_match(known):
    assert not scram.matches("password", known)
