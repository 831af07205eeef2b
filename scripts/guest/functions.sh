#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts of the guests; sourced.

# shellcheck source=/dev/null
. /etc/guest.conf

die() {
	echo "failed: $*"
	exit 1
}

# Count the result lines of all suites that are loaded: ok, failed, skipped.
kunit_results() {
	ok=0 bad=0 skip=0
	for file in /sys/kernel/debug/kunit/*/results; do
		[ -e "$file" ] || continue
		while read -r word rest; do
			case "$word $rest" in
			*"# SKIP"*) skip=$((skip + 1)) ;;
			"ok "*) ok=$((ok + 1)) ;;
			"not ok "*)
				bad=$((bad + 1))
				echo "not $rest"
				;;
			esac
		done <"$file"
	done
}

# Lock checking turns itself off for good at the first splat.
lockdep_is_on() {
	[ "${LOCKDEP:-0}" = 1 ] || return 0
	while read -r key value; do
		[ "$key" = "debug_locks:" ] && {
			[ "$value" = 1 ]
			return
		}
	done </proc/lockdep_stats
	return 1
}

set_glob() {
	# No newline: it would become part of the glob.
	printf '%s' "$1" >/sys/module/kunit/parameters/filter_glob
}
