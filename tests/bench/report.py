"""What was measured as a table, and which targets it misses. Only times of one run are compared with each other."""

MEMORY = 200e6   # bytes that imgbuild itself may take


def targets(jobs, peers):
    """(sentence, measured, limit) of each target that this run can tell: measured must not be above limit."""
    seconds = {name: row["seconds"] for name, row in {**peers, **jobs}.items() if "seconds" in row}
    base = seconds.get("a")
    rows = [("a: 12 times as fast as virt-customize", base, _over(seconds.get("virt-customize"), 12)),
            ("a: 22 times as fast as Packer", base, _over(seconds.get("packer"), 22)),
            ("a: twice the floor", base, _over(seconds.get("floor"), 1 / 2)),
            ("b: 6 s", seconds.get("b"), 6), ("b: 20 times as fast as virt-customize", seconds.get("b"), _over(seconds.get("virt-customize"), 20)),
            ("c: 0.3 s", seconds.get("c"), 0.3), ("d: 0.3 s", seconds.get("d"), 0.3),
            ("e: 1.6 times a", seconds.get("e"), _over(base, 1 / 1.6)), ("f: a and 0.1 s a machine", seconds.get("f"), base and base + 2)]
    formats = jobs.get("h", {})
    rows += [("h: a VMDK 4 times as fast as qemu-img", formats.get("vmdk_seconds"), _over(formats.get("qemu_seconds"), 4)),
             ("h: MB of it, 3 % more than qemu-img's", _mega(formats.get("vmdk_bytes")), _mega(formats.get("qemu_bytes"), 1.03))]
    rows += [(f"{name}: 200 MB of memory", row["own_bytes"] / 1e6, MEMORY / 1e6) for name, row in jobs.items()]
    return [row for row in rows if row[1] is not None and row[2] is not None]


def missed(jobs, peers):
    late = [f"{what}: is {measured:.2f}, may be {limit:.2f}" for what, measured, limit in targets(jobs, peers) if measured > limit]
    return late + [f"{name}: {row['missing']}" for name, row in peers.items() if "missing" in row]


def table(jobs, peers):
    base = jobs.get("a", {}).get("seconds")
    lines = [f"{'':<28}{'seconds':>9}{'to a':>8}{'own MB':>8}{'largest MB':>12}{'written MB':>12}  all runs"]
    for name, row in {**{f"imgbuild, {job}": row for job, row in jobs.items()}, **peers}.items():
        if "missing" in row:
            lines.append(f"{name:<28}  missing: {row['missing']}")
            continue
        ratio = f"{row['seconds'] / base:.2f}" if base else ""
        sizes = _mb(row["own_bytes"]) + _mb(row["largest_bytes"], 12) + _mb(row["written_bytes"], 12)
        lines.append(f"{name:<28}{row['seconds']:>9.2f}{ratio:>8}{sizes}  {' '.join(f'{seconds:.2f}' for seconds in row['all_seconds'])}")
    for job, row in jobs.items():
        lines += [f"  {job}: {name[:60]:<60} {seconds:>8.2f}" for name, seconds in row["stages"].items()]
    lines += ["", "targets:"]
    for what, measured, limit in targets(jobs, peers):
        lines.append(f"  {'reached' if measured <= limit else 'MISSED':<8} {what}: is {measured:.2f}, may be {limit:.2f}")
    return "\n".join(lines)


def _over(seconds, factor):
    return seconds / factor if seconds else None


def _mega(size, factor=1):
    return size * factor / 1e6 if size else None


def _mb(size, width=8):
    return f"{size / 1e6:>{width}.0f}" if size else " " * (width - 1) + "-"
