"""What the machine says about itself: `appliance status`, https://…/status and the page `/`."""
import datetime
import json

from . import backup, checks, datastore, pages, peers, postgres, progress, replication, roles, watch
from .errors import ApplianceError

def facts(host, environment, role):
    """role, version, plan, ready, units (name → state), database (name → up or down), checked (UTC). No secret, no name."""
    image = roles.image(host)
    units = {unit: _state(host, unit) for unit in checks.units(host, role)}
    databases = {row["name"]: _login(host, row["name"], postgres.secret_of(row, environment.settings)) for row in role.databases}
    is_well = all(state == "active" for state in units.values()) and all(state == "up" for state in databases.values())
    return {"role": role.name, "version": image["built_with"], "plan": image["plan"],
            "ready": is_well and host.exists(progress.READY), "units": units, "database": databases,
            "checked": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}


def web_facts(host, environment, role):
    """What else a web node knows: replication, datastore, backups. Not for the page, which everybody can read."""
    if not replication.is_web(role, environment):
        return {}
    return {"replication": watch.observe(host, environment, role), "datastore": datastore.last(host), "backups": backup.facts(host)}


def refresh(host, environment, role):
    """Writes what nginx serves."""
    now = facts(host, environment, role)
    host.write(f"{progress.RUN}/www/status.json", json.dumps(now) + "\n")
    host.write(f"{progress.RUN}/www/index.html", pages.status(now))


def table(now):
    """The facts as lines for people."""
    lines = [f"role      {now['role']}", f"version   {now['version']}", f"plan      {now['plan']}",
             f"ready     {'yes' if now['ready'] else 'no'}"]
    lines += [f"unit      {name}: {state}" for name, state in now["units"].items()]
    lines += [f"database  {name}: {state}" for name, state in now["database"].items()]
    lines += [f"peers     {', '.join(now['peers']) or 'none'}"] if "peers" in now else []
    return "\n".join(lines + _web_lines(now) + [f"alarm     {alarm}" for alarm in peers.alarms(now)])


def _web_lines(now):
    if "replication" not in now:
        return []
    seen, pulled, backups = now["replication"], now["datastore"], now["backups"]
    lag = "" if seen["lag_bytes"] is None else f", {seen['lag_bytes']} bytes and {seen['lag_seconds']} s behind"
    lines = [f"acts as   {seen['acts']}; primary is {seen['primary']}, timeline {seen['timeline']}",
             f"stream    {(seen['sync_state'] or 'unknown') + lag if seen['streams'] else 'none'}",
             f"pulled    {pulled['at'] or 'never'}{' from ' + pulled['from'] if pulled['from'] else ''}",
             f"backups   {backups['count']}{', last ' + backups['last'] if backups['last'] else ''}"]
    lines += [f"problem   datastore: {pulled['problem']}"] if pulled["problem"] else []
    return lines + [f"alarm     {alarm}" for alarm in seen["alarms"]]


def _state(host, unit):
    return (host.run(["systemctl", "is-active", unit]).stdout or "").strip() or "unknown"


def _login(host, name, password):
    try:
        postgres.login(host, name, password)
    except ApplianceError:
        return "down"
    return "up"
