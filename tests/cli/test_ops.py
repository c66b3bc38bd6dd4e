"""`imgbuild ops firewall`: the table is what the machines load."""
import ipaddress
import json
import re
import shutil
import sys

import pytest
import yaml

import imgbuild_program as imgbuild

OVERLAYS = imgbuild.ROOT / "overlays"
sys.dont_write_bytecode = True
sys.path.insert(0, str(OVERLAYS / "common/usr/lib/appliance"))

from appliance import environment, firewall, roles  # noqa: E402
from appliance.host import Host  # noqa: E402

RULE = re.compile(r"(?:(ip6?) saddr \{ (.*) \} )?(tcp|udp) dport (\d+) accept")
NETWORKS = {4: ("192.168.50.0/24", "192.168.50.", '"192.168.50.1/32", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/64"'),
            6: ("fd00:50::/64", "fd00:50::", '"fd00:50::1/128", "192.0.2.0/24"')}

# More kinds of rows than today's roles have.
RICH = {"common.yml": """groups: {web: [web-master, web-slave], authorities: [authority]}
listen:
  - {port: 22, from: [ops], open: always}
  - {port: 123, protocol: udp, from: [internal, ops]}
""", "parts/peers.yml": "listen:\n  - {port: 14453, from: [authorities], payload: true}\n  - {port: 14443, from: [world], loopback: true}\n",
        "roles.d/web-master.yml": "include: [peers]\nlisten:\n  - {port: 443, from: [web, world], open: always, tls: true}\n",
        "roles.d/web-slave.yml": "include: [peers]\nlisten:\n  - {port: 5432, from: [web]}\n  - {port: 5432, from: [web]}\n",
        "roles.d/authority.yml": "listen:\n  - {port: 8081, protocol: udp, from: [authorities, internal]}\n  - {port: 5000, from: [web, authorities]}\n"}


def write_project(folder):
    """A project whose roles have RICH instead of the real descriptions."""
    for name, text in RICH.items():
        path = folder / "overlays/rich/usr/lib/appliance" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "cidata").mkdir()
    (folder / "cidata/web.yml").write_text("{}\n")
    (folder / "recipes").mkdir()
    for role in ("web-master", "web-slave", "authority"):
        (folder / f"recipes/{role}.yml").write_text(
            f"role: {role}\ndescription: x\nbase: bootstrap\ndisk: 8 GiB\nsteps: [{{overlay: rich}}]\nseed: web\n")
    return folder


def write_environment(path, version):
    internal, prefix, ops = NETWORKS[version]
    machine = '  - {{name: "{}", role: "{}", private_ip: "' + prefix + '{}"{}}}\n'
    path.write_text(f"""version: 1
deployment: prod
domain: vote.example.org
ssh_authorized_keys: []
network: {{internal: "{internal}", ops: [{ops}]}}
machines:
""" + machine.format("prod-s1", "web-master", 4, "") + machine.format("prod-s2", "web-slave", 5, "")
        + machine.format("prod-a1", "authority", 6, ", director: true, keys: machine")
        + machine.format("prod-a2", "authority", 7, ", external: true"))
    return path


def table(project, env, *arguments):
    result = imgbuild.run_ok("ops", "firewall", "--env", env, "--json", *arguments, IMGBUILD_ROOT=project)
    return json.loads(result.stdout)


def collapsed(networks):
    parsed = [ipaddress.ip_network(network) for network in networks]
    return {str(network) for version in (4, 6)
            for network in ipaddress.collapse_addresses(n for n in parsed if n.version == version)}


def ways_of_table(rows):
    return {(row["to"], row["protocol"], row["port"], row["when"], network) for row in rows
            for network in collapsed(source["network"] for source in row["from"])}


def ways_of_machine(host, text, machine):
    """What the runtime in the machine makes of its role and its view of the environment."""
    known = ("name", "role", "private_ip", "public_ip", "director", "external", "node_id")
    machines = [{key: m[key] for key in known if key in m} for m in text["machines"]]
    view = {"version": 1, "deployment": "prod", "domain": text["domain"], "timezone": "UTC", "seed": "web", "instance": "x",
            "machine": {key: value for key, value in machine.items() if key in known and key != "external"},
            "network": text["network"], "machines": machines, "users": [], "settings": {}}
    found = environment.parse(json.dumps(view))
    ways = set()
    for fenced, when in ((False, "always"), (True, "when ready")):
        for rule in firewall.rules(roles.load(host, machine["role"]), found, fenced):
            family, addresses, protocol, port = RULE.fullmatch(rule).groups()
            for network in addresses.split(", ") if family else ("0.0.0.0/0", "::/0"):
                ways.add((machine["name"], protocol, int(port), when, network))
    return ways


