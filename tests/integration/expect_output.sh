#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# expect_output.sh STATUS REGEX COMMAND...: runs the command without input; fails unless it ends with the status, and its
# output, taken as one line, has the regex (POSIX extended).
set -u
wanted_status=$1 regex=$2
shift 2
output=$("$@" 2>&1 </dev/null)
status=$?
printf '%s\n' "$output"
if ((status != wanted_status)); then
    echo "FAILED: the exit status is $status, and should be $wanted_status"
    exit 1
fi
if ! [[ ${output//$'\n'/ } =~ $regex ]]; then
    echo "FAILED: the output does not have: $regex"
    exit 1
fi
