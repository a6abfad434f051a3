"""The choice of the variant: by IMNET_DATA_SIMD when the native core is loaded, or by set_simd."""

import os
import subprocess
import sys

import pytest

from imnet_data.native import _native

CODE = "from imnet_data.native import _native; print(_native.simd())"


def loaded_with(value: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IMNET_DATA_SIMD": value}
    return subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("variant", _native.simd_variants())
def test_the_environment_chooses_the_variant(variant: str) -> None:
    run = loaded_with(variant)
    assert (run.returncode, run.stdout) == (0, f"{variant}\n"), run.stderr


def test_an_empty_value_leaves_the_best_variant() -> None:
    assert loaded_with("").stdout == f"{_native.simd_variants()[-1]}\n"


@pytest.mark.parametrize("value", ["mmx", "AVX2", "scalar,avx2"])
def test_an_unknown_value_is_an_error_that_names_what_runs_here(value: str) -> None:
    run = loaded_with(value)
    known = ", ".join(_native.simd_variants())
    assert run.returncode == 1
    assert run.stderr.endswith(
        f"ImnetError: IMNET_DATA_SIMD is {value!r}; this machine runs: {known}\n"
    )


def test_the_command_line_reports_an_unknown_value_in_one_line() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "imnet_data", "convert", "--help"],
        env={**os.environ, "IMNET_DATA_SIMD": "mmx"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("Error: IMNET_DATA_SIMD is 'mmx'; this machine runs: scalar")
    assert run.stderr.count("\n") == 1
