"""The folders themselves: what git must keep, what units may and may not say."""
import ast
import os
import subprocess

import pytest
import yaml
from appliance import cli
from conftest import OVERLAYS

FILES = sorted(path for folder in ("common", "web", "authority") for path in (OVERLAYS / folder).rglob("*") if not path.is_dir())
UNITS = [path for path in FILES if path.suffix in (".service", ".timer")]
SCRIPTS = {f"usr/lib/appliance/{name}" for name in ("load-firewall", "archive-wal", "restore-wal", "peer-words")}
EXECUTABLE = {"usr/bin/appliance", "usr/bin/eopeers", *SCRIPTS}
ids = lambda path: str(path.relative_to(OVERLAYS))  # noqa: E731


def settings(unit):
    """(key, value) of each line of a unit."""
    return [tuple(line.split("=", 1)) for line in unit.read_text().splitlines() if "=" in line and not line.startswith("#")]


def values(unit, key):
    return [word for name, value in settings(unit) if name == key for word in value.split()]


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_modes_are_those_that_git_keeps(path):
    inside = "/".join(path.relative_to(OVERLAYS).parts[1:])
    assert os.stat(path).st_mode & 0o777 == (0o755 if inside in EXECUTABLE else 0o644)


def test_nothing_is_in_both_overlays():
    names = [path.relative_to(OVERLAYS / path.relative_to(OVERLAYS).parts[0]) for path in FILES]
    assert len(names) == len(set(names))


def test_no_byte_code_lies_about():
    assert [path for path in FILES if "__pycache__" in path.parts] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".py"], ids=ids)
def test_the_sources_are_python_3_9(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("unit", UNITS, ids=ids)
def test_units_that_multi_user_waits_for_do_not_wait_for_what_waits_for_it(unit):
    """Debian's cloud-final.service is ordered after multi-user.target: waiting for it would be a cycle."""
    if "multi-user.target" in values(unit, "WantedBy"):
        assert not {"cloud-final.service", "cloud-init.target", "multi-user.target"} & set(values(unit, "After"))


@pytest.mark.parametrize("unit", UNITS, ids=ids)
def test_units_never_require_cloud_init(unit):
    """Once it is closed its units do not start; only their order may matter."""
    needed = values(unit, "Requires") + values(unit, "BindsTo") + values(unit, "Requisite")
    assert not [name for name in needed if name.startswith("cloud-")]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if "RemainAfterExit" in dict(settings(unit))], ids=ids)
def test_a_boot_step_that_fails_says_so(unit):
    if unit.name != "appliance-restart-first-boot.service":
        assert values(unit, "OnFailure") == ["appliance-failed@%n.service"]
        assert values(unit, "Environment") == ["APPLIANCE_UNIT=%n"]


@pytest.mark.parametrize("unit", UNITS, ids=ids)
def test_units_use_commands_that_exist(unit):
    for name, value in settings(unit):
        if name == "ExecStart" and value.startswith("/usr/bin/appliance "):
            cli._parser().parse_args([word.replace("%i", "x.service") for word in value.split()[1:]])


def test_cloud_init_reads_its_datasources_from_one_line():
    text = (OVERLAYS / "common/etc/cloud/cloud.cfg.d/90-appliance.cfg").read_text()
    assert "\ndatasource_list: [ NoCloud, Ec2, None ]\n" in text
    assert yaml.safe_load(text)["users"] == []
    assert yaml.safe_load(text)["datasource"] == {"Ec2": {"strict_id": "true"}}
    # With more than one source ds-identify would turn cloud-init off where it finds none, and nobody would say that the seed is missing.
    assert "\npolicy: enabled\n" in (OVERLAYS / "common/etc/cloud/ds-identify.cfg").read_text()


def firewall(tmp_path, rules):
    """What load-firewall loads in a network of its own."""
    script = (OVERLAYS / "common/usr/lib/appliance/load-firewall").read_text()
    if rules is not None:
        (tmp_path / "nftables.conf").write_text(rules)
    script = script.replace("/etc/nftables.conf", f"{tmp_path}/nftables.conf").replace("/usr/lib/appliance", str(OVERLAYS / "common/usr/lib/appliance"))
    (tmp_path / "load").write_text(script)
    done = subprocess.run(["unshare", "-n", "-r", "sh", "-c", f"sh {tmp_path}/load; nft list ruleset"], capture_output=True, text=True)
    return done.stdout


OURS = "# appliance: x\ntable inet appliance {\n chain ours {\n }\n}\n"


@pytest.mark.parametrize("rules", [None, "flush ruleset\n", "# appliance: x\nnonsense\n", ""], ids=["none", "not ours", "refused", "empty"])
def test_the_firewall_is_closed_when_there_are_no_good_rules(tmp_path, rules):
    found = firewall(tmp_path, rules)
    assert found.count("policy drop") == 2 and "dport 22" not in found and "closing the firewall" in found


def test_the_firewall_takes_good_rules(tmp_path):
    found = firewall(tmp_path, OURS)
    assert "chain ours" in found and "closing" not in found


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_scripts_pass_shellcheck(script):
    subprocess.run(["shellcheck", next(path for path in FILES if str(path).endswith(script))], check=True)
