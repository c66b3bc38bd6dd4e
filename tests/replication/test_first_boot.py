"""The first boot, which the fixture did with the standby first, and boots that were cut off."""
from load import digest, wait_until


def test_the_standby_waits_clones_registers_and_is_synchronous(made):
    pair, said = made
    assert said.splitlines()[-4:] == ["stage clone of prod-s1", "cloned prod-s1", f"started postgresql@{pair.primary.version}-main.service", "2 changes"]
    seen = pair.primary.status()["replication"]
    assert (seen["acts"], seen["sync_state"], seen["waits_for"], seen["alarms"]) == ("primary", "sync", [pair.standby.name], [])
    seen = pair.standby.status()["replication"]
    assert (seen["acts"], seen["streams"], seen["sync_state"], seen["alarms"]) == ("standby", True, "sync", [])


def test_a_row_written_on_the_primary_is_read_on_the_standby(pair):
    pair.primary.sql("INSERT INTO votes VALUES (0, 'first')")
    wait_until(lambda: digest(pair.primary) == digest(pair.standby), "the row on the standby")


def test_no_line_trusts_and_the_replication_role_is_no_superuser(pair):
    for node in (pair.primary, pair.standby):
        lines = [line for line in node.read(f"/etc/postgresql/{node.version}/main/pg_hba.conf").splitlines() if not line.startswith("#")]
        assert not [line for line in lines if "trust" in line]
        assert [line for line in lines if " replication " in f" {line} "][1:] == [
            f"hostssl replication repmgr {other.address}/32 scram-sha-256" for other in (pair.primary, pair.standby) if other is not node]
    assert pair.primary.sql("SELECT rolsuper, rolreplication FROM pg_roles WHERE rolname = 'repmgr'") == "f|t"


def test_a_later_boot_changes_nothing(pair):
    for node in (pair.primary, pair.standby):
        assert node.appliance("apply").stdout.splitlines()[-2:] in (["nothing changed", "restarted appliance-ready.service"],
                                                                    ["restarted appliance-ready.service", "1 change"])
        assert node.appliance("database").stdout == "stage database\nnothing changed\n"


def test_a_clone_cut_off_half_way_begins_anew(pair):
    standby = pair.standby
    standby.cut_power_of_database()
    data = f"/var/lib/postgresql/{standby.version}/main"
    standby.run("sh", "-c", f"rm -rf /var/lib/appliance/cloned {data}/base {data}/PG_VERSION")
    said = standby.appliance("database").stdout.splitlines()
    assert f"cloned {pair.primary.name}" in said
    assert pair.primary.status()["replication"]["sync_state"] == "sync"


def test_the_words_between_nodes_are_a_closed_set(pair):
    def ask(word):
        return pair.standby.run("runuser", "-u", "postgres", "--", "ssh", "-o", "BatchMode=yes", "-i", "/var/lib/postgresql/.ssh/id_ed25519",
                                f"postgres@{pair.primary.name}", word, check=False)
    refused = ask("reboot; id")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith("only status, synchronous, fence and fence-anyway can be asked\n")
    assert ask("status").returncode == 0
