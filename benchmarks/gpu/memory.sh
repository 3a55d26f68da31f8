#!/usr/bin/env bash
# memory.sh OUT [PYTHON]: memory of QLoRA steps against the estimate, on one CUDA GPU with 140 GiB. Ten minutes on an H200.
set -u
out=$(realpath -m "$1"); python=${2:-python3}
root=$(cd "$(dirname "$0")/../.." && pwd)
export PYTHONPATH="$root/crds:$root/trainer_image:$root/tests:${PYTHONPATH:-}" PYTHONWARNINGS=ignore
# Read when torch is imported; a run of visionft-trainer sets it itself.
export PYTORCH_ALLOC_CONF=expandable_segments:True
mkdir -p "$out"
measure() { local name=$1; shift; "$python" "$root/benchmarks/gpu/memory.py" "$name" --out "$out/$name.json" "$@"; }

measure qwen2.5-vl-7b --settings 896,4,vision,checkpointing 896,8,frozen,checkpointing 896,2,frozen,kept \
    448,4,vision,kept 896,1,frozen,kept 896,4,frozen,kept 896,4,frozen,checkpointing 672,3,vision,kept \
    1120,6,vision,checkpointing --tower 896,2,frozen,checkpointing
measure llama-3.2-11b-vision --settings 896,2,vision,checkpointing 896,4,frozen,checkpointing 896,1,vision,kept \
    896,2,frozen,kept 448,4,frozen,checkpointing
measure pixtral-12b --settings 896,4,vision,checkpointing 896,2,frozen,kept 896,8,frozen,checkpointing \
    448,2,vision,kept 672,6,vision,checkpointing 448,4,frozen,kept
measure qwen2-vl-2b --steps 10 --settings 896,1,frozen,kept 896,2,frozen,kept 896,4,frozen,kept 896,8,frozen,kept \
    896,8,frozen,checkpointing --halved 896,4,frozen,kept
