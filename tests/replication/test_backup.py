"""Base backups, the WAL archive, and the way back to a moment."""
import time

from load import digest, wait_until


def rows(node):
    return node.sql("SELECT count(*) FROM votes WHERE body = 'backup'")


def test_a_restore_brings_back_one_moment_and_the_standby_rejoins(pair):
    node = pair.primary
    node.sql("INSERT INTO votes SELECT -1000 - i, 'backup' FROM generate_series(1, 10) i")
    made = node.appliance("backup").stdout
    name = node.appliance("backup", "--list").stdout.split()[-1]
    assert made.startswith(f"made base backup {name}\n")
    node.sql("INSERT INTO votes SELECT -1100 - i, 'backup' FROM generate_series(1, 5) i")
    moment = node.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    time.sleep(0.2)
    node.sql("DELETE FROM votes WHERE body = 'backup'")
    said = node.appliance("restore", name, "--to", moment).stdout.splitlines()
    assert said[0].startswith(f"restored {name}, timeline ") and said[-1].startswith(f"now run 'appliance rejoin' on {pair.standby.name}")
    assert rows(node) == "15"
    pair.standby.appliance("rejoin")
    wait_until(lambda: digest(pair.primary) == digest(pair.standby), "both nodes equal")
    assert node.status()["replication"]["sync_state"] == "sync"
    assert node.status()["backups"] == {"count": 1, "last": name}


def test_a_restore_to_the_end_has_the_newest_commit(pair):
    node = pair.primary
    name = node.appliance("backup", "--list").stdout.split()[-1]
    node.sql("INSERT INTO votes VALUES (-2000, 'backup')")
    before = digest(node)
    node.appliance("restore", name)
    assert digest(node) == before
    pair.standby.appliance("rejoin")


def test_a_damaged_backup_is_refused_and_nothing_is_stopped(pair):
    node = pair.primary
    node.run("sh", "-c", "mkdir -p /var/postgres_backups/base/20300101T000000Z; cd /var/postgres_backups/base/20300101T000000Z;"
                         " echo 000000010000000000000001 >first-wal; echo junk >base.tar.gz")
    refused = node.appliance("restore", "20300101T000000Z", check=False)
    assert refused.returncode == 1 and "not in gzip format" in refused.stderr
    assert node.sql("SELECT 1") == "1"
    node.run("rm", "-r", "/var/postgres_backups/base/20300101T000000Z")


def test_a_restore_that_fails_puts_the_old_database_back(pair):
    node = pair.primary
    before = digest(node)
    node.run("sh", "-c", "cd /var/postgres_backups/base && mkdir 20300101T000000Z && echo 000000010000000000000001 >20300101T000000Z/first-wal"
                         " && mkdir /tmp/e && tar -C /tmp/e -czf 20300101T000000Z/base.tar.gz . && chmod -R a+rX 20300101T000000Z")
    refused = node.appliance("restore", "20300101T000000Z", check=False)
    assert refused.returncode == 1
    assert digest(node) == before
    node.run("rm", "-r", "/var/postgres_backups/base/20300101T000000Z")
    pair.standby.appliance("rejoin")


def test_a_standby_neither_backs_up_nor_restores(pair):
    said = pair.standby.appliance("backup").stdout
    assert said == f"{pair.standby.name} is a standby: {pair.primary.name} makes the backups\n"
    refused = pair.standby.appliance("restore", "20300101T000000Z", check=False)
    assert refused.stderr == f"appliance: {pair.standby.name} is not the primary: restore there, then 'appliance rejoin' here\n"


def test_the_archive_never_replaces_a_segment_by_other_content(pair):
    node = pair.primary
    script = "/usr/lib/appliance/archive-wal"
    node.run("sh", "-c", "echo one >/tmp/one; echo two >/tmp/two; rm -f /var/postgres_backups/wal/TEST.gz")
    assert node.run(script, "/tmp/one", "TEST").returncode == 0
    assert node.run(script, "/tmp/one", "TEST").returncode == 0
    refused = node.run(script, "/tmp/two", "TEST", check=False)
    assert (refused.returncode, refused.stderr) == (1, "/var/postgres_backups/wal/TEST.gz is there with other content\n")
    node.run("rm", "/var/postgres_backups/wal/TEST.gz")


def test_a_standby_that_stays_away_does_not_fill_the_primary_s_disk(pair):
    """The slot lets go at its limit; the standby is then cloned anew by `rejoin`."""
    node = pair.primary
    limit = f"/etc/postgresql/{node.version}/main/conf.d/zz-limit.conf"
    node.write(limit, "max_slot_wal_keep_size = '32MB'\nmin_wal_size = '32MB'\nmax_wal_size = '48MB'\nwal_keep_size = 0\n")
    node.run("systemctl", "try-reload-or-restart", f"postgresql@{node.version}-main.service")
    pair.standby.cut_power_of_database()
    wait_until(lambda: node.sql("SELECT count(*) FROM pg_stat_replication") == "0", "the standby gone")
    node.appliance("degrade", "--yes")
    for _ in range(6):
        node.sql("SELECT pg_switch_wal() FROM (SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000000))) x; CHECKPOINT")
    wait_until(lambda: "lost" in node.sql("SELECT wal_status FROM pg_replication_slots"), "the slot lost")
    assert "is lost: run 'appliance rejoin' on its standby" in " ".join(node.status()["replication"]["alarms"])
    node.run("rm", limit)
    node.run("systemctl", "try-reload-or-restart", f"postgresql@{node.version}-main.service")
    said = pair.standby.appliance("rejoin").stdout
    assert f"cloned {node.name}" in said
    assert [alarm for alarm in node.status()["replication"]["alarms"] if "lost" in alarm] == []
