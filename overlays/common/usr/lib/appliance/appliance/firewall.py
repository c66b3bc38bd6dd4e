"""The firewall matrix: from a role's `listen` table and the machines of the environment to plain rules.

A row is {port, protocol?, from: [SOURCE, ...], open?: always, loopback?: true}. A SOURCE is `world`, `ops`, `internal` or a group of
roles; a group means the /32 (or /128) of each other machine in it. Rows without `open: always` stay behind the
fence until the machine is ready. A row with `loopback: true` opens nothing, for the loopback interface always is.
"""
import ipaddress


def rules(role, environment, fenced):
    """nft rule texts of the rows that are behind the fence or not; in the table's order, without repetition."""
    found = []
    for row in role.listen:
        if (row.get("open") != "always") == fenced and not row.get("loopback"):
            found += _row_rules(row, role, environment)
    return list(dict.fromkeys(found))


def peers(role, environment, group):
    """The other machines of a group of roles, in the order of the environment."""
    roles = role.groups[group]
    return [m for m in environment.machines if m.role in roles and m.name != environment.machine.name]


def _row_rules(row, role, environment):
    port = f"{row.get('protocol', 'tcp')} dport {row['port']} accept"
    if "world" in row["from"]:
        return [port]
    sources = [network for source in row["from"] for network in _networks(source, role, environment)]
    return [f"{family} saddr {{ {', '.join(addresses)} }} {port}" for family, addresses in _by_family(sources)]


def _networks(source, role, environment):
    if source == "ops":
        return environment.ops
    if source == "internal":
        return [environment.internal]
    return [machine.private_ip for machine in peers(role, environment, source)]


def _by_family(sources):
    """('ip' or 'ip6', addresses); overlapping networks are merged, for nft refuses them in a set."""
    networks = [ipaddress.ip_network(source) for source in sources]
    for version, family in ((4, "ip"), (6, "ip6")):
        merged = list(ipaddress.collapse_addresses(n for n in networks if n.version == version))
        if merged:
            yield family, [str(network) for network in merged]