def overlays_of(project, role):
    """The overlays of a recipe, in the order of its steps."""
    def steps(file):
        recipe = yaml.safe_load(file.read_text())
        return [step for name in recipe.get("include", []) for step in steps(file.parent / name)] + recipe.get("steps", [])
    return [step["overlay"] for step in steps(project / f"recipes/{role}.yml") if "overlay" in step]


def machine_root(project, role, folder):
    for overlay in overlays_of(project, role):
        shutil.copytree(project / "overlays" / overlay, folder, dirs_exist_ok=True, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
    return Host(folder, lambda *_, **__: pytest.fail("a command was run"))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("kind", ["rich", "real"])
def test_the_table_is_what_the_machines_load(kind, version, tmp_path):
    project = write_project(tmp_path / "project") if kind == "rich" else imgbuild.ROOT
    env = write_environment(tmp_path / "prod.yml", version)
    text = yaml.safe_load(env.read_text())
    loaded = set()
    for machine in text["machines"]:
        host = machine_root(project, machine["role"], tmp_path / machine["name"])
        loaded |= ways_of_machine(host, text, machine)
    shown = ways_of_table(table(project, env)["rows"])
    assert shown == loaded
    assert {way[0] for way in shown} == {"prod-s1", "prod-s2", "prod-a1", "prod-a2"}


@pytest.fixture
def rich(tmp_path):
    (tmp_path / "project").mkdir()
    return write_project(tmp_path / "project"), write_environment(tmp_path / "prod.yml", 4)


def test_people_get_a_table(rich):
    project, env = rich
    result = imgbuild.run_ok("ops", "firewall", "--env", env, "--machine", "prod-s2", IMGBUILD_ROOT=project)
    assert result.stdout == """\
to       port       opens       for        from
prod-s2  22/tcp     always      appliance  ops 192.168.50.1/32, ops 10.0.0.0/8, ops 10.1.0.0/16, ops 2001:db8::/64
prod-s2  123/udp    when ready  appliance  internal 192.168.50.0/24, ops 192.168.50.1/32, ops 10.0.0.0/8, ops 10.1.0.0/16, ops 2001:db8::/64
prod-s2  5432/tcp   when ready  appliance  prod-s1 192.168.50.4/32
prod-s2  14453/tcp  when ready  payload    prod-a1 192.168.50.6/32, prod-a2 192.168.50.7/32
"""


def test_programs_get_stable_fields(rich):
    project, env = rich
    found = table(project, env, "--machine", "prod-a2")
    assert found["deployment"] == "prod"
    assert found["rows"][-1] == {
        "to": "prod-a2", "role": "authority", "external": True, "private_ip": "192.168.50.7", "public_ip": None,
        "port": 8081, "protocol": "udp",
        "from": [{"name": "prod-a1", "network": "192.168.50.6/32"}, {"name": "internal", "network": "192.168.50.0/24"}],
        "when": "when ready", "payload": False}


def test_the_world_is_two_networks_to_programs(rich):
    project, env = rich
    row = next(row for row in table(project, env, "--machine", "prod-s1")["rows"] if row["port"] == 443)
    assert row["from"] == [{"name": "world", "network": "0.0.0.0/0"}, {"name": "world", "network": "::/0"}]


def test_an_unknown_machine_is_named(rich):
    project, env = rich
    result = imgbuild.run("ops", "firewall", "--env", env, "--machine", "prod-s3", IMGBUILD_ROOT=project)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == f"imgbuild: {env}: there is no machine 'prod-s3', did you mean 'prod-s1'?\n"


def test_a_misspelt_key_of_a_role_is_refused_with_its_place(rich):
    project, env = rich
    path = project / "overlays/rich/usr/lib/appliance/roles.d/authority.yml"
    path.write_text(path.read_text().replace("from: [web", "form: [web"))
    result = imgbuild.run("ops", "firewall", "--env", env, IMGBUILD_ROOT=project)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == ("imgbuild: overlays/rich/usr/lib/appliance/roles.d/authority.yml:3:5: key 'from' is missing in listen 2\n"
                             "overlays/rich/usr/lib/appliance/roles.d/authority.yml:3:18: unknown key 'form' in listen 2, did you mean 'from'?\n")
