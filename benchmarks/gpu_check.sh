#!/usr/bin/env bash
# Everything that only a CUDA device can show, in under 8 minutes: GPU tests, the bare loop, the waterfall and the fast
# mode of mfpnet, a short sweep with its report and its resumption.
#
#     benchmarks/gpu_check.sh [OUT]
#
# PYTHON names the interpreter (python by default). What the steps print and measure goes to OUT, by default a new
# folder under /tmp. Each step may take what is left of the 8 minutes, at most its own limit; a step that fails or runs
# out of time does not stop the others. The exit status is 0 when every step passed. No setting of the GPU is changed.
set -uo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python}
out=${1:-$(mktemp -d /tmp/gpu_check.XXXXXX)}
mkdir -p "$out"
begin=$SECONDS
whole=${GPU_CHECK_SECONDS:-470}
failed=()

step() { # step NAME LIMIT_S COMMAND...: run it under its limit, and keep what it prints
    local name=$1 limit=$2 start=$SECONDS left status
    shift 2
    left=$((whole - (SECONDS - begin)))
    if ((left < 5)); then
        echo "SKIPPED $name: the time is used up"
        failed+=("$name")
        return
    fi
    ((limit > left)) && limit=$left
    timeout --kill-after=5 "$limit" "$@" >"$out/$name.txt" 2>&1
    status=$?
    if ((status == 0)); then
        echo "passed  $name ($((SECONDS - start)) s)"
    else
        echo "FAILED  $name (status $status after $((SECONDS - start)) s); the end of $out/$name.txt:"
        tail -n 15 "$out/$name.txt" | sed 's/^/        /'
        failed+=("$name")
    fi
}

if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "this machine has no CUDA device that torch sees: nothing was checked" >&2
    exit 2
fi

mapfile -t tests < <(grep -l "mark\.gpu" tests/*.py)
segbench=("$python" -m segbench)
sweep=("${segbench[@]}" compare efrnet ddrnet-23-slim --res 512x1024 --device cuda --rounds 3 --out "$out/sweep")

step environment 30 "${segbench[@]}" env
step bare_loop 60 "$python" benchmarks/bare_loop.py --device cuda --repeats 20
step waterfall 90 "${segbench[@]}" profile mfpnet --res 512x1024 --device cuda --waterfall --json "$out/waterfall.json"
step swiftnet 40 "${segbench[@]}" profile mfpnet --res 512x1024 --device cuda --mode swiftnet --json "$out/swiftnet.json"
step gpu_tests 180 "$python" -m pytest -q -p no:cacheprovider -m "gpu and not slow" "${tests[@]}"
step sweep 120 "${sweep[@]}" --processes 2
step sweep_resumed 30 "${sweep[@]}" --processes 2
step fast_mode 120 "${segbench[@]}" profile mfpnet --res 512x1024 --device cuda --precision fp16 --optimize --json "$out/fast.json"
step slow_gpu_tests 240 "$python" -m pytest -q -p no:cacheprovider -m "gpu and slow" "${tests[@]}"

# A sweep that resumes measures nothing: the file has the four Records of the first, and no more.
lines=$(wc -l 2>/dev/null <"$out/sweep/records.jsonl" || echo 0)
if ((lines != 4)); then
    echo "FAILED  resumption: $out/sweep/records.jsonl has $lines Records, 4 expected"
    failed+=(resumption)
fi

echo "$((SECONDS - begin)) s; results in $out"
((${#failed[@]} == 0)) || { echo "failed: ${failed[*]}"; exit 1; }
