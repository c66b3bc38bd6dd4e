"""imgbuild ops: the files are read by the programs they are for, and say the same as the machines' own firewalls."""
import ipaddress
import json
import re
import subprocess

import botocore.session
import botocore.validate
import pytest
import yaml
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild

FILES = ["ssh_config", "known_hosts", "hosts", "tmuxinator.yml", "tmux.conf", "terraform.tf.json", "cloudformation.json", "RUNBOOK.md"]


@pytest.fixture
def prod(tmp_path):
    _, key = imgbuild.make_ssh_key(tmp_path)
    env = tmp_path / "prod.yml"
    env.write_text(ENVIRONMENT.format(key=key))
    imgbuild.run_ok("seed", "--env", env, "-o", tmp_path / "output")
    return env


def ops(env, *arguments):
    result = imgbuild.run_ok("ops", "--env", env, "-o", env.parent / "output", *arguments)
    folder = env.parent / "output/prod/ops"
    assert result.stdout.splitlines() == [str(folder / name) for name in FILES]
    return folder


def test_ssh_takes_the_configuration(prod):
    folder = ops(prod)
    said = subprocess.run(["ssh", "-G", "-F", folder / "ssh_config", "prod-s1"], capture_output=True, text=True, check=True).stdout
    found = dict(line.split(" ", 1) for line in said.splitlines())
    assert {key: found[key] for key in ("hostname", "user", "hostkeyalias", "stricthostkeychecking", "userknownhostsfile")} == {
        "hostname": "192.168.50.4", "user": "ops", "hostkeyalias": "prod-s1", "stricthostkeychecking": "true", "userknownhostsfile": str(folder / "known_hosts")}
    others = subprocess.run(["ssh", "-G", "-F", folder / "ssh_config", "prod-a2"], capture_output=True, text=True, check=True).stdout
    assert "hostname 192.168.50.7\n" in others and "userknownhostsfile " + str(folder) not in others  # not our key to vouch for


def test_machines_are_reached_at_public_addresses_where_they_have_one(prod):
    folder = ops(prod, "--public")
    said = (folder / "ssh_config").read_text()
    assert "Host prod-s1\n  HostName 203.0.113.4\n" in said and "Host prod-s2\n  HostName 192.168.50.5\n" in said


@pytest.mark.parametrize("name", ["prod-s1", "192.168.50.4", "203.0.113.4"])
def test_the_host_keys_are_those_of_the_vault(prod, name):
    folder = ops(prod)
    said = subprocess.run(["ssh-keygen", "-F", name, "-f", folder / "known_hosts"], capture_output=True, text=True, check=True).stdout
    assert (prod.parent / "prod.vault/machines/prod-s1/ssh_host_ed25519_key.pub").read_text().split()[1] in said


def test_hosts_names_every_machine(prod):
    lines = [line.split() for line in (ops(prod) / "hosts").read_text().splitlines() if not line.startswith("#")]
    assert lines == [["192.168.50.4", "prod-s1", "prod-s1.vote.example.org", "vote.example.org"], ["192.168.50.5", "prod-s2", "prod-s2.vote.example.org"],
                     ["192.168.50.7", "prod-a2", "prod-a2.vote.example.org"], ["192.168.50.6", "prod-a1", "prod-a1.vote.example.org"]]


def test_no_file_holds_a_secret(prod):
    folder = ops(prod)
    secrets = [path.read_text() for path in (prod.parent / "prod.vault").rglob("*") if path.is_file() and path.suffix not in (".pub", ".crt")
               and path.name not in ("index", ".gitignore", ".lock", "role")]
    assert len(secrets) > 5
    for path in folder.iterdir():
        for secret in secrets:
            assert secret.strip() not in path.read_text()


def test_a_host_key_that_the_vault_lacks_is_named(tmp_path):
    _, key = imgbuild.make_ssh_key(tmp_path)
    env = tmp_path / "prod.yml"
    env.write_text(ENVIRONMENT.format(key=key))
    result = imgbuild.run("ops", "--env", env, "-o", tmp_path / "output")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == f"imgbuild: {tmp_path}/prod.vault: holds no ssh host key of 'prod-s1'\nhint: imgbuild seed --env {env} makes it\n"
    assert not (tmp_path / "output").exists()


def test_ops_needs_a_file(tmp_path):
    result = imgbuild.run("ops")
    assert (result.returncode, result.stderr) == (2, "imgbuild: ops needs --env FILE, or a command such as firewall\n")


# --- tmux ---

def windows(folder):
    found = yaml.safe_load((folder / "tmuxinator.yml").read_text())
    assert found["name"] == "prod"
    return {name: [commands] if isinstance(commands, str) else commands for window in found["windows"] for name, commands in window.items()}


