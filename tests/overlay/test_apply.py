"""`appliance apply` in a machine below a temporary folder."""
import os
import stat

import pytest
from appliance import cli, postgres, primary, replication, scram
from appliance.apply import Moment, apply, lock
from appliance.errors import ApplianceError
from conftest import KEY, PASSWORD, change_environment


def mode(host, path):
    return stat.S_IMODE(os.stat(host.path(path)).st_mode)


def test_the_first_run_writes_every_file_of_the_role(host):
    changes = apply(host, Moment.boot)
    assert [c for c in changes if c.startswith("wrote ")] == [
        "wrote /etc/hostname", "wrote /etc/hosts", "wrote /etc/timezone", "wrote /etc/localtime",
        "wrote /etc/appliance/role.nft", "wrote /etc/nftables.conf", "wrote /etc/ssh/authorized_keys.d/ops",
        "wrote /etc/ssh/sshd_config.d/11-appliance-keys.conf", "wrote /etc/postgresql/15/main/conf.d/appliance.conf",
        "wrote /etc/postgresql/15/main/pg_hba.conf", "wrote /etc/nginx/nginx.conf", "wrote /etc/postgresql/15/main/server.crt",
        "wrote /etc/postgresql/15/main/server.key", "wrote /etc/postgresql/15/main/conf.d/replication.conf",
        "wrote /etc/postgresql/15/main/conf.d/synchronous.conf", "wrote /etc/postgresql/15/main/start.conf", "wrote /etc/repmgr.conf",
        "wrote /var/lib/postgresql/.pgpass", "wrote /etc/sudoers.d/appliance-web", "wrote /etc/ssh/ssh_known_hosts",
        "wrote /etc/ssh/authorized_keys.d/postgres", "wrote /etc/ssh/authorized_keys.d/ballotbox",
        "wrote /var/lib/postgresql/.ssh/id_ed25519", "wrote /home/ballotbox/.ssh/id_ed25519", "wrote /etc/memcached.conf",
        "wrote /etc/appliance/application.env", "wrote /etc/systemd/system/appliance-datastore.timer.d/interval.conf",
        "wrote /etc/eopeers", "wrote /srv/certs/selfsigned/calist", "wrote /etc/eoconf.json"]


def test_the_second_run_changes_nothing(host, commands):
    apply(host, Moment.running)
    commands.asked.clear()
    assert apply(host, Moment.running) == []
    assert commands.changing() == []


def test_the_command_says_that_nothing_changed(host, capsys):
    apply(host, Moment.running)
    host.write("/run/appliance/ready", "")
    assert cli.main(["apply"], host) == 0
    assert capsys.readouterr().out == "nothing changed\n"


def test_a_changed_domain_restarts_only_what_uses_it(host, commands):
    apply(host, Moment.running)
    commands.asked.clear()
    change_environment(host, 'domain: "vote.example.org"', 'domain: "poll.example.org"')
    assert apply(host, Moment.running) == ["wrote /etc/hosts", "wrote /etc/nginx/nginx.conf", "wrote /etc/appliance/application.env",
                                             "reloaded nginx.service"]
    assert commands.changing() == [["systemctl", "reload-or-restart", "nginx.service"]]


def test_at_boot_only_services_that_run_already_are_told(host, commands):
    apply(host, Moment.boot)
    told = [line for line in commands.changing() if line[0] == "systemctl" and line != ["systemctl", "daemon-reload"]]
    assert told and all(line[1].startswith("try-") for line in told)


def test_each_service_is_told_once(host, commands):
    apply(host, Moment.running)
    told = [(line[1], line[2]) for line in commands.asked if line[0] == "systemctl" and line[1].endswith("restart")]
    assert sorted(told, key=lambda one: one[1]) == [
        ("restart", "memcached.service"), ("reload-or-restart", "nftables.service"), ("reload-or-restart", "nginx.service"),
        ("try-restart", "postgresql@15-main.service"), ("try-reload-or-restart", "postgresql@15-main.service"),
        ("reload-or-restart", "ssh.service")]


