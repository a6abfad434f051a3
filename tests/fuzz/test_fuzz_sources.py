"""A short, seeded run of the fuzzer of sources; fuzz_sources.py says how to run longer ones."""

import resource

from fuzz_sources import attempt, run, seeds


def test_the_seeds_are_read(tmp_path):
    for name, content in seeds().items():
        (tmp_path / name).write_bytes(content)
        assert attempt(tmp_path / name, tmp_path / "spool") == "read", name


def test_a_mutated_source_ends_in_records_or_in_an_error_of_ours(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends = run(0, 1_500, tmp_path)
    assert min(ends["read"], ends["refused"], ends["refused when read"]) > 10, ends
    assert list(tmp_path.iterdir()) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10  # KiB
