#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# For the scripts whose output is one line for each check, ok or not ok; sourced.

ERRORS=/tmp/errors

# check "what" command...: it succeeds.
check() {
	what=$1
	shift
	if "$@" 2>$ERRORS; then
		echo "ok $what"
	else
		echo "not ok $what: $* $(cat $ERRORS)"
	fi
}

has() {
	[ "$(cat "$1")" = "$2" ]
}

put() {
	echo "$2" >"$1"
}

log_lines() {
	dmesg | grep -c 'iommu_mock: '
}

# refused "message" file value: so fails the write, with one line in the log.
refused() {
	before=$(log_lines)
	if sh -c "echo '$3' >$2" 2>$ERRORS; then
		echo "it was done" >$ERRORS
		return 1
	fi
	grep -qi "$1" $ERRORS && [ "$(log_lines)" -eq $((before + 1)) ]
}
