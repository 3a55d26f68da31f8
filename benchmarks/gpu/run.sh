#!/usr/bin/env bash
# run.sh OUT [PYTHON]: measure on one CUDA GPU. Needs the trainer's packages (locks/trainer.txt) and scikit-learn.
set -u
out=$(realpath -m "$1"); python=${2:-python3}
root=$(cd "$(dirname "$0")/../.." && pwd)
export PYTHONPATH="$root/crds:$root/trainer_image:$root/tests:${PYTHONPATH:-}"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/digits" "$work/bench"

# The demo's training, on the GPU: does NF4 learn there as it does on the CPU?
cp -r "$root/examples/demo/model" "$work/digits/model"
"$python" "$root/examples/demo/make_data.py" --out "$work/digits" || exit 1
sed 's/gpus: 0/gpus: 1/' "$root/examples/digits.yaml" >"$work/digits-gpu.yaml"
"$python" "$root/benchmarks/gpu/measure.py" "$work/digits-gpu.yaml" --pvc "digits=$work/digits" --out "$out/digits.json"
cp "$work/digits/tuned/run-1/result.json" "$out/digits-result.json"

# Qwen2-VL-2B's shape: seconds a step and memory, by what is tuned and how weights are held.
"$python" "$root/benchmarks/gpu/shapes.py" qwen2-vl-2b "$work/bench/model" || exit 1
"$python" "$root/benchmarks/gpu/make_pages.py" "$work/bench/pages" || exit 1
for setting in "nf4 true 4" "nf4 false 4" "none true 4" "nf4 true 8"; do
    read -r quantization vision batch <<<"$setting"
    name="2b-$quantization-vision-$vision-batch-$batch"
    "$python" "$root/benchmarks/gpu/manifest.py" "$name" --quantization "$quantization" --vision "$vision" --batch "$batch" >"$work/$name.yaml"
    rm -rf "$work/bench/out"
    "$python" "$root/benchmarks/gpu/measure.py" "$work/$name.yaml" --pvc "bench=$work/bench" --out "$out/$name.json"
done
