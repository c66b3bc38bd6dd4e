"""Flags, serial lines, pages, readiness, failure and the scrub, in a machine below a temporary folder."""
import json
import os
import socket

import pytest
from appliance import boot, checks, cli, pages, progress, scrub, status
from appliance.errors import ApplianceError
from conftest import PASSWORD, change_environment

NAME = socket.gethostname()


@pytest.fixture
def named(host):
    """The machine under the name that this computer really has."""
    host.path("/etc/appliance/env.yml").write_text(host.read("/etc/appliance/env.yml").replace('"prod-s1"', f'"{NAME}"'))
    return host


@pytest.fixture
def passing(monkeypatch):
    monkeypatch.setattr(checks, "run", lambda *_: [checks.Result("all")])
    monkeypatch.setattr(status, "facts", lambda *_: {"role": "web-master", "version": "1", "plan": "a" * 64, "ready": True,
                                                     "units": {}, "database": {}, "checked": "now"})


def console(host):
    return host.read("/dev/console").split("\n")


def test_a_stage_is_a_line_of_its_own_on_the_console(host):
    progress.stage(host, "database")
    assert host.read("/dev/console") == f"\nappliance[{NAME}]: stage database\n"


def test_a_stage_cannot_forge_other_lines(host):
    progress.stage(host, f"x\r\nappliance[{NAME}]: ready web-master")
    assert console(host) == ["", f"appliance[{NAME}]: stage x appliance[{NAME}]: ready web-master", ""]


def test_a_machine_without_a_console_boots_all_the_same(host):
    host.remove("/dev/console")
    progress.stage(host, "database")
    assert host.read("/run/appliance/stages") == "database\n"


def test_ready_says_role_and_plan_and_opens_the_site(host, commands, passing):
    boot.ready(host, 1)
    assert f"appliance[{NAME}]: ready web-master {'a' * 64}" in console(host)
    assert host.exists("/run/appliance/ready") and not host.exists("/run/appliance/progress")
    assert host.path("/run/appliance/open/role.nft").is_symlink()
    assert commands.changing() == [["systemctl", "reload", "nftables.service"],
                                   ["systemctl", "start", "--no-block", "appliance-scrub.service"]]


def test_each_boot_says_ready(host, passing):
    boot.ready(host, 1)
    host.remove("/run/appliance/ready")
    boot.ready(host, 1)
    assert len([line for line in console(host) if " ready " in line]) == 2


def test_a_selftest_that_never_passes_names_what_failed(host, monkeypatch):
    monkeypatch.setattr(checks, "run", lambda *_: [checks.Result("a"), checks.Result("port 443 answers", "refused")])
    clock = iter(range(100))
    with pytest.raises(ApplianceError) as error:
        boot.ready(host, 5, now=lambda: next(clock), sleep=lambda _: None)
    assert str(error.value) == "port 443 answers: refused"
    assert not host.exists("/run/appliance/ready") and not host.exists("/run/appliance/open/role.nft")


def test_prepare_takes_the_seed_of_this_machine(named):
    boot.prepare(named)
    assert console(named)[1] == f"appliance[{NAME}]: stage environment"


def test_prepare_refuses_the_seed_of_another_role_and_says_whose_it_is(named):
    named.path("/etc/appliance/env.yml").write_text(named.read("/etc/appliance/env.yml").replace('"web-master"', '"authority"'))
    with pytest.raises(ApplianceError) as error:
        boot.prepare(named)
    assert str(error.value) == "this seed is for role 'authority', but this image serves web-master: attach the right seed"


def test_prepare_forgets_that_the_last_boot_was_ready(named):
    named.write("/run/appliance/ready", "")
    boot.prepare(named)
    assert not named.exists("/run/appliance/ready") and named.exists("/run/appliance/progress")


