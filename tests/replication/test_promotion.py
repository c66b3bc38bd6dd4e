"""Promotion without proof is refused; who was away while another took over, stays down."""
import subprocess

import pytest
from load import digest, wait_until


@pytest.fixture
def unreachable(pair):
    """The old primary as after a power cut: no network, and its database dead."""
    pair.primary.cut_power_of_database()
    old = pair.primary
    old.run("ip", "link", "set", old.link, "down")
    yield pair
    old.run("ip", "link", "set", old.link, "up")


def note_contact(node, sync_state):
    node.write("/var/lib/appliance/last-contact", f'{{"at": "2031-11-21T04:00:00Z", "primary": "x", "sync_state": "{sync_state}"}}\n', "0600")


def refusal(node, *words):
    done = node.appliance("promote", *words, check=False)
    assert done.returncode == 1
    return done.stderr


def test_without_proof_or_word_it_is_refused_and_with_it_done_and_logged(unreachable):
    pair, old, new = unreachable, unreachable.primary, unreachable.standby
    note_contact(new, "sync")
    assert refusal(new).endswith(": nothing proves that it is off (last contact 2031-11-21T04:00:00Z, then sync); switch it off, "
                                 "then give --old-primary-is-off REASON\n")
    note_contact(new, "async")
    assert refusal(new, "--old-primary-is-off", "pulled the plug") == (
        f"appliance: when {old.name} was seen last, its commits did not wait for this node (last contact 2031-11-21T04:00:00Z, then async), "
        "so some may be there only: give --accept-loss REASON too\n")
    assert new.sql("SELECT pg_is_in_recovery()") == "t"
    note_contact(new, "sync")
    said = new.appliance("promote", "--old-primary-is-off", "pulled the plug").stdout.splitlines()
    assert said[0] == (f"OVERRIDE, {old.name} was not fenced but is said to be off: pulled the plug; last contact 2031-11-21T04:00:00Z, then sync")
    assert "OVERRIDE" in new.read("/var/log/appliance/audit.log")
    assert 'PRIMARY="' + new.name in new.read("/etc/appliance/application.env")
    new.sql("INSERT INTO votes VALUES (-100, 'after the promotion')")
    pair.swap()


def test_the_old_primary_finds_its_successor_when_it_boots_and_rejoins(pair):
    """It was never told: its record still says that it is the primary."""
    old = pair.standby
    booted = old.appliance("database", check=False)
    assert (booted.returncode, booted.stderr) == (1, f"appliance: superseded by {pair.primary.name}: run 'appliance rejoin'\n")
    assert old.sql("SELECT 1", check=False).returncode == 2
    assert old.status()["replication"]["acts"] == "fenced"
    old.appliance("rejoin")
    assert old.status()["replication"]["acts"] == "standby"
    wait_until(lambda: digest(pair.primary) == digest(pair.standby), "both nodes equal")


def test_a_second_primary_is_found_by_its_watcher_and_fenced(pair):
    """The worst case: promoted by override while the old one still ran, cut off from the network; then the network comes back."""
    old, new = pair.primary, pair.standby
    old.run("ip", "link", "set", old.link, "down")
    note_contact(new, "sync")
    new.appliance("promote", "--old-primary-is-off", "a lie")
    waiting = subprocess.Popen([*old.enter(), "runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-c", "INSERT INTO votes VALUES (-200, 'lost')",
                                "ballot_box"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen([*old.enter(), "/usr/bin/python3", "-u", "/usr/bin/appliance", "watch"], stdout=subprocess.DEVNULL) as watcher:
        try:
            old.run("ip", "link", "set", old.link, "up")
            wait_until(lambda: old.status()["replication"]["acts"] == "fenced", "fenced by its watcher", seconds=60)
        finally:
            watcher.kill()
    assert waiting.wait(timeout=30) != 0, "the old primary acknowledged a commit"
    assert old.read("/run/appliance/www/primary.json") == new.read("/run/appliance/www/primary.json") != ""
    pair.swap()
    old.appliance("rejoin")
    assert pair.primary.sql("SELECT count(*) FROM votes WHERE id = -200") == "0"


def test_a_primary_that_does_not_wait_for_this_standby_is_not_fenced(pair):
    pair.primary.run("sed", "-i", "s/\"standbys\": \\[[^]]*\\]/\"standbys\": []/", "/var/lib/appliance/replication")
    assert "so some may be here only: let this standby catch up, or give --accept-loss REASON\n" in refusal(pair.standby)
    assert pair.primary.sql("SELECT pg_is_in_recovery()") == "f"
    pair.primary.appliance("peer", pair.standby.name, "synchronous")


def test_the_primary_itself_and_a_fenced_node_are_not_promoted(pair):
    assert refusal(pair.primary) == f"appliance: {pair.primary.name} is the primary already\n"


def test_a_promotion_broken_off_after_the_fence_can_be_taken_back(pair):
    pair.primary.appliance("peer", pair.standby.name, "fence")
    assert pair.primary.sql("SELECT 1", check=False).returncode == 2
    pair.primary.appliance("rejoin")
    assert pair.primary.status()["replication"]["acts"] == "primary"
    wait_until(lambda: pair.primary.status()["replication"]["sync_state"] == "sync", "streaming again")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_promotion_cut_off_by_a_reboot_is_completed_or_forgotten(pair, moment):
    new = pair.standby
    state = new.read("/var/lib/appliance/replication") if new.run("test", "-e", "/var/lib/appliance/replication", check=False).returncode == 0 else ""
    if moment == "after":
        pair.primary.appliance("peer", new.name, "fence")
        new.sql("SELECT pg_promote(true, 60)")
    new.write("/var/lib/appliance/replication", '{"standbys": [], "degraded": false, "fenced": "", "promoting": true}\n', "0600")
    new.run("rm", "-f", "/var/lib/appliance/cloned")
    new.cut_power_of_database()
    new.appliance("database")
    if moment == "before":
        assert new.status()["replication"]["acts"] == "standby", state
        return
    assert new.status()["replication"]["acts"] == "primary"
    pair.swap()
    pair.standby.appliance("rejoin")


def test_rejoin_of_a_good_standby_changes_nothing(pair):
    assert pair.standby.appliance("rejoin").stdout == f"{pair.standby.name} follows {pair.primary.name} already: nothing changed\n"
