"""What this build of the package is: its native core, and the libraries that it found."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from imnet_data.installation.requirements import DISTRIBUTION, Requirement, requirements, version

# extras of those who work on the package
_DEVELOPMENT = frozenset({"test", "lint", "docs"})


@dataclass(frozen=True, kw_only=True)
class Native:
    """The native core."""

    simd: str  # the instruction set in use
    simd_variants: list[str]  # those that this processor runs
    has_sha_instructions: bool
    is_stable_abi: bool


@dataclass(frozen=True, kw_only=True)
class Build:
    """The build, as `--version` prints it."""

    version: str | None
    python: str
    native: Native | None
    native_error: str | None  # why the native core cannot be imported
    pillow: str | None  # decodes what the native JPEG core leaves to it
    libraries: dict[str, str | None]  # optional ones, by name; None where not installed


def build() -> Build:
    """Return what this build is; takes milliseconds, as no library is imported."""
    native: Native | None = None
    error: str | None = None
    try:
        native = _native_core()
    except ImportError as reason:
        error = str(reason)
    return Build(
        version=version(DISTRIBUTION),
        python=platform.python_version(),
        native=native,
        native_error=error,
        pillow=version("pillow"),
        libraries={each.name: each.version for each in optional()},
    )


def _native_core() -> Native:
    from imnet_data.native import _native

    return Native(
        simd=_native.simd(),
        simd_variants=_native.simd_variants(),
        has_sha_instructions=_native.has_sha256_instructions(),
        is_stable_abi=".abi3." in Path(_native.__file__).name,
    )


def optional() -> list[Requirement]:
    """Return what the extras that users install require."""
    return [each for each in requirements() if each.extra and each.extra not in _DEVELOPMENT]


def text(found: Build) -> str:
    """Return the lines that `--version` prints."""
    return "\n".join(
        [
            f"imnet-data, version {found.version or 'unknown'} (Python {found.python})",
            f"native core: {_native_text(found)}",
            f"JPEG core: {_jpeg_text(found)}",
            f"optional libraries: {_libraries_text(found)}",
        ]
    )


def _native_text(found: Build) -> str:
    native = found.native
    if native is None:
        return f"missing; {found.native_error}"
    variants = ", ".join(native.simd_variants)
    sha = "with" if native.has_sha_instructions else "without"
    abi = "stable ABI" if native.is_stable_abi else f"ABI of Python {found.python}"
    return f"{native.simd} (this processor runs {variants}), {sha} SHA instructions, {abi}"


def _jpeg_text(found: Build) -> str:
    own = "missing" if found.native is None else "built in"
    return f"{own}; Pillow {found.pillow or '(not installed)'} for what it leaves out"


def _libraries_text(found: Build) -> str:
    there = [f"{name} {version}" for name, version in found.libraries.items() if version]
    return ", ".join(there) or "none; see `imnet-data doctor`"
