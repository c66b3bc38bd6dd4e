"""appliance-follow.service on authorities: keeps the record of who is primary as the web nodes say, and /etc/hosts with it.

Each round asks every installed web peer over mutual TLS. A promotion begins a new PostgreSQL timeline, so of two claims
the one with the higher number is right, and an old primary that comes back convinces nobody.
"""
import sys
import time

from . import apply, audit, mutual, peers, primary
from .errors import ApplianceError
from .peer_package import WEB_PORT

ROUND = 10
REST = 9   # times as long as a round took, up to LONGEST: a slow machine has other work too
LONGEST = 45


def run(host, sleep=time.sleep, now=time.monotonic):
    """Rounds for ever. A round that fails says so once and the next one tries again."""
    said = None
    while True:
        began = now()
        try:
            step(host)
            said = None
        except (ApplianceError, OSError) as error:
            if str(error) != said:
                print(f"appliance: {error}", file=sys.stderr, flush=True)
            said = str(error)
        sleep(max(ROUND, min(LONGEST, REST * (now() - began))))


def step(host):
    """One round; returns what changed, as sentences."""
    environment, role = apply.load(host)
    known = primary.current(host, environment)
    best = max(claims(host, environment, role), key=lambda claim: claim.timeline, default=known)
    if known is not None and best.timeline > known.timeline:
        primary.record(host, best)
        audit.note(host, f"follow: {best.name} is primary, timeline {best.timeline}; "
                         f"before it was {known.name}, timeline {known.timeline}")
    if is_applied(host, environment):
        return []
    # Also when the run that recorded the claim was cut off before this.
    return apply.apply(host, apply.Moment.running, patience=60)


def claims(host, environment, role):
    """What the web peers say, without those that do not answer or name no web node."""
    web = {machine.name: machine for machine in environment.machines if role.group_of(machine) == "web"}
    found = []
    for name, package in peers.installed(host).items():
        if name not in web:
            continue
        target = mutual.Target(name, web[name].private_ip, WEB_PORT, package.certificate.pem)
        try:
            status, body = mutual.ask(host, target, "/appliance/primary", seconds=10)
            claim = primary.parse(body, name) if status == 200 else None
        except ApplianceError:
            continue   # off, or cut off: that is what the other one is for
        if claim and claim.name in web:
            found.append(claim)
    return found


def is_applied(host, environment):
    """Whether /etc/hosts gives the site the address of the recorded primary."""
    machine = primary.machine(host, environment)
    lines = [line.split() for line in (host.read_or_none("/etc/hosts") or "").splitlines()]
    found = [line[0] for line in lines if environment.domain in line[1:]]
    return machine is None or found == [machine.private_ip]
