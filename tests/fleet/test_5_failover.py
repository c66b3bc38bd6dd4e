"""The primary is lost under load; the standby takes over; nothing acknowledged is lost; the old primary comes back as standby."""
import subprocess
import threading
import time

import pytest

from deployment import ADDRESSES, AUTHORITIES, DOMAIN, wait_for

# Inserts one row after the other and prints each id once the server has acknowledged it.
WRITER = """
import subprocess, sys
psql = subprocess.Popen(["sudo", "-u", "postgres", "psql", "-X", "-qAt", "-d", "ballot_box"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL, text=True, bufsize=1, cwd="/")
for number in range(10 ** 6):
    psql.stdin.write(f"insert into ballots values ('{sys.argv[1]}', {number}) returning id;\\n")
    line = psql.stdout.readline()
    if not line: break
    print(line.strip(), flush=True)
"""


class Writer(threading.Thread):
    """Keeps every id that the server acknowledged."""

    def __init__(self, machine, name):
        super().__init__(daemon=True)
        machine.ssh("cat > /tmp/writer.py", input=WRITER)
        self.acknowledged = []
        self.process = subprocess.Popen(machine.ssh_command(f"python3 /tmp/writer.py {name}"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.start()

    def run(self):
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.acknowledged.append(int(line))


@pytest.fixture(scope="module")
def failed_over(fleet):
    """s1 killed under load after a network stall, s2 promoted."""
    first, second = fleet["prod-s1"], fleet["prod-s2"]
    first.sql("create table ballots(writer text, number int, id bigserial primary key);")
    writers = [Writer(first, name) for name in ("one", "two")]
    wait_for(lambda: min(len(writer.acknowledged) for writer in writers) > 50, 120, "fifty acknowledged rows of each writer")
    # The network between them stalls: the primary may acknowledge nothing more.
    second.ssh(f"sudo nft insert rule inet appliance input ip saddr {ADDRESSES['prod-s1']} drop")
    time.sleep(3)
    stalled = [len(writer.acknowledged) for writer in writers]
    time.sleep(4)
    fleet.acknowledged_while_stalled = [len(writer.acknowledged) - before for writer, before in zip(writers, stalled)]
    first.power_off_hard()
    for writer in writers:
        writer.process.kill()
        writer.join(30)
    second.ssh("sudo systemctl reload nftables")
    fleet.acknowledged = [id_ for writer in writers for id_ in writer.acknowledged]
    fleet.refused = second.ssh("sudo appliance promote", check=False, timeout=600)
    began = time.monotonic()
    fleet.promoted = second.ssh("sudo appliance promote --old-primary-is-off 'its plug was pulled'", check=False, timeout=600)
    fleet.promotion_seconds = time.monotonic() - began
    assert fleet.promoted.returncode == 0, fleet.promoted.stdout + fleet.promoted.stderr
    return fleet


def test_while_the_standby_is_away_nothing_is_acknowledged(failed_over):
    assert failed_over.acknowledged_while_stalled == [0, 0]


def test_promotion_is_refused_without_proof(failed_over):
    assert failed_over.refused.returncode == 1
    assert "prod-s1" in failed_over.refused.stderr and "--old-primary-is-off" in failed_over.refused.stderr


def test_no_acknowledged_row_is_lost(failed_over):
    kept = set(map(int, failed_over["prod-s2"].sql("select id from ballots;").split()))
    assert len(failed_over.acknowledged) > 100
    assert set(failed_over.acknowledged) - kept == set()


def test_the_new_primary_takes_writes_within_five_minutes(failed_over):
    assert failed_over.promotion_seconds < 300
    second = failed_over["prod-s2"]
    second.sql("insert into ballots values ('after', 1);")
    assert second.status()["replication"]["acts"] == "primary"


def test_applications_and_memcached_point_to_the_new_primary(failed_over):
    text = failed_over["prod-s2"].ssh("sudo cat /etc/appliance/application.env").stdout
    assert "prod-s2" in text.split("DATABASE_HOST=")[1].splitlines()[0]
    assert "prod-s2" in text.split("MEMCACHED_SERVERS=")[1].splitlines()[0]
    assert failed_over["prod-s2"].ssh("sudo ss -Hltn sport = :11211").stdout.count(ADDRESSES["prod-s2"]) == 1


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_the_domain_moves_on_every_authority(failed_over, authority):
    machine = failed_over[authority]
    wait_for(lambda: machine.ssh(f"getent ahostsv4 {DOMAIN}").stdout.split()[0] == ADDRESSES["prod-s2"], 120, f"{DOMAIN} on {authority}")


def test_the_promotion_is_on_record(failed_over):
    assert "its plug was pulled" in failed_over["prod-s2"].ssh("sudo cat /var/log/appliance/audit.log").stdout


def test_the_old_primary_comes_back_and_takes_no_write(failed_over):
    first = failed_over["prod-s1"]
    first.start()
    first.wait_for_report(wanted="failed")
    failed_over.write_ssh_config()
    assert "prod-s2" in first.err_path.read_text()
    written = first.ssh("cd / && sudo -u postgres timeout 30 psql -X -At -d ballot_box -c \"insert into ballots values ('old', 1) returning id\"", check=False)
    assert written.returncode != 0 and written.stdout == ""


def test_it_rejoins_with_one_command(failed_over):
    first, second = failed_over["prod-s1"], failed_over["prod-s2"]
    rejoined = first.ssh("sudo appliance rejoin", check=False, timeout=900)
    assert rejoined.returncode == 0, rejoined.stdout + rejoined.stderr
    wait_for(lambda: second.sql("select application_name, state, sync_state from pg_stat_replication;") == "prod-s1|streaming|sync", 120,
             "prod-s1 a synchronous standby")
    assert first.status()["replication"]["acts"] == "standby"


def test_afterwards_both_hold_the_same(failed_over):
    first, second = failed_over["prod-s1"], failed_over["prod-s2"]
    second.sql("insert into ballots values ('both', 1);")
    ask = "select count(*), md5(string_agg(writer || number || id, ',' order by id)) from ballots;"
    assert first.sql(ask) == second.sql(ask)
    assert first.sql("select pg_is_in_recovery();") == "t"


def test_every_machine_is_ready_in_the_end(failed_over):
    for name in ADDRESSES:
        wait_for(lambda machine=failed_over[name]: machine.status().get("ready"), 180, f"{name} ready")
