#!/usr/bin/env bash
# From generated pictures to a served model: look, train, evaluate, export, predict.
# Usage: examples/demo_train.sh PYTHON OUTPUT_DIR
set -euo pipefail
python=$1 output=$2
here=$(dirname "$0")

rm -rf "$output"
mkdir -p "$output"

echo "1. pictures of drawn shapes, as a Supervisely project" >&2
PYTHONPATH="$here/.." "$python" "$here/generated_shapes.py" "$output/shapes"

echo "2. a look at the data" >&2
"$python" -m training inspect --config "$here/configs/shapes.json" \
    --project "$output/shapes" --output "$output/inspect"

echo "3. train the small preset from nothing, a few minutes" >&2
"$python" -m training --config "$here/configs/shapes.json" --project "$output/shapes" \
    --output "$output/run" --device cpu
weights="$output/run/checkpoints/best/model_weights/model.h5"

echo "4. score the best checkpoint" >&2
"$python" -m training evaluate --weights "$weights" --project "$output/shapes" \
    --tag val --output "$output/evaluation"

echo "5. export, serve, predict" >&2
"$python" -m export --weights "$weights" --output "$output/exported/shapes" \
    --score-threshold 0.5 \
    --verify-image "$output/shapes/shapes/img/0004.png" >&2
"$python" -m client "$output"/shapes/shapes/img/00[0-4]4.png \
    --model "$output/exported/shapes" --output "$output/predictions" --draw

echo "Look at $output/inspect/inspect.html, $output/run/curves.png," >&2
echo "$output/evaluation/gallery.html and $output/predictions/overlay/" >&2
