"""Replication, promotion, backups and datastore with fake commands; tests/replication has the same with real servers."""
import datetime
import json

import pytest
from appliance import apply, audit, backup, cli, datastore, node, peer, primary, promotion, rejoin, replication, restore, standby, watch
from appliance.errors import ApplianceError
from conftest import change_environment

SSH = "runuser -u postgres -- ssh"
PSQL = "runuser -u postgres -- /usr/lib/postgresql/15/bin/psql"


@pytest.fixture
def slave(host):
    """The same machine as prod-s2: a standby with its copy of the database."""
    own = 'machine: {name: "prod-s1", role: "web-master", private_ip: "192.168.50.4", public_ip: "203.0.113.4"}'
    change_environment(host, own, 'machine: {name: "prod-s2", role: "web-slave", private_ip: "192.168.50.5"}')
    host.write("/var/lib/appliance/cluster-made", "15\n")
    host.path("/etc/postgresql/15/main").mkdir(parents=True)
    host.write("/etc/postgresql/15/main/postgresql.conf", "")
    host.path("/var/lib/postgresql/15/main").mkdir(parents=True)
    host.write(standby.CLONED, "prod-s1\n")
    return host


def refusal(act, *arguments, **options):
    with pytest.raises(ApplianceError) as error:
        act(*arguments, **options)
    return str(error.value)


def test_the_record_of_replication_keeps_what_is_not_changed(host):
    replication.save(host, standbys=("prod-s2",))
    assert replication.save(host, degraded=True) == replication.State(("prod-s2",), True, "", False)
    assert replication.load(host) == replication.State(("prod-s2",), True, "", False)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"standbys": 1, "degraded": 0, "fenced": "", "promoting": 0}'])
def test_a_damaged_record_is_named(host, text):
    host.write(replication.PATH, text)
    assert refusal(replication.load, host) == (
        "/var/lib/appliance/replication: is damaged: bring it back, or remove it if this node never replicated")


def test_all_registered_standbys_must_confirm(host):
    replication.save(host, standbys=("prod-s2", "prod-s3"))
    apply.apply(host, apply.Moment.boot)
    assert host.read("/etc/postgresql/15/main/conf.d/synchronous.conf").splitlines()[1] == (
        "synchronous_standby_names = 'FIRST 2 (\"prod-s2\", \"prod-s3\")'")


def test_a_promotion_without_contact_is_refused(slave, commands):
    commands.answers[SSH] = (255, "ssh: connect to host prod-s1 port 22: No route to host")
    assert refusal(promotion.promote, slave) == (
        "prod-s1 cannot be reached over ssh: ssh: connect to host prod-s1 port 22: No route to host: nothing proves that it is off "
        "(no contact is on record); switch it off, then give --old-primary-is-off REASON")
    assert not [line for line in commands.asked if "pg_promote" in " ".join(line)] and slave.exists(standby.CLONED)


def test_a_promotion_while_the_old_database_answers_is_refused(slave, commands, monkeypatch):
    commands.answers[SSH] = (255, "no")
    monkeypatch.setattr(promotion, "_answers", lambda address: address == "192.168.50.4")
    assert refusal(promotion.promote, slave, "it is off") == "prod-s1 is not off: its database answers at 192.168.50.4:5432"


def test_a_promotion_that_the_old_primary_refuses_goes_no_further(slave, commands):
    commands.answers[SSH] = (1, "appliance: prod-s1 does not wait for prod-s2 with its commits, so some may be here only")
    assert refusal(promotion.promote, slave) == (
        "prod-s1 refuses 'fence': appliance: prod-s1 does not wait for prod-s2 with its commits, so some may be here only: "
        "let this standby catch up, or give --accept-loss REASON")


@pytest.mark.parametrize("spoil, message", [
    (lambda host: primary.record(host, primary.Claim("prod-s2", 2)), "prod-s2 is the primary already"),
    (lambda host: host.remove(standby.CLONED), "this node has no complete copy of the primary's database"),
    (lambda host: replication.save(host, fenced="superseded by prod-s1"), "this database is fenced, superseded by prod-s1: run 'appliance rejoin'")])
