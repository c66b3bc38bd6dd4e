"""imgbuild ops: the rotation of keys, rehearsed with the vault and the files of the seeds."""
import subprocess

import pytest
from ops_deployment import book, deployment  # noqa: F401
from rehearsal import APPLIANCE, Rehearsal, blocks, chapter
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild

KEY, CERTIFICATE = "srv/certs/selfsigned/key-nopass.pem", "srv/certs/selfsigned/cert.pem"


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


@pytest.fixture
def rehearsal(prod, tmp_path):
    return Rehearsal(tmp_path / "rehearsal", prod)


def test_a_login_comes_and_goes_where_sshd_looks(prod, rehearsal, tmp_path):
    (tmp_path / "other").mkdir()
    other = imgbuild.make_ssh_key(tmp_path / "other")[1].replace(" ops", " ann")
    going, coming, shown = blocks(chapter(book(prod), "Who may log in"))
    old = rehearsal.view("prod-s1")["users"][0]["ssh_authorized_keys"][0]
    assert rehearsal.run(coming, LINE=f"'{other}'") == [f"{name} appliance apply" for name in ("prod-s1", "prod-s2", "prod-a1")]
    for name in ("prod-s1", "prod-s2", "prod-a1"):
        assert rehearsal.view(name)["users"] == [{"name": "ops", "ssh_authorized_keys": [other, old]}]
    assert rehearsal.run(going, KEY=old.split()[1]) == [f"{name} appliance apply" for name in ("prod-s1", "prod-s2", "prod-a1")]
    for name in ("prod-s1", "prod-s2", "prod-a1"):
        assert rehearsal.view(name)["users"] == [{"name": "ops", "ssh_authorized_keys": [other]}]
    # What is looked at is what sshd reads, and what `appliance apply` writes.
    keys = (APPLIANCE / "templates/common/sshd-keys.conf").read_text()
    assert "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n" in keys
    assert [line.rpartition(" ")[2] for line in shown.splitlines()] == ["/etc/ssh/authorized_keys.d/ops"] * 3


def fingerprint(path):
    return subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", path], capture_output=True, text=True, check=True).stdout


def check_pair(machine):
    """The machine's own pair fits, and its program would show it to peers."""
    of_key = subprocess.run(["openssl", "pkey", "-pubout", "-in", machine / KEY], capture_output=True, check=True).stdout
    of_certificate = subprocess.run(["openssl", "x509", "-noout", "-pubkey", "-in", machine / CERTIFICATE], capture_output=True, check=True).stdout
    assert of_key == of_certificate and (machine / KEY).stat().st_mode & 0o777 == 0o600
    code = ("import sys, time; from appliance import x509; from appliance.host import Host\n"
            "found = x509.read(open(sys.argv[1]).read()); x509.check_time(found, time.time()); x509.verify(Host(), found); print(*found.dns_names)")
    return subprocess.run(["/usr/bin/python3", "-B", "-c", code, machine / CERTIFICATE], cwd=APPLIANCE, capture_output=True, text=True, check=True).stdout.split()


def test_an_authority_gets_a_new_tls_key_in_place(prod, rehearsal):
    section = chapter(book(prod), "TLS key of prod-a1")
    install, back, exchange, clean = blocks(section)
    machine = rehearsal.machine("prod-a1")
    before = (machine / KEY).read_bytes()
    assert rehearsal.run(install) == ["prod-a1 appliance apply", "prod-a1 appliance selftest"]
    assert (machine / KEY).read_bytes() == (prod.parent / "prod.vault/machines/prod-a1/tls.key").read_bytes() != before
    assert check_pair(machine) == ["prod-a1", "vote.example.org"]
    assert rehearsal.run(back) == ["prod-a1 appliance apply"]
    assert (machine / KEY).read_bytes() == before == (prod.parent / "prod.vault/machines/prod-a1/tls.key").read_bytes()
    rehearsal.run(clean)
    assert list((machine / "root").iterdir()) == [] and "anew" not in section


def test_a_key_that_the_machine_made_is_made_there_again(deployment, tmp_path):
    prod = deployment(ENVIRONMENT.replace("director: true", "director: true, keys: machine"))
    rehearsal = Rehearsal(tmp_path / "rehearsal", prod)
    machine = rehearsal.machine("prod-a1")
    (machine / KEY).parent.mkdir(parents=True)
    for path in (KEY, CERTIFICATE):
        (machine / path).write_text("the first\n")
        (machine / path).chmod(0o600 if path == KEY else 0o644)
    install, back, _, _ = blocks(chapter(book(prod), "TLS key of prod-a1"))
    assert rehearsal.run(install) == ["prod-a1 appliance apply", "prod-a1 appliance selftest"]
    assert check_pair(machine) == ["prod-a1", "vote.example.org"]
    assert [path.name for path in (machine / "root").iterdir()] == ["selfsigned.before"]
    rehearsal.run(back)
    assert (machine / KEY).read_text() == (machine / CERTIFICATE).read_text() == "the first\n"