def test_a_refused_file_leaves_every_file_as_it_was(host, commands):
    apply(host, Moment.running)
    commands.answers["nginx -t"] = (1, "nginx: [emerg] unexpected end of file")
    change_environment(host, 'domain: "vote.example.org"', 'domain: "poll.example.org"')
    before = host.read("/etc/hosts")
    with pytest.raises(ApplianceError) as error:
        apply(host, Moment.running)
    assert "unexpected end of file" in str(error.value)
    assert str(error.value).startswith("/etc/nginx/nginx.conf: nginx -t -q -c ")
    assert host.read("/etc/hosts") == before
    assert [p.name for p in host.path("/etc/nginx").iterdir()] == ["nginx.conf"]


def test_a_reload_that_failed_is_done_by_the_next_run(host, commands):
    apply(host, Moment.running)
    change_environment(host, 'domain: "vote.example.org"', 'domain: "poll.example.org"')
    commands.answers["systemctl reload-or-restart nginx"] = (1, "busy")
    with pytest.raises(ApplianceError):
        apply(host, Moment.running)
    commands.answers.clear()
    assert apply(host, Moment.running) == ["reloaded nginx.service"]


def test_a_changed_password_is_set_and_the_old_one_is_gone(host, commands):
    apply(host, Moment.running)
    change_environment(host, PASSWORD, "another-password-3")
    assert apply(host, Moment.running) == ["set the password of database role ballot_box"]
    assert scram.matches("another-password-3", commands.roles["ballot_box"])
    assert not scram.matches(PASSWORD, commands.roles["ballot_box"])


def test_no_password_is_in_a_command_or_a_file_but_its_own(host, commands):
    apply(host, Moment.running)
    assert PASSWORD not in repr(commands.asked)
    holders = [str(p.relative_to(host.root)) for p in host.root.rglob("*")
               if p.is_file() and not p.is_symlink() and PASSWORD.encode() in p.read_bytes()]
    assert holders == ["etc/appliance/env.yml"]


def test_a_standby_s_apply_leaves_the_databases_alone_and_starts_nothing(host, commands):
    apply(host, Moment.running)
    primary.record(host, primary.Claim("prod-s2", 2))
    commands.asked.clear()
    assert apply(host, Moment.running) == ["wrote /etc/appliance/application.env"]
    assert [line for line in commands.asked if "psql" in " ".join(line) or line[:2] == ["systemctl", "start"]] == []


def test_a_fenced_node_s_database_is_disabled_and_stays_down(host, commands):
    apply(host, Moment.running)
    replication.save(host, fenced="superseded by prod-s2", standbys=("prod-s2",))
    commands.asked.clear()
    assert apply(host, Moment.running) == ["wrote /etc/postgresql/15/main/conf.d/synchronous.conf", "wrote /etc/postgresql/15/main/start.conf",
                                           "reloaded postgresql@15-main.service"]
    assert host.read("/etc/postgresql/15/main/start.conf").splitlines()[-1] == "disabled"
    assert [line for line in commands.asked if line[0] == "systemctl"] == [["systemctl", "try-reload-or-restart", "postgresql@15-main.service"]]


def test_an_apply_can_wait_for_another_one(host):
    waited = []
    with lock(host):
        with pytest.raises(ApplianceError), lock(host, patience=2, sleep=waited.append):
            pass
    assert waited == [1, 1]


def test_a_missing_account_of_payloads_is_made(host, commands):
    host.write("/etc/passwd", "root:x:0:0:::\n")
    assert "made user ballotbox" in apply(host, Moment.boot)
    assert commands.asked.index(["systemd-sysusers"]) < commands.asked.index(["systemd-tmpfiles", "--create"])


def test_folders_of_others_that_our_sandbox_forbids_are_no_failure(host, commands):
    host.write("/etc/passwd", "root:x:0:0:::\n")
    commands.answers["systemd-tmpfiles"] = (73, "Failed to set mode of /var/log/journal: Operation not permitted")
    assert "made user ballotbox" in apply(host, Moment.boot)


def test_secret_files_are_closed_to_others(host):
    host.path("/etc/appliance/env.yml").chmod(0o644)
    apply(host, Moment.boot)
    assert mode(host, "/etc/appliance") == 0o700
    assert mode(host, "/etc/appliance/env.yml") == 0o600
    assert mode(host, "/srv/certs/selfsigned/key-nopass.pem") == 0o600
    assert mode(host, "/etc/postgresql/15/main/server.key") == 0o600
    assert mode(host, "/etc/postgresql/15/main/pg_hba.conf") == 0o640


