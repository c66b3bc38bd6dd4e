"""What an upload costs, in counts and ratios; speed.py prints the times of a larger one."""
import pytest
from conftest import BLOCK, make_disk
from speed import FAULTS, change_a_file, fill, forget, measure

BLOCKS = 600
NOT_FOUND_S = 5
ASKED_EVERY_S = 0.5  # whether it is found now
DOUBLES = 32


@pytest.fixture
def full_disk(tmp_path):
    """315 MB of data: more than may be in memory at once."""
    disk = make_disk(tmp_path / "web-master.raw", 0)
    fill(disk, BLOCKS, 2000)
    return disk


def test_no_byte_is_sent_that_need_not_be(server, full_disk):
    clean = measure(server, full_disk)
    assert clean.blocks in (BLOCKS + 1, BLOCKS + 2)  # the partition tables' too
    assert clean.again <= DOUBLES  # on a machine that is busy some answers are late
    assert clean.puts == clean.blocks + clean.again and clean.bytes == clean.puts * BLOCK
    assert clean.requests <= clean.blocks + clean.again + 45
    assert 1 << 10 < clean.memory_kib < 150 << 10
    assert server.state()["most_open"] <= 120  # 64 at once, 16 that are late, 32 beside those, and a few that end
    change_a_file(full_disk, 1000)
    changed = measure(server, full_disk)
    assert 0 < changed.blocks <= 7  # 3 MiB, not aligned
    assert changed.bytes <= clean.bytes / 10 and changed.requests <= changed.blocks + changed.again + 45


def test_faults_cost_half_of_the_time_at_most(server, full_disk):
    """Throttles, silent sockets, and a snapshot that is not found at first."""
    clean, tried = measure(server, full_disk), []
    forget(server, clean.ami)
    for seed in (1, 2, 3):  # another process may have had the processor meanwhile
        server.set(not_found_s=NOT_FOUND_S, faults=FAULTS, seed=seed)
        hard = measure(server, full_disk)
        server.set()
        forget(server, hard.ami)
        assert hard.puts > hard.blocks
        if hard.seconds <= 1.5 * clean.seconds + NOT_FOUND_S + ASKED_EVERY_S:
            break
        tried.append(f"{hard.seconds:.1f} s, without faults {clean.seconds:.1f} s")
    assert len(tried) < 3, tried
    assert server.state()["refusals"]["PutSnapshotBlock throttle"] > 5