def test_the_web_servers_get_a_new_pair_together(prod, rehearsal):
    install, back, exchange, clean, look = blocks(chapter(book(prod), "TLS key of the web servers"))
    machines = [rehearsal.machine(name) for name in ("prod-s1", "prod-s2")]
    before = fingerprint(machines[0] / CERTIFICATE)
    # Every one has the pair before the first applies it: each trusts its own copy alone.
    lines = install.splitlines()
    assert [line.split("ssh_config ")[1].split()[0] for line in lines if "appliance apply" in line] == ["prod-s1", "prod-s2"]
    assert all("appliance apply" in line for line in lines[-3:-1])
    assert rehearsal.run(install) == [f"{name} appliance {word}" for name in ("prod-s1", "prod-s2") for word in ("apply", "selftest")]
    assert fingerprint(machines[0] / CERTIFICATE) == fingerprint(machines[1] / CERTIFICATE) != before
    assert check_pair(machines[0]) == check_pair(machines[1]) == ["prod-s1", "prod-s2", "vote.example.org"]
    rehearsal.run(back)
    assert fingerprint(machines[0] / CERTIFICATE) == fingerprint(machines[1] / CERTIFICATE) == fingerprint(prod.parent / "prod.vault/shared/web/tls.crt") == before


def test_nobody_is_told_to_terminate_an_authority(prod):
    text = chapter(book(prod), "Rotation of keys")
    assert "- Never while an election is open" in text and "- Never terminate an authority" in text


def known(rehearsal, name, machine, key):
    """What a web server takes for a key of another one, or its own."""
    return next(row["ssh"][key] for row in rehearsal.view(name)["machines"] if row["name"] == machine)


def test_a_new_host_key_is_known_wherever_the_old_one_was(prod, rehearsal):
    install, look = blocks(chapter(book(prod), "ssh host key of prod-s1"))
    asked = rehearsal.run(install)
    assert asked == ["prod-s1 appliance apply", "prod-s2 appliance apply", "prod-s1 sshd -t", "prod-s1 systemctl reload ssh.service"]
    public = (prod.parent / "prod.vault/machines/prod-s1/ssh_host_ed25519_key.pub").read_text().split()[1]
    private = rehearsal.machine("prod-s1") / "etc/ssh/ssh_host_ed25519_key"
    assert private.read_text() == (prod.parent / "prod.vault/machines/prod-s1/ssh_host_ed25519_key").read_text() and private.stat().st_mode & 0o777 == 0o600
    assert public in (rehearsal.machine("prod-s1") / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    assert all(known(rehearsal, name, "prod-s1", "host").split()[1] == public for name in ("prod-s1", "prod-s2"))
    assert public in (prod.parent / "output/prod/ops/known_hosts").read_text()
    assert " prod-s2 sudo -u postgres ssh " in look and "postgres@prod-s1 status" in look


def test_a_new_host_key_of_an_authority_concerns_nobody_else(prod, rehearsal):
    install, look = blocks(chapter(book(prod), "ssh host key of prod-a1"))
    assert rehearsal.run(install) == ["prod-a1 sshd -t", "prod-a1 systemctl reload ssh.service"]
    assert look.endswith(" prod-a1 hostname")


def test_the_accounts_get_new_keys(prod, rehearsal):
    before = {user: known(rehearsal, "prod-s2", "prod-s1", user) for user in ("postgres", "ballotbox")}
    install, look = blocks(chapter(book(prod), "ssh keys of the accounts of prod-s1"))
    rehearsal.run(install)
    for user, old in before.items():
        vault = prod.parent / f"prod.vault/machines/prod-s1/ssh/{user}"
        path = rehearsal.machine("prod-s1") / f"etc/appliance/ssh/{user}"
        assert path.read_text() == vault.read_text() and path.stat().st_mode & 0o777 == 0o600
        new = vault.with_suffix(".pub").read_text().split()[1]
        assert all(known(rehearsal, name, "prod-s1", user).split()[1] == new != old.split()[1] for name in ("prod-s1", "prod-s2"))
        assert known(rehearsal, "prod-s2", "prod-s2", user) == known(rehearsal, "prod-s1", "prod-s2", user)
    assert "postgres@prod-s2 status" in look and "sudo appliance pull" in look


PASSWORDS = ["ballot_box_database_password", "iam_database_password", "keystore_password", "replication_password"]


@pytest.mark.parametrize("name", PASSWORDS)
def test_a_password_is_made_anew_on_all_web_servers(prod, rehearsal, name):
    section = chapter(book(prod), "Passwords")
    install, look = blocks(section)
    assert sorted(line.split()[1] for line in section.splitlines() if "_password |" in line) == PASSWORDS
    assert PASSWORDS == sorted(path.name for path in (prod.parent / "prod.vault/passwords").iterdir())
    before = rehearsal.view("prod-s1")["settings"]
    assert rehearsal.run(install, NAME=name) == ["prod-s1 appliance apply", "prod-s2 appliance apply"]
    new = (prod.parent / f"prod.vault/passwords/{name}").read_text().strip()
    assert new != before[name]
    assert all(rehearsal.view(machine)["settings"] == {**before, name: new} for machine in ("prod-s1", "prod-s2"))


def test_seed_stops_where_only_the_files_are_taken_away(prod):
    """So it says in the runbook, and so no block forgets the line of the index."""
    (prod.parent / "prod.vault/passwords/iam_database_password").unlink()
    result = imgbuild.run("seed", "--env", prod, "-o", prod.parent / "output")
    assert result.returncode == 3 and "is gone, but this vault had it" in result.stderr
    text = chapter(book(prod), "Rotation of keys")
    assert "`seed` stops where a file is gone that the index lists" in text
    for block in blocks(text):
        taken = [line for line in block.splitlines() if line.startswith("mv ") and "/replaced/" in line.split()[-1]]
        assert len(taken) == block.count("prod.vault/index")
