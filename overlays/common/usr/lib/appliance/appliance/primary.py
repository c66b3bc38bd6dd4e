"""Which web node is the primary. That is state and not the role: a promotion changes it, and every machine keeps its own record.

    /var/lib/appliance/primary          {"name": "prod-s2", "timeline": 2}; absent until a first promotion
    /run/appliance/www/primary.json     the same on a web node, for the authorities

Without a record it is the machine of role web-master, on PostgreSQL's first timeline. Of two claims the one with the
higher timeline is right, for each promotion begins a new one.
"""
import json
from dataclasses import asdict, dataclass

from .errors import ApplianceError

PATH = "/var/lib/appliance/primary"
PUBLISHED = "/run/appliance/www/primary.json"
FIRST_ROLE = "web-master"


@dataclass(frozen=True)
class Claim:
    name: str
    timeline: int


def current(host, environment):
    """The Claim that this machine holds to be true, or None in a deployment without web nodes.

    Throws ApplianceError if the record is damaged or names no machine of the environment.
    """
    text = host.read_or_none(PATH)
    if text is None:
        first = next((machine for machine in environment.machines if machine.role == FIRST_ROLE), None)
        return Claim(first.name, 1) if first else None
    claim = parse(text, PATH)
    if claim.name not in [machine.name for machine in environment.machines]:
        raise ApplianceError(f"{PATH}: '{claim.name}' is no machine of this deployment")
    return claim


def machine(host, environment):
    """The Machine of current(), or None."""
    claim = current(host, environment)
    return next((m for m in environment.machines if claim and m.name == claim.name), None)


def is_own(host, environment):
    """Whether this machine is the primary."""
    claim = current(host, environment)
    return claim is not None and claim.name == environment.machine.name


def record(host, claim):
    """Makes `claim` this machine's record; returns whether it differed from the file."""
    return host.write(PATH, text(claim), mode=0o600)


def publish(host, environment):
    """Says to the authorities whom this node holds to be the primary."""
    host.write(PUBLISHED, text(current(host, environment)))


def text(claim):
    """One line of JSON, as in the record and in what web nodes publish."""
    return json.dumps(asdict(claim)) + "\n"


def parse(text, where):
    """The Claim in `text`. Throws ApplianceError that begins with `where`."""
    try:
        found = json.loads(text)
    except ValueError:
        raise ApplianceError(f"{where}: is no JSON text") from None
    if not isinstance(found, dict) or set(found) != {"name", "timeline"}:
        raise ApplianceError(f"{where}: must hold just 'name' and 'timeline'")
    name, timeline = found["name"], found["timeline"]
    if not isinstance(name, str) or type(timeline) is not int or timeline < 1:
        raise ApplianceError(f"{where}: name must be a text and timeline a number from 1 on")
    return Claim(name, timeline)
