#!/usr/bin/env bash
# The first minutes on a GPU: everything that no CPU can show, as one JSON line per assertion.
#
#     bash benchmarks/on_gpu.sh OUT [--parts FOLDER] [--photographs FOLDER] [--rehearse]
#
# For a bare Linux machine with one H100 or H200, 16 cores, Python 3.12, and torch and torchvision for
# CUDA 13; it needs no network. OUT is a new folder. FOLDER has what on_gpu_pack.sh made; without it,
# imnet-data and DALI are those that are installed. What needs no DALI comes first, and DALI is
# unpacked after it. An assertion that fails does not stop the rest, and nothing runs past 8 minutes.
# --rehearse does what a CPU can do. Results are in OUT/results.jsonl; the exit status is 1 if an
# assertion failed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
until=$(($(date +%s) + 480))
out= parts= options=()
while [ $# -gt 0 ]; do
  case $1 in
    --parts) parts=$(cd "$2" && pwd) && shift ;;
    --photographs) options+=(--photographs "$(cd "$2" && pwd)") && shift ;;
    --rehearse) options+=(--rehearse) && until=0 ;;
    -*) echo "unknown option $1; see the first lines of $0" >&2 && exit 2 ;;
    *) out=$1 ;;
  esac
  shift
done
[ -n "$out" ] || { echo "name a new folder for the results" >&2 && exit 2; }
[ ! -e "$out" ] || { echo "$out exists; name a new folder" >&2 && exit 2; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
export PYTHONPATH="$here:$here/../tests/kits${PYTHONPATH:+:$PYTHONPATH}"

install() {  # the wheels of a folder, beside what the machine has
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
    --disable-pip-version-check --root-user-action=ignore --upgrade --target "$out/site" "$1"/*.whl
}

status=0
run() {  # not in the clone, whose package has no native core where the wheel is to be imported
  (cd "$out" && "$python" -m gpu_kit --out "$out" --until "$until" "${options[@]}" "$@") || status=1
}

if [ -n "$parts" ]; then
  mkdir "$out/light" "$out/dali"
  tar xf "$parts/light.tar" -C "$out/light"
  install "$out/light"
  export PYTHONPATH="$out/site:$PYTHONPATH"
  if [ -d "$out/light/photographs" ]; then options+=(--photographs "$out/light/photographs"); fi
  run --sections environment transfer augmentation training speed
  if cat "$parts"/dali.tar.* | tar x -C "$out/dali" && install "$out/dali"; then
    run --sections dali dali_speed
  else
    echo '{"section": "dali", "check": "DALI is installed", "ok": false}' | tee -a "$out/results.jsonl"
    status=1
  fi
else
  run
fi
exit $status