def test_modes_do_not_depend_on_umask(host):
    old = os.umask(0o077)
    try:
        apply(host, Moment.boot)
    finally:
        os.umask(old)
    assert mode(host, "/etc/hosts") == 0o644


def test_a_file_changed_by_hand_is_put_back(host):
    apply(host, Moment.running)
    host.path("/etc/hosts").write_text("127.0.1.1 prod-s1\n")
    assert apply(host, Moment.running) == ["wrote /etc/hosts"]


def test_a_file_behind_a_link_is_replaced_and_the_link_not_followed(host, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    host.path("/etc/hosts").symlink_to(victim)
    apply(host, Moment.boot)
    assert victim.read_text() == "untouched" and not host.path("/etc/hosts").is_symlink()


def test_keys_of_a_user_who_left_are_removed(host):
    apply(host, Moment.running)
    change_environment(host, f'{{name: "ops", ssh_authorized_keys: ["{KEY}"]}}', f'{{name: "eve", ssh_authorized_keys: ["{KEY}"]}}')
    assert apply(host, Moment.running) == ["wrote /etc/ssh/authorized_keys.d/eve", "removed /etc/ssh/authorized_keys.d/ops"]


def test_two_runs_at_once_are_refused(host):
    with lock(host), pytest.raises(ApplianceError) as error:
        apply(host, Moment.running)
    assert str(error.value) == "another 'appliance apply' is at work: wait for it"


def test_half_a_cluster_of_a_first_boot_that_was_cut_off_is_made_anew(host, commands):
    host.path("/etc/postgresql/15/main").mkdir(parents=True)
    host.path("/var/lib/postgresql/15/main").mkdir(parents=True)
    host.path("/var/lib/postgresql/15/main/half").touch()
    assert "made database cluster main" in apply(host, Moment.boot)
    assert not host.exists("/var/lib/postgresql/15/main/half")


def test_a_lost_cluster_is_never_replaced_by_an_empty_one(host):
    apply(host, Moment.boot)
    host.path("/var/lib/postgresql/15/main").rmdir()
    with pytest.raises(ApplianceError) as error:
        apply(host, Moment.boot)
    assert str(error.value) == (f"{host.root}/var/lib/postgresql/15/main: is missing, although the database was made before: "
                                "bring it back, or remove /var/lib/appliance/cluster-made to begin with an empty one")


def test_a_cluster_of_unknown_origin_is_never_removed(host):
    host.write("/etc/cloud/cloud-init.disabled", "")
    host.path("/var/lib/postgresql/15/main").mkdir(parents=True)
    with pytest.raises(ApplianceError):
        apply(host, Moment.boot)
    assert host.exists("/var/lib/postgresql/15/main")


def test_a_missing_certificate_is_named(host):
    host.remove("/srv/certs/selfsigned/cert.pem")
    with pytest.raises(ApplianceError) as error:
        apply(host, Moment.boot)
    assert str(error.value) == "/srv/certs/selfsigned/cert.pem: there is none: the seed should have brought it"


def test_a_missing_server_is_named(host):
    host.remove("/usr/lib/postgresql/15/bin/initdb")
    with pytest.raises(ApplianceError) as error:
        apply(host, Moment.boot)
    assert str(error.value) == "/usr/lib/postgresql: there is no PostgreSQL server in this image"


def test_the_newest_server_is_taken_for_a_fresh_cluster(host):
    host.write("/usr/lib/postgresql/9/bin/initdb", "")
    host.write("/usr/lib/postgresql/16/bin/initdb", "")
    assert postgres.version(host) == "16"


def test_the_version_of_the_cluster_counts_once_there_is_one(host):
    apply(host, Moment.boot)
    host.write("/usr/lib/postgresql/16/bin/initdb", "")
    assert postgres.version(host) == "15"


@pytest.mark.parametrize("memory, cores, pool", [
    (3072, 1, (44, "128MB", "4096kB", "2048MB")), (4096, 2, (52, "256MB", "4096kB", "2048MB")),
    (6144, 2, (52, "768MB", "12288kB", "2304MB")), (16384, 6, (84, "3072MB", "16384kB", "9216MB")),
    (30720, 8, (100, "6528MB", "26112kB", "19584MB"))])
def test_memory_follows_the_vectors_of_the_ecs_appliance(memory, cores, pool):
    assert tuple(postgres.tuning(memory, cores).values()) == pool