def test_a_node_that_cannot_take_over_says_why(slave, spoil, message):
    spoil(slave)
    assert refusal(promotion.promote, slave) == message


def test_a_fence_is_recorded_before_the_server_is_stopped(host, commands):
    apply.apply(host, apply.Moment.boot)
    commands.answers["systemctl stop"] = (1, "stuck")
    environment, role = apply.load(host)
    refusal(peer.fence, host, environment, role, "superseded by prod-s2", primary.Claim("prod-s2", 2))
    assert replication.load(host).fenced == "superseded by prod-s2" and primary.current(host, environment).name == "prod-s2"
    assert refusal(node.start, host, environment, role) == "superseded by prod-s2: run 'appliance rejoin'"


def test_processes_that_outlive_the_stop_are_no_fence(host):
    assert refusal(standby.stop_server, host) == "postgresql@15-main.service: was stopped, but processes of it still run"


@pytest.mark.parametrize("caller", ["prod-s1", "prod-a1", "nobody"])
def test_only_other_web_nodes_may_ask(host, caller):
    assert refusal(peer.answer, host, caller, "status") == f"'{caller}' is no other web node of this deployment"


def test_a_primary_fences_itself_only_for_a_standby_it_waits_for(host):
    assert refusal(peer.answer, host, "prod-s2", "fence") == (
        "prod-s1 does not wait for prod-s2 with its commits, so some may be here only")


def test_a_standby_waits_for_nobody(slave):
    assert refusal(peer.answer, slave, "prod-s1", "synchronous") == "prod-s2 is not the primary"


def test_a_standby_that_waits_says_for_whom_and_why_once(slave, capsys):
    tries = []
    slave.run.answers[PSQL] = (2, "connection refused")

    def sleep(_):
        tries.append(1)
        if len(tries) == 3:
            slave.run.answers[PSQL] = (0, "1\n")
    standby.wait_for_primary(slave, apply.load(slave)[0], sleep)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and said[0] == "stage waiting for prod-s1" and said[1].endswith(": connection refused")


def test_degrade_on_a_standby_is_refused(slave):
    assert refusal(promotion.degrade, slave, lambda _: True) == "prod-s2 is not the primary"


def test_degrade_without_a_yes_changes_nothing(host):
    replication.save(host, standbys=("prod-s2",))
    assert refusal(promotion.degrade, host, lambda _: False) == "not confirmed: nothing changed"
    assert replication.load(host).standbys == ("prod-s2",)


def test_rejoin_without_anybody_who_writes_says_who_was_silent(slave, commands):
    commands.answers[PSQL] = (2, "timeout")
    assert refusal(rejoin.rejoin, slave).startswith("no other web node says that it is the primary: runuser -u postgres -- ")
    assert slave.exists(standby.CLONED)


def seen(slave, commands, **facts):
    answer = {"writes": False, "standbys": [], "lost_slots": [], "archive_fails": False, "stream": None, **facts}
    commands.answers[PSQL] = (0, json.dumps(answer))
    return watch.observe(slave, *apply.load(slave))


def test_alarms_of_a_primary(host, commands):
    assert seen(host, commands)["alarms"] == ["no standby has registered yet: commits wait for none"]
    replication.save(host, standbys=("prod-s2",))
    assert seen(host, commands, lost_slots=["repmgr_slot_2"], archive_fails=True)["alarms"] == [
        "replication slot repmgr_slot_2 is lost: run 'appliance rejoin' on its standby",
        "WAL cannot be archived: see the log of PostgreSQL", "standby prod-s2 is gone: commits wait for it"]
    streaming = {"name": "prod-s2", "sync_state": "sync", "lag_bytes": 7, "lag_seconds": 0.5, "heard": "1"}
    facts = seen(host, commands, standbys=[streaming])
    assert (facts["alarms"], facts["sync_state"], facts["lag_bytes"]) == ([], "sync", 7)


