#!/usr/bin/env bash
# Proves that workflowcheck, with workflows/workflowcheck.yaml, reports every
# planted mistake and nothing else. Its argument is the workflowcheck to run.
set -euo pipefail
cd "$(dirname "$0")"

report=$("$1" -config ../../workflowcheck.yaml . 2>&1) && { echo "workflowcheck found nothing wrong with the planted workflows"; exit 1; }
reported() { grep -q "planted\.$1 is non-deterministic" <<<"$report"; }

for name in $(sed -nE 's/.*RegisterWorkflow\((\w+)\).*/\1/p' planted.go); do
  case $name in
    Bad*) reported "$name" || { echo "workflowcheck does not see what is wrong with $name; it said:"; echo "$report"; exit 1; } ;;
    *) if reported "$name"; then echo "workflowcheck takes $name for wrong:"; echo "$report"; exit 1; fi ;;
  esac
done
