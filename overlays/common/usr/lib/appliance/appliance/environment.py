"""/etc/appliance/env.yml: this machine's view of its deployment, checked completely before use.

    version: 1
    deployment: "prod"
    domain: "vote.example.org"
    timezone: "UTC"
    seed: "web"                        # the recipe's `seed:` name
    instance: "prod-s1-0123456789ab"
    machine: {name, role, private_ip, public_ip?, director?, node_id?}
    network: {internal, ops: [network, ...], load_balancers?: [network, ...]}
    machines: [{name, role, private_ip, public_ip?, director?, external?, node_id?, ssh?: {host: key, USER: key, ...}}, ...]
    users: [{name, ssh_authorized_keys: [key, ...]}]
    settings: {name: "value", ...}     # may be secret: no message ever shows one
"""
from dataclasses import dataclass, field

from . import values
from .errors import ApplianceError
from .strict_yaml import Document

PATH = "/etc/appliance/env.yml"

TOP_KEYS = ("version", "deployment", "domain", "timezone", "seed", "instance", "machine", "network", "machines",
            "users", "settings")
MACHINE_KEYS = ("name", "role", "private_ip")
OWN_KEYS = ("public_ip", "director", "node_id")
LISTED_KEYS = (*OWN_KEYS, "external", "ssh")
MACHINE_RULES = {"name": values.hostname, "role": values.word, "private_ip": values.address, "public_ip": values.address}


@dataclass(frozen=True)
class Machine:
    name: str
    role: str
    private_ip: str
    public_ip: str = ""
    director: bool = False
    external: bool = False
    node_id: int = 0                          # repmgr's number of a web node, 0: none
    ssh: dict = field(default_factory=dict)   # public ssh keys: `host`, and each user that logs in elsewhere


@dataclass(frozen=True)
class User:
    name: str
    ssh_authorized_keys: tuple


@dataclass(frozen=True)
class Environment:
    deployment: str
    domain: str
    timezone: str
    seed: str
    instance: str
    machine: Machine
    internal: str
    ops: tuple
    load_balancers: tuple
    machines: tuple
    users: tuple
    settings: dict

    def __repr__(self):
        return f"Environment({self.deployment}, {self.machine.name})"


def load(host):
    """The environment of this machine. Throws ApplianceError with all problems of the file."""
    try:
        text = host.read_or_none(PATH)
    except UnicodeDecodeError:
        raise ApplianceError(f"{PATH}: is no UTF-8 text") from None
    if text is None:
        raise ApplianceError(f"{PATH}: there is none: no seed was attached, or it was not read by cloud-init")
    environment = parse(text)
    if not host.exists(f"/usr/share/zoneinfo/{environment.timezone}"):
        raise ApplianceError(f"{PATH}: timezone: there is no time zone '{environment.timezone}'")
    return environment


def parse(text, name=PATH):
    """The environment in `text`. Throws ApplianceError with all its problems, each with its position."""
    document = Document(name, text)
    reader = _Reader(document)
    environment = reader.environment()
    document.raise_problems()
    return environment


