#!/usr/bin/env bash
# Packs what on_gpu.sh needs on a machine without a network, as files of at most 60 MB.
#
#     bash benchmarks/on_gpu_pack.sh OUT [--photographs FOLDER]
#
# light.tar has this package as a wheel, the libraries that it needs, and the photographs. dali.tar.00
# and so on, joined, have DALI and its libraries; of DALI's wheel the backends for other versions of
# Python are left out. Torch, torchvision, NumPy and Pillow are those of the other machine. PYTHON is
# the interpreter to build and download for (by default python3.12); this one needs a network.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.12}
most=60000000 # bytes of a file
out= photographs=
while [ $# -gt 0 ]; do
  case $1 in
    --photographs) photographs=$(cd "$2" && pwd) && shift ;;
    -*) echo "unknown option $1; see the first lines of $0" >&2 && exit 2 ;;
    *) out=$1 ;;
  esac
  shift
done
[ -n "$out" ] || { echo "name a new folder for the files" >&2 && exit 2; }
[ ! -e "$out" ] || { echo "$out exists; name a new folder" >&2 && exit 2; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

LIGHT=(click zstandard lmdb webdataset braceexpand pyyaml)
DALI=(
  nvidia-dali-cuda130 nvidia-nvimgcodec-cu13 nvidia-nvjpeg nvidia-nvjpeg2k-cu13 nvidia-nvtiff-cu13
  nvidia-libnvcomp-cu13 astunparse gast six optree nvtx makefun libcst pyyaml typing-extensions packaging
)

download() { # FOLDER NAMES...: the versions that pip would install together, without what they need
  local folder=$1
  shift
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$folder" "$@"
}

mkdir "$work/light" "$work/dali"
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps \
  --config-settings=build-dir="$work/build" -w "$work/light" "$here/.."
download "$work/light" "${LIGHT[@]}"
"$python" -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed \
  --report "$work/report.json" nvidia-dali-cuda130
versions() { # as pip would resolve DALI's own requirements
  "$python" - "$work/report.json" "$@" <<'PY'
import json, re, sys
report, *names = sys.argv[1:]
found = {
    re.sub("[-_.]+", "-", item["metadata"]["name"]).lower(): item["metadata"]["version"]
    for item in json.load(open(report))["install"]
}
print(*[f"{name}=={found[name]}" for name in names if name in found])
PY
}
# shellcheck disable=SC2046
download "$work/dali" $(versions "${DALI[@]}")

"$python" - "$work"/dali/nvidia_dali_*.whl <<'PY'
"""Rewrites DALI's wheel without the backends for other Pythons, and without headers."""
import re, sys, zipfile
from pathlib import Path

path = Path(sys.argv[1])
ours = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"


def is_needed(name):
    if name.startswith("nvidia/dali/include/"):
        return False
    return ours in name or not re.search(r"\.cpython-\d+t?-", name)


whole = path.rename(path.with_suffix(".whole"))
with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
    for item in source.infolist():
        data = source.read(item)
        if item.filename.endswith(".dist-info/RECORD"):
            lines = data.decode().splitlines(keepends=True)
            data = "".join(line for line in lines if is_needed(line.partition(",")[0])).encode()
        if is_needed(item.filename):
            target.writestr(item, data, zipfile.ZIP_DEFLATED)
whole.unlink()
PY

if [ -n "$photographs" ]; then
  mkdir "$work/light/photographs"
  cp "$photographs"/* "$work/light/photographs"
fi
tar cf "$out/light.tar" -C "$work/light" .
tar cf - -C "$work/dali" . | split --bytes=$most --numeric-suffixes - "$out/dali.tar."
(cd "$out" && ls -l && for file in *; do
  [ "$(stat --format=%s "$file")" -le $most ] || { echo "$file has more than $most bytes" >&2 && exit 1; }
done)
