#!/usr/bin/env bash
# From a trained checkpoint to pictures with instances drawn on them: export, serve,
# predict. Usage: examples/demo.sh PYTHON OUTPUT_DIR
set -euo pipefail
python=$1 output=$2
here=$(dirname "$0")

rm -rf "$output"
mkdir -p "$output"

echo "1. export the checkpoint to a SavedModel, verified against the network" >&2
version=$("$python" -m export \
    --weights "$here/nuclei/checkpoint/model_weights/model.h5" \
    --verify-image "$here/nuclei/nuc_136000dc18fa.png" \
    --output "$output/exported/mask_rcnn")
echo "   $version" >&2

echo "2. serve it and predict through the gRPC client" >&2
"$python" -m client "$here"/nuclei/*.png --model "$output/exported/mask_rcnn" \
    --config "$here/nuclei/inference.json" --output "$output/predictions" --draw \
    --report "$output/report.html"

echo "Look at $output/predictions/overlay/ and $output/report.html" >&2
