"""A primary that dies under load, again and again: nothing acknowledged is lost, and it never writes again by itself."""
import random
import time

import pytest
from load import Writers, digest, ids, wait_until

TRIALS = 100
acknowledged = set()


def stall(standby, seconds):
    """The network stands still: the receiver takes nothing for a while."""
    standby.run("pkill", "-STOP", "-f", "postgres: .*walreceiver")
    time.sleep(seconds)


def go_on(standby):
    standby.run("pkill", "-CONT", "-f", "postgres: .*walreceiver", check=False)


@pytest.mark.parametrize("trial", range(TRIALS))
def test_a_killed_primary_loses_nothing_and_comes_back_as_standby(pair, trial):
    chance = random.Random(trial)
    primary, standby = pair.primary, pair.standby
    writers = Writers(primary)
    writers.wait_for(chance.randrange(20, 120))
    if trial % 3 == 0:
        stall(standby, chance.uniform(0.1, 0.5))
    primary.cut_power_of_database()
    go_on(standby)
    acknowledged.update(writers.stop())

    standby.appliance("promote")
    assert acknowledged - ids(standby) == set()
    if trial % 10 == 0:
        refuses_to_write(primary)
    primary.appliance("rejoin")
    pair.swap()
    wait_until(lambda: digest(primary) == digest(standby), "both nodes equal")
    if trial % 5 == 0:
        # Else each promotion leaves one more copy of the same segment, for all happen within it.
        standby.sql("SELECT pg_switch_wal()")
        standby.sql("CHECKPOINT")


def refuses_to_write(old):
    """What was fenced stays so: not by hand, not at boot."""
    assert old.run("systemctl", "start", f"postgresql@{old.version}-main.service", check=False).returncode == 1
    assert old.sql("INSERT INTO votes VALUES (-1, '')", check=False).returncode == 2
    booted = old.appliance("database", check=False)
    assert booted.returncode == 1 and booted.stderr.endswith(": run 'appliance rejoin'\n"), booted.stderr
