"""Environments and processes of rivals: each is installed, prepared and measured in its own."""

import os
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent
TIMEOUT = 300  # seconds, for one measurement
INSTALL_TIMEOUT = 3600


class Unusable(Exception):
    """Why a rival has no number."""


def last_line(error):
    """Return the last line, or its beginning, of what a failed command said."""
    lines = [line.strip() for line in (error.stderr or "").splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("[notice]", "WARNING"))]  # of pip
    return textwrap.shorten(lines[-1], 200) if lines else f"exit status {error.returncode}"


def install(name, rival, work):
    """Make the rival's environment and install it there, once for each text of its command."""
    folder = work.absolute() / "venvs" / rival.environment
    print(f"{name}: {rival.install}", file=sys.stderr)
    environ = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    try:
        if not (folder / "bin" / "python").exists():
            venv.create(folder, with_pip=True)
        subprocess.run(
            ["bash", "-c", rival.install],
            env=environ,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=INSTALL_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise Unusable(f"could not be installed within {INSTALL_TIMEOUT} seconds") from error
    except subprocess.CalledProcessError as error:
        raise Unusable(f"could not be installed: {last_line(error)}{remedy(rival)}") from error
    stamp(name, rival, work).write_text(rival.install)


def stamp(name, rival, work):
    """Return the file that holds the command by which a rival was installed."""
    return work.absolute() / "venvs" / rival.environment / f"{name}.installed"


def run(name, rival, work, inputs, *arguments):
    """Return what the rival's process printed."""
    python = sys.executable
    if rival.environment:
        python = str(work.absolute() / "venvs" / rival.environment / "bin" / "python")
    paths = [str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]
    # named so that PYTHONSAFEPATH, which takes the current folder away, does not hide `rivals`
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environ = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environ.update(getattr(rival, "environ", {}))
    command = [python, "-m", "rivals", name, str(inputs), *arguments]
    try:
        done = subprocess.run(
            command, env=environ, check=True, capture_output=True, text=True, timeout=TIMEOUT
        )
    except subprocess.CalledProcessError as error:
        raise Unusable(f"failed: {last_line(error)}") from error
    except subprocess.TimeoutExpired as error:
        raise Unusable(f"did not end within {TIMEOUT} seconds") from error
    return done.stdout


def make_ready(name, rival, work, inputs, *, may_install):
    """See to it that a rival is installed and has its input."""
    if rival.environment:
        done = stamp(name, rival, work)
        if not done.exists() or done.read_text() != rival.install:
            if not may_install:
                raise Unusable(f"not installed; run with --install{remedy(rival)}")
            install(name, rival, work)
    try:
        if not (inputs / rival.reads).exists():
            run(name, rival, work, inputs, "--prepare")
        run(name, rival, work, inputs, "--probe")
    except Unusable as error:
        raise Unusable(f"{error}{remedy(rival)}") from error


def remedy(rival):
    """Return what to install where a rival does not work."""
    needs = getattr(rival, "needs", "")
    parts = [f"`{rival.install}`" if rival.install else "", f"Debian's {needs}" if needs else ""]
    wanted = " and ".join(filter(None, parts))
    return f"; it needs {wanted}" if wanted else ""
