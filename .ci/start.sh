#!/usr/bin/env bash
# Runs the product with the variables of .env, where there is one; those already set go before it.
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/bootstrap.sh run

if [ -f .env ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line =~ ^[[:space:]]*([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]]; then
            name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]%$'\r'}
            if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
            if [ -z "${!name+x}" ]; then export "$name=$value"; fi
        fi
    done <.env
fi

exec .venv/bin/python manage.py run_stack "$@"