def test_a_standby_not_heard_since_the_last_round_is_gone(host, commands):
    replication.save(host, standbys=("prod-s2",))
    streaming = {"name": "prod-s2", "sync_state": "sync", "lag_bytes": 0, "lag_seconds": 0, "heard": "1"}
    watcher = watch.Watcher(host)
    seen(host, commands, standbys=[streaming])
    assert watcher.round()["alarms"] == []
    assert watcher.round()["alarms"] == ["standby prod-s2 is gone: commits wait for it"]


def test_a_database_that_does_not_answer_is_an_alarm_and_no_crash(slave, commands):
    commands.answers[PSQL] = (2, "no")
    assert watch.observe(slave, *apply.load(slave))["alarms"] == ["the database does not answer"]


def test_authorities_are_told_who_is_primary(host):
    primary.record(host, primary.Claim("prod-s2", 3))
    primary.publish(host, apply.load(host)[0])
    assert json.loads(host.read("/run/appliance/www/primary.json")) == {"name": "prod-s2", "timeline": 3}


def put_backup(host, name, first):
    host.write(f"{backup.BASE}/{name}/first-wal", f"{first}\n")


def test_old_backups_and_the_wal_that_nobody_needs_go(host):
    put_backup(host, "20310101T040000Z", "000000010000000000000003")
    put_backup(host, "20310120T040000Z", "000000010000000000000007")
    for segment in ("000000010000000000000006", "000000010000000000000007", "000000020000000000000006"):
        host.write(f"{backup.WAL}/{segment}.gz", "")
    host.write(f"{backup.WAL}/00000002.history.gz", "")
    assert backup.clean(host, datetime.datetime(2031, 1, 10)) == ["removed base backup 20310101T040000Z", "removed 2 WAL files"]
    assert sorted(path.name for path in host.path(backup.WAL).iterdir()) == ["000000010000000000000007.gz", "00000002.history.gz"]


def test_the_last_backup_stays_however_old_it_is(host):
    put_backup(host, "20300101T040000Z", "000000010000000000000003")
    put_backup(host, "20300102T040000Z", "000000010000000000000004")
    host.path(backup.WAL).mkdir(parents=True)
    assert backup.clean(host, datetime.datetime(2031, 1, 10)) == ["removed base backup 20300101T040000Z"]
    assert backup.names(host) == ["20300102T040000Z"]


def test_half_a_backup_is_none(host):
    host.write(f"{backup.BASE}/20310101T040000Z/base.tar.gz", "")
    host.write(f"{backup.BASE}/.20310102T040000Z.part/first-wal", "")
    assert backup.names(host) == []


@pytest.mark.parametrize("name, moment, message", [
    ("x", "", "there is no base backup 'x', there are: 20310101T040000Z"),
    ("20310101T040000Z", "yesterday'", "--to: must be a time such as 2031-11-21T04:00:00Z, is 'yesterday''")])
def test_a_restore_of_nonsense_is_refused(host, name, moment, message):
    put_backup(host, "20310101T040000Z", "000000010000000000000003")
    assert refusal(restore.restore, host, name, moment) == message


def test_a_failed_pull_keeps_the_last_success(slave, commands):
    assert datastore.pull(slave) == ["pulled the datastore from prod-s1"]
    good = datastore.last(slave)["at"]
    commands.answers["runuser -u ballotbox -- rsync"] = (255, "ssh: no route")
    assert refusal(datastore.pull, slave) == "datastore cannot be pulled from prod-s1: ssh: no route"
    assert datastore.last(slave) == {"at": good, "from": "prod-s1", "tried": datastore.last(slave)["tried"], "problem": "prod-s1: ssh: no route"}


def test_each_act_is_one_line_of_the_audit_log(host, commands, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ops\nforged")
    audit.note(host, "promoted\nforged line")
    line, = host.read(audit.PATH).splitlines()
    assert line.endswith(" ops forged: promoted forged line")
    assert commands.asked[-1][:4] == ["logger", "-t", "appliance", "-p"]


def test_degrade_asks_only_on_a_terminal(host, capsys, monkeypatch):
    replication.save(host, standbys=("prod-s2",))
    monkeypatch.setattr("sys.stdin", open("/dev/null"))
    assert cli.main(["degrade"], host) == 1
    assert capsys.readouterr().err == "appliance: nobody can be asked here: give --yes\n"
