#!/bin/bash
# The culprit of an injected episode is named, with decoys beside it: at least 95 in 100 (N1_EPISODES sets how many are
# injected; each takes about 15 seconds).
. tests/integration/lib.sh
need perf
python3 tests/integration/episodes.py "$build" "$work" "${N1_EPISODES:-8}"
rc=$?
[ $rc = 0 ] || [ $rc = 77 ] || fail "too few culprits were right"
exit $rc