def test_the_windows_are_those_of_the_skeleton(prod):
    found = windows(ops(prod))
    assert list(found) == ["l", "s1", "s1-d", "s2", "s2-d", "a2", "a2-l", "a2-d", "a1", "a1-l", "a1-d", "ae", "at", "adm", "nx-l", "ae-l", "ath-l", "cel-l"]
    assert found["s1"][0].endswith(" prod-s1") and found["s1"][1] == "sudo -s"
    assert found["adm"][1:] == ["sudo -s", "su - ballotbox", "source ~/env/bin/activate", "cd ~/ballot-box/admin"]
    assert found["a1-l"][0].endswith(" prod-a1 sudo eolog")


def test_tmuxinator_takes_the_project(prod):
    folder = ops(prod)
    said = subprocess.run(["tmuxinator", "debug", "-p", folder / "tmuxinator.yml"], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(prod.parent), "SHELL": "/bin/bash", "LANG": "C.UTF-8"})
    assert said.returncode == 0, said.stderr
    assert "new-session -d -s prod -n l" in said.stdout and "-n cel-l" in said.stdout
    assert subprocess.run(["bash", "-n"], input=said.stdout, text=True, capture_output=True).stderr == ""


def test_tmux_takes_its_configuration(prod):
    folder = ops(prod)
    tmux = ["tmux", "-S", str(prod.parent / "socket"), "-f", str(folder / "tmux.conf")]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(prod.parent), "LANG": "C.UTF-8"}
    asked = [*tmux, "new-session", "-d", ";", "show-options", "-g", "prefix", ";", "show-options", "-g", "status-style", ";", "list-keys", "-T", "root"]
    said = subprocess.run(asked, capture_output=True, text=True, env=env)
    subprocess.run([*tmux, "kill-server"], capture_output=True, env=env)
    assert said.returncode == 0, said.stderr
    assert "prefix C-a" in said.stdout and "bg=green" in said.stdout
    assert re.search(r"C-Left +previous-window", said.stdout) and re.search(r"C-Right +next-window", said.stdout)


# --- security groups ---

def ways(rules):
    """(machine, protocol, port, network), networks joined where they touch."""
    found = {}
    for machine, protocol, port, network in rules:
        found.setdefault((machine, protocol, port), []).append(ipaddress.ip_network(network))
    return {(*key, str(network)) for key, networks in found.items() for version in (4, 6)
            for network in ipaddress.collapse_addresses(n for n in networks if n.version == version)}


def ways_of_matrix(env):
    rows = json.loads(imgbuild.run_ok("ops", "firewall", "--env", env, "--json").stdout)["rows"]
    return ways((row["to"], row["protocol"], row["port"], source["network"]) for row in rows if not row["external"] for source in row["from"])


def ways_of_terraform(folder):
    resources = json.loads((folder / "terraform.tf.json").read_text())["resource"]
    groups = {f"${{aws_security_group.{key}.id}}": group["tags"]["Name"] for key, group in resources["aws_security_group"].items()}
    rules = resources["aws_vpc_security_group_ingress_rule"].values()
    assert all(rule["from_port"] == rule["to_port"] for rule in rules)
    return ways((groups[rule["security_group_id"]], rule["ip_protocol"], rule["from_port"], rule.get("cidr_ipv4") or rule["cidr_ipv6"]) for rule in rules)


def groups_of_cloudformation(folder):
    resources = json.loads((folder / "cloudformation.json").read_text())["Resources"]
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::EC2::SecurityGroup"]


def ways_of_cloudformation(folder):
    return ways((group["Tags"][0]["Value"], rule["IpProtocol"], rule["FromPort"], rule.get("CidrIp") or rule["CidrIpv6"])
                for group in groups_of_cloudformation(folder) for rule in group["SecurityGroupIngress"])


def test_the_groups_let_in_what_the_machines_let_in(prod):
    folder = ops(prod)
    assert ways_of_terraform(folder) == ways_of_cloudformation(folder) == ways_of_matrix(prod)
    assert {way[0] for way in ways_of_terraform(folder)} == {"prod-s1", "prod-s2", "prod-a1"}  # the trustee's own is not ours


def test_behind_cloudflare_the_web_is_open_to_it_alone(prod):
    folder = ops(prod, "--cloudflare")
    plain = ways_of_matrix(prod)
    assert ways_of_terraform(folder) == ways_of_cloudformation(folder)
    world = {way for way in plain if way[3] in ("0.0.0.0/0", "::/0")}
    web = {way for way in world if way[2] in (80, 443, 8443)}
    assert web and ways_of_terraform(folder) & web == set()
    assert plain - web == {way for way in ways_of_terraform(folder) if way in plain}
    assert ("prod-s1", "tcp", 443, "172.64.0.0/13") in ways_of_terraform(folder)


def model(service, operation):
    return botocore.session.get_session().get_service_model(service).operation_model(operation)


def complaints(parameters, operation):
    return botocore.validate.ParamValidator().validate(parameters, operation.input_shape).generate_report()


