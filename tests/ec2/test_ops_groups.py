"""imgbuild ops: the security groups say the same as the machines' own firewalls."""
import ipaddress
import json
import re

import pytest
from aws_models import complaints, model
from ops_deployment import deployment, ops  # noqa: F401
from rehearsal import APPLIANCE
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


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
    rules = [rule for rule in resources["aws_vpc_security_group_ingress_rule"].values() if not rule["ip_protocol"].startswith("icmp")]
    assert all(rule["from_port"] == rule["to_port"] for rule in rules)
    return ways((groups[rule["security_group_id"]], rule["ip_protocol"], rule["from_port"], rule.get("cidr_ipv4") or rule["cidr_ipv6"]) for rule in rules)


def groups_of_cloudformation(folder):
    resources = json.loads((folder / "cloudformation.json").read_text())["Resources"]
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::EC2::SecurityGroup"]


def ways_of_cloudformation(folder):
    return ways((group["Tags"][0]["Value"], rule["IpProtocol"], rule["FromPort"], rule.get("CidrIp") or rule["CidrIpv6"])
                for group in groups_of_cloudformation(folder) for rule in group["SecurityGroupIngress"] if not rule["IpProtocol"].startswith("icmp"))


def test_the_groups_let_in_what_the_machines_let_in(prod):
    folder = ops(prod)
    assert ways_of_terraform(folder) == ways_of_cloudformation(folder) == ways_of_matrix(prod)
    assert {way[0] for way in ways_of_terraform(folder)} == {"prod-s1", "prod-s2", "prod-a1"}  # the trustee's own is not ours


def test_of_icmp_the_groups_let_in_what_is_needed(deployment):
    """That a packet is too big, and an echo for ops: the machines themselves take more."""
    folder = ops(deployment(ENVIRONMENT.replace("ops: [", "ops: [2001:db8::/32, ")))
    terraform = json.loads((folder / "terraform.tf.json").read_text())["resource"]["aws_vpc_security_group_ingress_rule"]
    found = {(name, rule["ip_protocol"], rule["from_port"], rule["to_port"], rule.get("cidr_ipv4") or rule["cidr_ipv6"])
             for name, rule in terraform.items() if name.startswith("m_prod-s1_icmp")}
    assert found == {("m_prod-s1_icmp_3_4_0_0_0_0_0", "icmp", 3, 4, "0.0.0.0/0"), ("m_prod-s1_icmpv6_2_0____0", "icmpv6", 2, 0, "::/0"),
                     ("m_prod-s1_icmp_8_0_192_168_50_1_32", "icmp", 8, 0, "192.168.50.1/32"), ("m_prod-s1_icmpv6_128_0_2001_db8___32", "icmpv6", 128, 0, "2001:db8::/32")}
    for group in groups_of_cloudformation(folder):
        rules = {(rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule.get("CidrIp") or rule["CidrIpv6"])
                 for rule in group["SecurityGroupIngress"] if rule["IpProtocol"].startswith("icmp")}
        assert rules == {rule[1:] for rule in found}
    accepted = (APPLIANCE / "templates/common/nftables.conf").read_text()
    assert "icmp type { echo-request, destination-unreachable," in accepted and "icmpv6 type { echo-request, destination-unreachable, packet-too-big," in accepted


def test_behind_cloudflare_the_web_is_open_to_it_alone(prod):
    folder = ops(prod, "--cloudflare")
    plain = ways_of_matrix(prod)
    assert ways_of_terraform(folder) == ways_of_cloudformation(folder)
    world = {way for way in plain if way[3] in ("0.0.0.0/0", "::/0")}
    web = {way for way in world if way[2] in (80, 443, 8443)}
    assert web and ways_of_terraform(folder) & web == set()
    assert plain - web == {way for way in ways_of_terraform(folder) if way in plain}
    assert ("prod-s1", "tcp", 443, "172.64.0.0/13") in ways_of_terraform(folder)


FRONT = "  - {{name: prod-s0, role: web-slave, private_ip: 192.168.50.3, node_id: 9}}\n"


@pytest.fixture
def grown(prod, deployment):
    """The two files before and after a network and a machine came, both in front of what was there."""
    env = deployment(ENVIRONMENT.replace("ops: [", "ops: [198.51.100.7/32, 2001:db8::/32, ").replace("machines:\n", "machines:\n" + FRONT), "grown")

    def read(name):
        return [json.loads((ops(one) / name).read_text()) for one in (prod, env)]
    return read


