#!/usr/bin/env bash
# Runs the product. Settings are read by the product itself, from the environment and from .env.
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/bootstrap.sh run
exec .venv/bin/python manage.py run_stack "$@"
