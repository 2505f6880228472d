#!/usr/bin/env bash
# Writes docs/generated from its sources: each page is compared by a test named `generated_docs...` in
# the crate that owns the source, and that test writes the page when UPDATE_GENERATED is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UPDATE_GENERATED=1 cargo test --workspace generated_docs
# Once more without it: what was written is what the tests want.
cargo test --quiet --workspace generated_docs
git status --short docs/generated