def test_rules_keep_their_names_when_others_come(grown):
    """Terraform knows what is there by its name: one that means another rule now would be destroyed and made anew beside its double."""
    before, after = (document["resource"] for document in grown("terraform.tf.json"))
    for kind in before:
        assert set(before[kind]) <= set(after[kind])
        assert {name: after[kind][name] for name in before[kind]} == before[kind]
    rules = after["aws_vpc_security_group_ingress_rule"]
    assert rules["m_prod-s1_tcp_22_198_51_100_7_32"]["cidr_ipv4"] == "198.51.100.7/32" and rules["m_prod-s1_tcp_22_2001_db8___32"]["cidr_ipv6"] == "2001:db8::/32"
    assert all(re.fullmatch("[a-z_][a-z0-9_-]*", name) for kind in after for name in after[kind])


def test_groups_keep_their_ids_when_others_come(grown):
    """CloudFormation makes what has another id anew, and the name of the group is taken."""
    before, after = (document["Resources"] for document in grown("cloudformation.json"))
    assert set(after) - set(before) == {"MachineprodX2ds0"} and set(before) <= set(after)
    for name in before:
        if before[name]["Type"] == "AWS::EC2::SecurityGroup":
            assert after[name]["Properties"]["GroupName"] == before[name]["Properties"]["GroupName"]


def test_names_that_differ_in_a_hyphen_have_two_ids(deployment):
    env = deployment(ENVIRONMENT + "  - {{name: pro-ds1, role: web-slave, private_ip: 192.168.50.8}}\n  - {{name: prods1, role: web-slave, private_ip: 192.168.50.9}}\n")
    assert {"MachineprodX2ds1", "MachineproX2dds1", "Machineprods1"} <= set(json.loads((ops(env) / "cloudformation.json").read_text())["Resources"])


def rules_of_cloudformation(folder):
    return [(group["GroupName"], rule["IpProtocol"], rule["FromPort"], rule.get("CidrIp") or rule["CidrIpv6"], rule["Description"])
            for group in groups_of_cloudformation(folder) for rule in group["SecurityGroupIngress"]]


@pytest.mark.parametrize("options", [[], ["--cloudflare"]])
def test_no_rule_is_there_twice(deployment, options):
    """AWS refuses the second with InvalidPermission.Duplicate, whatever it is called."""
    env = deployment(ENVIRONMENT.replace("ops: [192.168.50.1/32]", "ops: [192.168.50.5/32, 192.168.50.1/32]"))   # the standby's own address
    rules = rules_of_cloudformation(ops(env, *options))
    assert len({rule[:4] for rule in rules}) == len(rules)
    assert ("prod-prod-s1", "tcp", 22, "192.168.50.5/32", "from ops, prod-s2") in rules and ways_of_terraform(env.parent / "output/prod/ops") == ways_of_cloudformation(
        env.parent / "output/prod/ops")


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


# --- names ---

def named(deployment, name):
    env = deployment(ENVIRONMENT)
    env.write_text(env.read_text().replace("deployment: prod", f"deployment: {name}"))
    return env


@pytest.mark.parametrize("name, vault", [("a", "a-ca978112"), ("it", "it"), ("a" * 50, "a" * 50), ("a" * 51, "a" * 41 + "-bfc5fe0e"), ("a" * 63, "a" * 41 + "-7d3e74a0")])
def test_names_are_those_that_aws_takes(deployment, name, vault):
    env = named(deployment, name)
    folder = ops(env, deployment=name)
    terraform = json.loads((folder / "terraform.tf.json").read_text())["resource"]
    formation = json.loads((folder / "cloudformation.json").read_text())["Resources"]
    assert terraform["aws_backup_vault"]["backup"]["name"] == terraform["aws_backup_plan"]["backup"]["name"] == vault
    assert formation["BackupVault"]["Properties"]["BackupVaultName"] == formation["BackupPlan"]["Properties"]["BackupPlan"]["BackupPlanName"] == vault
    assert re.fullmatch("[a-zA-Z0-9_-]{2,50}", vault) and f"--backup-vault-name {vault} " in (folder / "RUNBOOK.md").read_text()
    groups = {group["name"] for group in terraform["aws_security_group"].values()}
    assert groups == {f"{name}-{machine}" for machine in ("prod-s1", "prod-s2", "prod-a1")} and all(len(group) <= 255 for group in groups)
    # A role's name is the whole account's, so it is left to AWS; 64 characters, of which the provider adds 26.
    role = terraform["aws_iam_role"]["backup"]
    assert "name" not in role and role["name_prefix"] == name[:30] + "-backup-" and "RoleName" not in formation["BackupRole"]["Properties"]


def test_a_deployment_whose_groups_aws_refuses_is_refused(deployment):
    env = named(deployment, "sg")
    result = imgbuild.run("ops", "--env", env, "-o", env.parent / "output")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == (f"imgbuild: {env}: deployment: EC2 takes no security group whose name begins with 'sg-', such as 'sg-prod-s1'\n"
                             "hint: give the deployment another name\n")
    assert not (env.parent / "output/sg").exists()