def test_awss_model_takes_the_rules_of_cloudformation(prod):
    """The properties of a group are the parameters of the calls that CloudFormation makes of them."""
    for group in groups_of_cloudformation(ops(prod)):
        permissions = [{"IpProtocol": rule["IpProtocol"], "FromPort": rule["FromPort"], "ToPort": rule["ToPort"],
                        **({"IpRanges": [{"CidrIp": rule["CidrIp"], "Description": rule["Description"]}]} if "CidrIp" in rule
                           else {"Ipv6Ranges": [{"CidrIpv6": rule["CidrIpv6"], "Description": rule["Description"]}]})} for rule in group["SecurityGroupIngress"]]
        assert complaints({"GroupId": "sg-1", "IpPermissions": permissions}, model("ec2", "AuthorizeSecurityGroupIngress")) == ""
        assert len(permissions) <= 60  # AWS's limit, without asking for more
        assert set(group) <= {"GroupName", "GroupDescription", "VpcId", "SecurityGroupIngress", "SecurityGroupEgress", "Tags"}
        for rule in group["SecurityGroupIngress"]:
            assert re.fullmatch(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}", rule["Description"])


def test_logical_ids_and_references_of_cloudformation_hold(prod):
    template = json.loads((ops(prod) / "cloudformation.json").read_text())
    assert all(re.fullmatch("[A-Za-z0-9]{1,255}", name) for name in template["Resources"])
    known = set(template["Resources"]) | set(template["Parameters"])
    referred = set(re.findall(r'"Ref": "(\w+)"', json.dumps(template))) | set(re.findall(r'"Fn::GetAtt": \["(\w+)"', json.dumps(template)))
    assert referred == {"Vpc", "BackupVault", "BackupPlan", "BackupRole"} <= known


def backup_rules(folder):
    """(name, schedule, days), by both files."""
    formation = json.loads((folder / "cloudformation.json").read_text())["Resources"]["BackupPlan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    terraform = json.loads((folder / "terraform.tf.json").read_text())["resource"]["aws_backup_plan"]["backup"]["rule"]
    of_terraform = [(rule["rule_name"], rule["schedule"], rule["lifecycle"][0]["delete_after"]) for rule in terraform]
    assert [(rule["RuleName"], rule["ScheduleExpression"], rule["Lifecycle"]["DeleteAfterDays"]) for rule in formation] == of_terraform
    return of_terraform


def test_backups_are_made_and_kept_as_they_were_by_hand(prod):
    rules = backup_rules(ops(prod))
    assert rules == [("every-3-hours", "cron(0 0/3 ? * * *)", 1), ("daily", "cron(30 1 ? * * *)", 6), ("weekly", "cron(30 2 ? * 1 *)", 28),
                     ("monthly", "cron(30 3 1 * ? *)", 731)]
    plan = {"BackupPlanName": "prod", "Rules": [{"RuleName": name, "TargetBackupVaultName": "prod", "ScheduleExpression": schedule, "Lifecycle": {"DeleteAfterDays": days}}
                                                for name, schedule, days in rules]}
    assert complaints({"BackupPlan": plan}, model("backup", "CreateBackupPlan")) == ""
    selection = json.loads((prod.parent / "output/prod/ops/cloudformation.json").read_text())["Resources"]["BackupSelection"]["Properties"]["BackupSelection"]
    selection["IamRoleArn"] = "arn:aws:iam::1:role/x"
    assert complaints({"BackupPlanId": "x", "BackupSelection": selection}, model("backup", "CreateBackupSelection")) == ""
    assert selection["ListOfTags"] == [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup-normal", "ConditionValue": "true"}]


# --- runbook ---

def test_the_runbook_has_this_deployments_names(prod):
    text = (ops(prod) / "RUNBOOK.md").read_text()
    assert re.findall("^## (.*)$", text, re.M) == ["First start", "Exchange of peer packages", "Promotion: prod-s2 takes the place of prod-s1", "Restore", "Rotation of keys"]
    for words in ("prod-s2 sudo appliance promote", "prod-s1 sudo appliance rejoin", "`prod-s1-restored-1`", "prod-a2 is kept by somebody else", "`machines/prod-a1/tls.key`"):
        assert words in text


def test_every_command_of_the_runbook_exists(prod):
    text = (ops(prod) / "RUNBOOK.md").read_text()
    commands = {tuple(line.split()[1:3]) for line in text.splitlines() if line.startswith("imgbuild ")}
    for words in commands:
        words = [word for word in words if not word.startswith("-") and "/" not in word and word not in ("web-master",)]
        assert imgbuild.run("--help" if not words else words[0], *words[1:2], "--help").returncode == 0, words
    source = imgbuild.ROOT / "overlays/common/usr/lib/appliance"
    for word in set(re.findall(r"sudo appliance (\w+)", text)):
        known = subprocess.run(["/usr/bin/python3", "-c", "from appliance import cli; cli._parser().parse_args()", word, "--help"], cwd=source, capture_output=True,
                               env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(source)})
        assert known.returncode == 0, word
