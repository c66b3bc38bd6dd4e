"""What the units do, in their order: prepare-env, appliance-apply, appliance-database, appliance-ready."""
import os
import socket
import time

from . import apply, checks, environment, node, progress, replication, roles, scrub, status
from .errors import ApplianceError

FENCE = f"{progress.RUN}/open/role.nft"
ROLE_RULES = "/etc/appliance/role.nft"


def prepare(host):
    """Begins a boot: forgets the last one's flags, reads the environment and binds it to this image and name."""
    for path in (progress.READY, progress.FAILED, progress.STAGES):
        host.remove(path)
    progress.stage(host, "environment")
    roles.check_binding(roles.image(host), environment.load(host), socket.gethostname())
    apply.load(host)


def configure(host):
    progress.stage(host, "configuration")
    return apply.apply(host, apply.Moment.boot)


def database(host):
    progress.stage(host, "database")
    found, role = apply.load(host)
    return node.start(host, found, role) if replication.is_web(role, found) else apply.databases(host, found, role)


def ready(host, seconds, now=time.monotonic, sleep=time.sleep):
    """Waits until the selftest passes, then opens fence and site. Throws ApplianceError after `seconds`."""
    host.remove(progress.FAILED)
    progress.stage(host, "selftest")
    found, role = apply.load(host)
    image = roles.image(host)
    deadline = now() + seconds
    while True:
        failed = [result for result in checks.run(host, found, role) if result.problem]
        if not failed:
            break
        if now() > deadline:
            raise ApplianceError(*[f"{result.name}: {result.problem}" for result in failed])
        sleep(2)
    open_fence(host)
    host.write(progress.READY, "")
    status.refresh(host, found, role)
    os.sync()
    progress.ready(host, role.name, image["plan"])
    # Not awaited: it starts when cloud-init has ended, which itself waits for us.
    host.command(["systemctl", "start", "--no-block", scrub.UNIT])


def open_fence(host):
    """Lets the role's own ports in. The link stays until the next boot, so a reload of the rules keeps them open."""
    if host.link(FENCE, ROLE_RULES):
        host.command(["systemctl", "reload", "nftables.service"])


def fail(host, unit):
    """Records that `unit` failed; returns the reason.

    systemd also calls us for units that it did not start because one before them failed; of these we say nothing.
    """
    if not host.succeeds(["systemctl", "is-failed", "--quiet", unit]):
        return f"nothing: {unit} waits for another unit that did"
    reason = progress.reason_of(host, unit)
    progress.fail(host, reason)
    return reason


def recover(host):
    """After a person's apply: a machine that had failed, or never was ready, tries again."""
    if host.exists(progress.FAILED) or not host.exists(progress.READY):
        host.run(["systemctl", "reset-failed", "appliance-ready.service"])
        host.command(["systemctl", "restart", "appliance-ready.service"])
        return ["restarted appliance-ready.service"]
    return []
