"""A primary whose standby is gone: strict until a person says otherwise, and as before once the standby is back."""
import subprocess
import time

import pytest
from load import Writers, digest, ids, wait_until


@pytest.fixture
def watched(pair):
    """The primary with its watcher running; gives (pair, lines that it said so far)."""
    with subprocess.Popen([*pair.primary.enter(), "/usr/bin/python3", "-u", "/usr/bin/appliance", "watch"], text=True, stdout=subprocess.PIPE) as watcher:
        pair.primary.watcher = watcher
        yield pair, watcher.stdout
        watcher.kill()


def bring_back(pair):
    pair.standby.appliance("database")
    wait_until(lambda: pair.primary.status()["replication"]["sync_state"] == "sync", "synchronous again")


def test_nothing_is_acknowledged_alone_there_is_an_alarm_and_it_resumes(watched):
    pair, said = watched
    writers = Writers(pair.primary)
    writers.wait_for(20)
    pair.standby.cut_power_of_database()
    cut = time.monotonic()
    assert said.readline() == f"alarm: standby {pair.standby.name} is gone: commits wait for it\n"
    assert time.monotonic() - cut <= 10
    alone = len(writers.acknowledged)
    time.sleep(1)
    assert len(writers.acknowledged) == alone
    bring_back(pair)
    writers.wait_for(20)
    assert set(writers.stop()) <= ids(pair.standby)
    assert said.readline() == f"over: standby {pair.standby.name} is gone: commits wait for it\n"


def test_a_standby_that_stands_still_raises_the_alarm_too(watched):
    pair, said = watched
    pair.standby.run("pkill", "-STOP", "-u", "postgres", "-x", "postgres")
    stopped = time.monotonic()
    try:
        assert said.readline() == f"alarm: standby {pair.standby.name} is gone: commits wait for it\n"
        assert time.monotonic() - stopped <= 12
    finally:
        pair.standby.run("pkill", "-CONT", "-u", "postgres", "-x", "postgres")
    wait_until(lambda: pair.primary.status()["replication"]["sync_state"] == "sync", "streaming again")


def test_a_commit_that_the_client_gives_up_is_said_to_be_unknown(pair):
    """Never to be counted as acknowledged: the row is here, and perhaps only here."""
    pair.standby.cut_power_of_database()
    wait_until(lambda: pair.primary.sql("SELECT count(*) FROM pg_stat_replication") == "0", "the standby gone")
    client = pair.primary.start("runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-c", "INSERT INTO votes VALUES (-7, 'unknown')", "ballot_box")
    cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    wait_until(lambda: pair.primary.sql(cancel) == "1", "the client waiting for the standby")
    assert "might not have been replicated to the standby" in client.communicate(timeout=30)[1]
    bring_back(pair)


def test_degrade_is_refused_while_the_standby_streams(pair):
    refused = pair.primary.appliance("degrade", "--yes", check=False)
    assert (refused.returncode, refused.stderr) == (1, f"appliance: {pair.standby.name} streams: there is no need to work alone\n")


def test_degrade_is_refused_on_a_standby(pair):
    refused = pair.standby.appliance("degrade", "--yes", check=False)
    assert (refused.returncode, refused.stderr) == (1, f"appliance: {pair.standby.name} is not the primary\n")


def test_degrade_lets_a_lonely_primary_go_on_until_its_standby_is_back(pair):
    pair.standby.cut_power_of_database()
    writers = Writers(pair.primary)
    wait_until(lambda: pair.primary.sql("SELECT count(*) FROM pg_stat_replication") == "0", "the standby gone")
    said = pair.primary.appliance("degrade", "--yes").stdout
    assert said == f"commits no longer wait for {pair.standby.name}; they do again once it has come back\n"
    writers.wait_for(20)
    assert pair.primary.status()["replication"]["alarms"] == ["works alone: commits wait for no standby"]
    bring_back(pair)
    assert pair.primary.status()["replication"]["degraded"] is False
    writers.stop()
    wait_until(lambda: digest(pair.primary) == digest(pair.standby), "both nodes equal")
    assert f"degraded: commits no longer wait for {pair.standby.name}" in pair.primary.read("/var/log/appliance/audit.log")


def test_a_primary_that_reboots_alone_stays_strict(pair):
    pair.standby.cut_power_of_database()
    pair.primary.cut_power_of_database()
    pair.primary.appliance("database")
    writers = Writers(pair.primary, count=2)
    time.sleep(1)
    assert writers.acknowledged == []
    bring_back(pair)
    writers.wait_for(2)
    writers.stop()
