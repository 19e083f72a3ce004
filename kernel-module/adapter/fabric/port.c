// SPDX-License-Identifier: GPL-2.0
/*
 * What is to be known of a port: whether its cable carries anything, how much, and what
 * addresses its functions are born with.
 */
#include <linux/etherdevice.h>
#include <linux/jhash.h>

#include "cable.h"

bool iroce_port_is_up(const struct iroce_port *port)
{
	struct net_device *cable;
	bool is_up;

	rcu_read_lock();
	cable = rcu_dereference(port->cable);
	is_up = cable && netif_running(cable) && netif_carrier_ok(cable);
	rcu_read_unlock();
	return is_up;
}

unsigned int iroce_port_max_mtu(const struct iroce_port *port)
{
	unsigned int mtu = IROCE_MAX_MTU;
	struct net_device *cable;

	rcu_read_lock();
	cable = rcu_dereference(port->cable);
	if (cable)
		mtu = clamp(READ_ONCE(cable->mtu), (unsigned int)ETH_MIN_MTU, mtu);
	rcu_read_unlock();
	return mtu;
}

/*
 * Locally administered, the same at each load as long as the cable keeps its
 * address, different for each cable and function: 02, hash of the cable's
 * address, function.
 */
void iroce_port_func_mac(const struct iroce_port *port, unsigned int vf, u8 *mac)
{
	u32 hash = jhash(iroce_uplink(port)->mac, ETH_ALEN, 0);

	mac[0] = 0x02;
	put_unaligned_be32(hash, mac + 1);
	mac[5] = vf == IROCE_PF ? 0 : vf + 1;
}

u64 iroce_port_stat_sum(const struct iroce_port *port, enum iroce_uplink_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(iroce_uplink(port)->stats, cpu)->v[stat]);
	return sum;
}