class _Reader:
    def __init__(self, document):
        self.document = document

    def environment(self):
        top = self.document.mapping(self.document.root, "environment", TOP_KEYS)
        if "version" in top:
            self.version(top["version"])
        network = self.document.mapping(top["network"], "network", ("internal", "ops"), ("load_balancers",)) if "network" in top else {}
        machine = self.machine(top["machine"], "machine", OWN_KEYS) if "machine" in top else None
        machines = self.machines(top, machine)
        return Environment(
            deployment=self.field(top, "deployment", values.hostname),
            domain=self.field(top, "domain", values.fqdn),
            timezone=self.field(top, "timezone", values.timezone),
            seed=self.field(top, "seed", values.word),
            instance=self.field(top, "instance", values.token),
            machine=machine,
            internal=self.field(network, "internal", values.network, "network."),
            ops=self.texts(network, "ops", values.network, "network."),
            load_balancers=self.texts(network, "load_balancers", values.network, "network."),
            machines=machines,
            users=self.users(top),
            settings=self.settings(top))

    def version(self, node):
        version = self.document.scalar(node, "version", "int")
        if version not in (None, "1"):
            self.document.problem(node, f"version: must be 1, is '{version}'")

    def field(self, nodes, key, rule, prefix=""):
        return self.text(nodes[key], f"{prefix}{key}", rule) if key in nodes else None

    def text(self, node, where, rule):
        text = self.document.scalar(node, where, "str")
        if text is None:
            return None
        try:
            return rule(text)
        except ValueError as error:
            self.document.problem(node, f"{where}: {error}, is {text!r}")
            return None

    def texts(self, nodes, key, rule, prefix=""):
        if key not in nodes:
            return ()
        where = f"{prefix}{key}"
        return tuple(self.text(node, where, rule) for node in self.document.items(nodes[key], where))

    def flag(self, nodes, key, where):
        if key not in nodes:
            return False
        return (self.document.scalar(nodes[key], f"{where}.{key}", "bool") or "").lower() == "true"

    def machine(self, node, where, optional):
        found = self.document.mapping(node, where, MACHINE_KEYS, optional)
        fields = {key: self.text(found[key], f"{where}.{key}", rule)
                  for key, rule in MACHINE_RULES.items() if key in found}
        return Machine(**{key: fields.get(key, "") for key in MACHINE_RULES}, node_id=self.number(found, "node_id", where),
                       director=self.flag(found, "director", where), external=self.flag(found, "external", where),
                       ssh=self.ssh(found, where))

    def number(self, nodes, key, where):
        """A number from 1 on, or 0 if there is none."""
        if key not in nodes:
            return 0
        text = self.document.scalar(nodes[key], f"{where}.{key}", "int")
        if text is not None and not values.is_count(text):
            self.document.problem(nodes[key], f"{where}.{key}: must be a number from 1 to 1000000, is '{text}'")
        return int(text) if text and values.is_count(text) else 0

    def ssh(self, nodes, where):
        if "ssh" not in nodes:
            return {}
        entries = self.document.entries(nodes["ssh"], f"{where}.ssh")
        for key, node in entries.items():
            if not values.WORD.fullmatch(key):
                self.document.problem(node, f"{where}.ssh: '{key}' must be 'host' or the name of a user")
        return {key: self.text(node, f"{where}.ssh.{key}", values.ssh_key) for key, node in entries.items()}

    def machines(self, top, own):
        nodes = self.document.items(top["machines"], "machines") if "machines" in top else []
        machines = tuple(self.machine(node, f"machines[{index}]", LISTED_KEYS)
                         for index, node in enumerate(nodes))
        self.unique(nodes, machines, "name")
        self.unique(nodes, machines, "private_ip")
        self.unique(nodes, machines, "node_id")
        if own and nodes and (own.name, own.role, own.private_ip) not in [(m.name, m.role, m.private_ip) for m in machines]:
            self.document.problem(top["machine"], f"machine: '{own.name}' is not in 'machines' with the same role and private_ip")
        return machines

    def unique(self, nodes, machines, key):
        seen = set()
        for index, machine in enumerate(machines):
            value = getattr(machine, key)
            if value and value in seen:
                self.document.problem(nodes[index], f"machines[{index}].{key}: '{value}' is there twice")
            seen.add(value)

    def users(self, top):
        users = []
        for index, node in enumerate(self.document.items(top["users"], "users") if "users" in top else []):
            where = f"users[{index}]"
            found = self.document.mapping(node, where, ("name", "ssh_authorized_keys"))
            users.append(User(name=self.field(found, "name", values.word, f"{where}."),
                              ssh_authorized_keys=self.texts(found, "ssh_authorized_keys", values.ssh_key, f"{where}.")))
        return tuple(users)

    def settings(self, top):
        settings = {}
        for key, node in (self.document.entries(top["settings"], "settings") if "settings" in top else {}).items():
            settings[key] = self.document.scalar(node, f"settings.{key}", "str")
        return settings