def test_the_reason_of_our_own_command_reaches_console_and_page(named, monkeypatch, capsys):
    change_environment(named, 'version: 1', 'version: 7')
    monkeypatch.setenv("APPLIANCE_UNIT", "prepare-env.service")
    assert cli.main(["prepare"], named) == 1
    monkeypatch.delenv("APPLIANCE_UNIT")
    assert cli.main(["fail", "prepare-env.service"], named) == 0
    reason = "/etc/appliance/env.yml:1:10: version: must be 1, is '7'"
    assert f"appliance[{NAME}]: failed {reason}" in console(named)
    assert named.read("/run/appliance/failed") == reason + "\n"
    assert "must be 1, is &#x27;7&#x27;" in named.read("/run/appliance/www/503.html")
    assert json.loads(named.read("/run/appliance/www/503.json")) == {"ready": False, "stage": "environment", "failed": reason}
    assert capsys.readouterr().err == f"appliance: {reason}\n"


def test_the_reason_of_another_unit_is_its_last_word_in_the_journal(host, commands):
    commands.answers["journalctl"] = (0, "nginx: [emerg] bind() to 0.0.0.0:443 failed\nFailed to start nginx.service - x.\n"
                                         "nginx.service: Failed with result 'exit-code'.\n")
    assert boot.fail(host, "nginx.service") == "nginx.service: nginx: [emerg] bind() to 0.0.0.0:443 failed"


def test_a_reason_of_an_earlier_run_is_forgotten(named, monkeypatch):
    monkeypatch.setenv("APPLIANCE_UNIT", "prepare-env.service")
    named.write("/run/appliance/reasons/prepare-env.service", "old")
    assert cli.main(["prepare"], named) == 0
    assert not named.exists("/run/appliance/reasons/prepare-env.service")


def test_a_failed_machine_tries_again_after_apply(host, commands, capsys):
    host.write("/run/appliance/failed", "x")
    assert cli.main(["apply"], host) == 0
    assert ["systemctl", "restart", "appliance-ready.service"] in commands.asked
    assert "restarted appliance-ready.service\n" in capsys.readouterr().out


def test_the_pages_escape_what_they_show():
    assert "<script>" not in pages.progress(["<script>"], "<script>")
    facts = {"role": "<script>", "version": "1", "plan": "p", "ready": False, "units": {}, "database": {}, "checked": "now"}
    assert "<script>" not in pages.status(facts)


def test_the_pages_load_nothing_from_elsewhere():
    page = pages.progress(["database"], "")
    assert "http://" not in page and "https://" not in page and "src=" not in page


def test_status_reports_units_and_databases(host, commands):
    commands.answers["systemctl is-active"] = (0, "active\n")
    commands.answers["/usr/lib/postgresql/15/bin/psql"] = (0, "15.8|UTF8\n")
    host.write("/run/appliance/ready", "")
    from appliance import apply
    now = status.facts(host, *apply.load(host))
    assert now["ready"] is True and now["database"] == {"ballot_box": "up", "iam": "up", "repmgr": "up"}
    assert now["units"] == {unit: "active" for unit in ("nftables.service", "ssh.service", "chrony.service", "nginx.service", "memcached.service",
                                                        "postgresql@15-main.service")}
    assert PASSWORD not in json.dumps(now) and PASSWORD not in repr(commands.asked)


def test_status_is_not_ready_when_a_database_is_down(host, commands):
    commands.answers["systemctl is-active"] = (0, "active\n")
    commands.answers["/usr/lib/postgresql/15/bin/psql"] = (2, "refused")
    host.write("/run/appliance/ready", "")
    from appliance import apply
    now = status.facts(host, *apply.load(host))
    assert now["ready"] is False and now["database"] == {"ballot_box": "down", "iam": "down", "repmgr": "down"}


