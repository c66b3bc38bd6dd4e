#!/bin/sh
# Compiles what root runs of Python, so that no machine writes bytecode beside it: what is in /usr stays what the manifest says,
# and the first boot is faster. Each file of bytecode holds the digest of its source, not its time.
set -eu
python3 -m compileall -q --invalidation-mode checked-hash /usr/lib/appliance/appliance /usr/share/netplan
