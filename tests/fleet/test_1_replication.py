"""Booted from one environment file, without a hand: who is primary, that the standby streams, what each machine knows."""
import hashlib

from deployment import ADDRESSES, AUTHORITIES, DOMAIN, WEB


def test_all_four_get_ready_without_a_hand(fleet):
    roles = {name: fleet[name].report["role"] for name in ADDRESSES}
    assert roles == {"prod-s1": "web-master", "prod-s2": "web-slave", "prod-a1": "authority", "prod-a2": "authority"}


def test_roles_that_differ_in_settings_alone_share_one_image(fleet):
    plans = {name: fleet[name].report["plan"] for name in ADDRESSES}
    assert plans["prod-s1"] == plans["prod-s2"] != plans["prod-a1"] == plans["prod-a2"]


def test_the_standby_streams_and_is_synchronous(fleet):
    row = fleet["prod-s1"].sql("select application_name, state, sync_state, usename from pg_stat_replication;")
    assert row == "prod-s2|streaming|sync|repmgr"
    assert fleet["prod-s2"].sql("select pg_is_in_recovery();") == "t"
    assert fleet["prod-s1"].sql("select usesuper from pg_user where usename = 'repmgr';") == "f"


def test_a_row_written_on_the_primary_is_read_on_the_standby(fleet):
    fleet["prod-s1"].sql("create table greetings(text text); insert into greetings values ('hello');")
    assert fleet["prod-s2"].sql("select text from greetings;") == "hello"
    refused = fleet["prod-s2"].ssh("cd / && sudo -u postgres psql -X -At -d ballot_box", input="insert into greetings values ('x');", check=False)
    assert "read-only transaction" in refused.stderr


def test_status_tells_role_lag_sync_state_and_last_pull(fleet):
    fleet["prod-s2"].ssh("sudo appliance pull")
    first, second = fleet.each(lambda machine: machine.status(), WEB).values()
    assert (first["replication"]["acts"], second["replication"]["acts"]) == ("primary", "standby")
    assert {first["replication"]["primary"], second["replication"]["primary"]} == {"prod-s1"}
    assert first["replication"]["sync_state"] == "sync"
    assert second["replication"]["lag_bytes"] < 1 << 24
    assert second["datastore"]["at"]


def test_datastore_files_are_pulled_with_pinned_keys(fleet):
    content = "ballots\n" * 1000
    fleet["prod-s1"].ssh("sudo -u ballotbox bash -c 'mkdir -p ~/datastore/7 && cat > ~/datastore/7/ciphertexts'", input=content)
    fleet["prod-s2"].ssh("sudo appliance pull")
    told = fleet["prod-s2"].ssh("sudo sha256sum ~ballotbox/datastore/7/ciphertexts").stdout.split()[0]
    assert told == hashlib.sha256(content.encode()).hexdigest()


def test_the_keys_of_the_standby_open_nothing_else(fleet):
    for user in ("ballotbox", "postgres"):
        shell = fleet["prod-s2"].ssh(f"sudo -u {user} ssh -o BatchMode=yes {user}@prod-s1 id", check=False)
        assert shell.returncode != 0 and "uid=" not in shell.stdout, shell


def test_passwords_of_the_web_are_nowhere_on_an_authority(fleet):
    secrets = [path.read_text().strip() for path in (fleet.vault / "passwords").iterdir()]
    assert len(secrets) >= 4
    search = "sudo bash -c 'umask 077; cat > /root/p; grep -rlFf /root/p /etc /var /home /root /run /srv; rm /root/p'"
    found = fleet.each(lambda machine: machine.ssh(search, input="\n".join(secrets) + "\n", check=False).stdout.split(), AUTHORITIES)
    assert found == {name: ["/root/p"] for name in AUTHORITIES}


def test_names_lead_to_private_addresses_and_the_domain_to_the_primary(fleet):
    ask = " ".join(f"echo {name} $(getent ahosts {name} | cut -d' ' -f1 | sort -u);" for name in [*ADDRESSES, DOMAIN])
    for name, said in fleet.each(lambda machine: machine.ssh(ask).stdout).items():
        site = name if name in WEB else "prod-s1"
        assert dict(line.split(" ", 1) for line in said.splitlines()) == {**ADDRESSES, DOMAIN: ADDRESSES[site]}


def test_no_unit_failed_and_applying_again_changes_nothing(fleet):
    said = fleet.each(lambda machine: machine.ssh("systemctl --failed --no-legend --plain; sudo appliance apply").stdout)
    assert {name: text.strip() for name, text in said.items()} == {name: "nothing changed" for name in ADDRESSES}