def seeded(host):
    """Puts the copies that cloud-init makes; returns their paths."""
    instance = "/var/lib/cloud/instances/prod-s1-0123"
    copies = [f"{instance}/{name}" for name in ("user-data.txt", "user-data.txt.i", "cloud-config.txt", "obj.pkl", "vendor-data.txt",
                                                 "scripts/runcmd", "sem/config_ssh")]
    copies += ["/run/cloud-init/instance-data.json", "/run/cloud-init/instance-data-sensitive.json",
               "/run/cloud-init/combined-cloud-config.json"]
    for copy in copies:
        host.write(copy, PASSWORD)
    host.link("/var/lib/cloud/instance", instance.replace("/var/lib/cloud", str(host.path("/var/lib/cloud"))))
    return copies


def test_the_scrub_removes_every_copy_and_closes_cloud_init(host):
    copies = seeded(host)
    assert scrub.scrub(host) == ["closed cloud-init", f"shredded {len(copies)} copies of the seed"]
    assert [copy for copy in copies if host.exists(copy)] == []
    assert host.exists("/etc/cloud/cloud-init.disabled")
    assert host.path("/etc/appliance/env.yml").stat().st_mode & 0o777 == 0o600


def test_the_scrub_overwrites_before_it_removes(host, tmp_path):
    file = tmp_path / "secret"
    file.write_text(PASSWORD)
    os.link(file, tmp_path / "same")
    scrub.shred(file)
    assert (tmp_path / "same").read_bytes() == b"\0" * len(PASSWORD)


def test_a_second_scrub_has_nothing_to_do(host):
    seeded(host)
    scrub.scrub(host)
    assert scrub.scrub(host) == []


def test_a_scrub_cut_off_anywhere_leaves_cloud_init_closed_and_is_completed(host, monkeypatch):
    copies = seeded(host)
    real, budget = scrub.shred, [3]

    def dying(path):
        if budget[0] == 0:
            raise KeyboardInterrupt
        budget[0] -= 1
        return real(path)

    monkeypatch.setattr(scrub, "shred", dying)
    with pytest.raises(KeyboardInterrupt):
        scrub.scrub(host)
    assert host.exists("/etc/cloud/cloud-init.disabled")
    monkeypatch.setattr(scrub, "shred", real)
    assert scrub.scrub(host) == [f"shredded {len(copies) - 3} copies of the seed"]


def test_the_scrub_does_not_follow_links(host, tmp_path):
    seeded(host)
    (tmp_path / "victim").write_text("untouched")
    host.path("/var/lib/cloud/instances/prod-s1-0123/link").symlink_to(tmp_path / "victim")
    scrub.scrub(host)
    assert (tmp_path / "victim").read_text() == "untouched"


def test_the_seed_is_ejected(host):
    host.write("/dev/sr0", "")
    host.link("/dev/disk/by-label/cidata", "../../sr0")
    ejected = []
    assert f"ejected {host.path('/dev/sr0')}" in scrub.scrub(host, eject=lambda device: ejected.append(device) or True)
    assert ejected == [str(host.path("/dev/sr0"))]


def test_the_command_without_arguments_is_wrong_usage(host):
    with pytest.raises(SystemExit) as end:
        cli.main([], host)
    assert end.value.code == 2


def test_internal_commands_stay_out_of_the_help(host, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"], host)
    assert "prepare" not in capsys.readouterr().out


def test_a_unit_that_only_waited_for_the_failed_one_is_not_the_reason(host, commands):
    commands.answers["systemctl is-failed --quiet appliance-apply"] = (1, "inactive")
    assert boot.fail(host, "appliance-apply.service") == "nothing: appliance-apply.service waits for another unit that did"
    assert host.read("/dev/console") == "" and not host.exists("/run/appliance/failed")


def test_the_first_reason_stays_until_the_next_try(host, passing):
    progress.fail(host, "the cause")
    progress.fail(host, "what follows from it")
    assert host.read("/run/appliance/failed") == "the cause\n"
    boot.ready(host, 1)
    assert not host.exists("/run/appliance/failed")
