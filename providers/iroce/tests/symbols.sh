#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# symbols.sh LIBRARY ABI: what the provider takes from libibverbs and what it gives.
# Every private symbol must be bound to the private ABI it was written for; nothing
# but versioned irocedv_* may be exported.
set -eu
lib=$1 abi=$2
fail() { echo "FAIL: $*" >&2; exit 1; }

undefined=$(nm -D --undefined-only "$lib" | awk '{print $NF}')
exported=$(nm -D --defined-only "$lib" | awk '$2 != "A" {print $NF}')

private=$(echo "$undefined" | grep -E '^(_?verbs_|ibv_cmd_|execute_ioctl)') ||
	fail "no private symbol used: is this the provider?"
stray=$(echo "$private" | grep -v "@IBVERBS_PRIVATE_$abi\$") && fail "not of ABI $abi: $stray"
echo "$private" | grep -q "^verbs_register_driver_$abi@" || fail "registers with no ABI number"
stray=$(echo "$exported" | grep -v '^irocedv_.*@@IROCE_') && [ -n "$stray" ] &&
	fail "exports $stray"
soname=$(readelf -d "$lib" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = libiroce.so.1 ] || fail "soname is $soname"
readelf -d "$lib" | grep -q 'NEEDED.*\[libibverbs.so.1\]' || fail "not linked to libibverbs"
echo "PASS: $(echo "$private" | wc -l) private symbols of ABI $abi"
