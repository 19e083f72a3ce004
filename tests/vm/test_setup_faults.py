# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-setup when the kernel fails it, or somebody kills it, at any of its requests.

strace lets the N-th request of a run fail (ENOBUFS, which no step expects), loses the N-th answer
or kills the tool at its N-th request.  Whatever happened, the host is as it was before, or still
protected, and `down` removes the rest.  N goes over every STEP-th of them; over all with --all.

    a: VF -- roce-ipsec-setup up/rekey/down, beside a tunnel for the other address family
"""

import pytest

from kit import local_ip, unprotect

pytestmark = [pytest.mark.lab(scenario="vf"), pytest.mark.dealt]

KEY = "/root/faults.key"
MAX_REQUESTS = 300
STEP = 13
FAILS, UNANSWERED, KILLED = ("sendto:error=ENOBUFS", "recvmsg:error=ENOBUFS",
                             "sendto:signal=SIGKILL")

# $1 device, $2 peer, $3 the other family's peer, $4 first N, $5 step, $6 how, $7.. ports of the
# device, if it is a bond.  snap: what the tool may have changed, without the kernel's own counting.
HEAD = f"""
dev=$1 peer=$2 beside=$3 first=$4 step=$5 how=$6
shift 6
devs="$dev $*"
tool() {{ verb=$1; shift; roce-ipsec-setup $verb --dev $dev --peer $peer "$@"; }}
up="roce-ipsec-setup up --dev $dev --peer $peer --key-file {KEY} --generation next --closed-until-protected"
rekey="roce-ipsec-setup rekey --dev $dev --peer $peer --key-file {KEY} --generation next"
down="roce-ipsec-setup down --dev $dev --peer $peer"
failing() {{
	strace -qq -e trace=${{how%%:*}} -e inject=$how:when=$n -o /tmp/trace "$@" > /tmp/said 2>&1
	rc=$?
	hit=$(grep -cE "INJECTED|SIGKILL" /tmp/trace)
	return $rc
}}
snap() {{
	{{
		ip xfrm state list nokeys
		ip xfrm policy
		for d in $devs; do
			tc qdisc show dev $d
			tc filter show dev $d egress
			tc filter show dev $d ingress
			ethtool -k $d
			ethtool --show-priv-flags $d
		done
	}} 2>&1 | grep -E "^src|spi|offload|sel |dir |tmpl|clsact|handle|_ip|hw-tc|closed"
	head -v -n99 /run/roce-ipsec/* 2>/dev/null
}}
bad() {{
	echo "BAD at $n: $*: $(tr '\\n' ' ' < /tmp/said)"
	diff /tmp/base /tmp/now
	for d in $devs; do ethtool --set-priv-flags $d ipsec-fail-closed on ipsec-closed-until-protected off; done
}}
for d in $devs; do ethtool -K $d hw-tc-offload off; done
roce-ipsec-setup up --dev $dev --peer $beside --key-file {KEY} --generation next || exit 9
"""
LOOP = f"""
snap > /tmp/base
for n in $(seq $first $step {MAX_REQUESTS}); do
"""
TAIL = """
	[ $hit != 0 ] || { echo "went through, up to $n"; exit 0; }
done
echo "more requests than expected"; exit 8
"""

UP = HEAD + LOOP + """
	failing $up
	snap > /tmp/now
	if [ $rc = 0 ]; then
		$down > /dev/null		# it could do without what it asked for
	else
		[ $rc = 1 ] && cmp -s /tmp/base /tmp/now || { bad "not put back"; $down; }
	fi
""" + TAIL

UP_KILLED = HEAD + LOOP + """
	failing $up
	$down > /tmp/said 2>&1 || bad "down failed"
	snap > /tmp/now
	cmp -s /tmp/base /tmp/now || bad "down left something"
""" + TAIL

DOWN = HEAD + LOOP + """
	$up > /tmp/said 2>&1 || bad "up failed"
	failing $down
	$down > /tmp/said 2>&1 || bad "the second down failed"
	snap > /tmp/now
	cmp -s /tmp/base /tmp/now || bad "something is left"
""" + TAIL

REKEY = HEAD + "$up || exit 9\n" + LOOP + """
	failing $rekey
	tool verify --no-probe > /tmp/said 2>&1 || { snap > /tmp/now; bad "verify"; $up > /dev/null 2>&1; }
""" + TAIL


def run_all(host, script, how, first, step, ports=()):
    """The script with each N-th request hurt, from the first, every step-th."""
    done = host.run(["sh", "-c", script, "sh", host.env["NETDEV"], local_ip(host.peer, False),
                     local_ip(host.peer, True), str(first), str(step), how, *ports], check=False,
                    timeout=1800)
    assert done.rc == 0 and "BAD" not in done.stdout, done.output
    assert "went through" in done.stdout, done.output


@pytest.fixture
def try_all(lab, kernel, request):
    host = lab.a
    unprotect(lab)
    host.run(f"rm -rf {KEY} /var/lib/roce-ipsec /run/roce-ipsec; roce-ipsec-setup genkey {KEY}")

    def run(script, how):
        # Not the same requests on both kernels.
        first, step = (1, 1) if request.config.getoption("--all") else (1 + (kernel != "stable"), STEP)
        run_all(host, script, how, first, step)

    yield run
    host.run(["roce-ipsec-setup", "down", "--dev", host.env["NETDEV"], "--all"], check=False)
    unprotect(lab)


def hurt(*ways):
    names = {FAILS: "fails", UNANSWERED: "unanswered", KILLED: "killed"}
    return pytest.mark.parametrize("how", ways, ids=[names[w] for w in ways])


@hurt(FAILS, UNANSWERED)
def test_an_up_that_is_failed_at_any_request_leaves_nothing(try_all, how):
    try_all(UP, how)


@hurt(KILLED)
def test_an_up_that_is_killed_at_any_request_is_removed_by_down(try_all, how):
    try_all(UP_KILLED, how)


@hurt(FAILS, UNANSWERED, KILLED)
def test_a_down_that_is_cut_short_at_any_request_may_be_repeated(try_all, how):
    try_all(DOWN, how)


@hurt(FAILS, UNANSWERED, KILLED)
def test_a_rekey_that_is_cut_short_at_any_request_stays_protected(try_all, how):
    try_all(REKEY, how)
