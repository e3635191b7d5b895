#!/usr/bin/env bash
# From a checkpoint to pictures with instances drawn on them: export, serve, predict.
# Usage: examples/demo.sh PYTHON OUTPUT_DIR
set -euo pipefail
python=$1 output=$2
here=$(dirname "$0")

rm -rf "$output"
mkdir -p "$output/checkpoint/model_weights"
cp "$here/nuclei/config.json" "$output/checkpoint/config.json"

echo "1. a checkpoint of the small preset: seeded, NOT trained" >&2
PYTHONPATH="$here/.." "$python" "$here/seeded_checkpoint.py" --seed 2 "$output/checkpoint/model_weights/model.h5"

echo "2. export to a SavedModel, verified against the network" >&2
version=$("$python" -m export --weights "$output/checkpoint/model_weights/model.h5" \
    --output "$output/exported/mask_rcnn")
echo "   $version" >&2

echo "3. serve it and predict through the gRPC client" >&2
"$python" -m client "$here"/nuclei/*.png --model "$output/exported/mask_rcnn" \
    --config "$here/nuclei/inference.json" --output "$output/predictions" --draw

echo "The weights are random: what is drawn shows that the path works, not nuclei." >&2
echo "Look at $output/predictions/overlay/" >&2
