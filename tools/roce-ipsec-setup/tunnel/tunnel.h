/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The tunnel: what `up` made, kept in a record under /run.
 */
#ifndef SETUP_TUNNEL_H
#define SETUP_TUNNEL_H

#include "base/options.h"
#include "ipsec_roce.h"

#define PAIRS_MAX		PORTS_MAX

/* Index 0 is outbound, 1 inbound. */
#define SIDES		2
#define SIDE(dir)	((dir) == IPSEC_ROCE_IN)

/*
 * One generation's SAs; number 0: the slot is free. One pair, or, where each port of a bond has
 * an SA of its own, as many as both hosts agreed on: all of them inbound, and outbound those that
 * this host's ports need. The reqid of the outbound SAs is the SPI of the first one: fresh for
 * each generation, as devices need it that choose the SA by reqid.
 */
struct generation {
	uint32_t number;
	unsigned char fp[IPSEC_ROCE_FP_LEN];
	unsigned int count[SIDES];
	uint32_t spi[SIDES][PAIRS_MAX];
	bool has_in, has_out;	/* meant to be in the kernel */
};

/* What the fence stands on: the tunnel's device, or a port of its bond. */
struct function {
	char dev[16];
	bool did_tc_feature, did_clsact;	/* to be put back by the last one out */
	bool did_open;		/* the device's fail-closed flag is to be put on again */
	bool did_closed;	/* closed-until-protected was switched on */
};

struct tunnel {
	char dev[16];
	bool is_bond;
	bool did_esp;		/* the bond's offload was switched on: the last one out puts it back */
	struct ipsec_roce_addr local, peer;
	uint8_t proto;
	uint32_t priority;
	unsigned int replay_window, key_bits;
	uint64_t soft_packets, hard_packets;
	bool has_host_fence, has_roce_fence;
	bool starts_closed;	/* its devices are closed until protected, when their driver comes back */
	unsigned int pairs;	/* of SAs, as the hosts agreed; 0: as many as this one needs */
	unsigned int func_count;
	struct function func[PORTS_MAX];	/* ports that left the bond behind the others */
	unsigned int func_now;	/* those that it stands on now; not recorded */
	uint32_t reqid_in;	/* of all inbound SAs: the inbound policy outlives a rekey */
	struct generation now;	/* sends, and receives */
	struct generation other;	/* only receives: the last one, or the next one */
	bool other_is_next;
};

bool tunnel_is_same(const struct tunnel *a, const struct tunnel *b);
/* NULL: none of that name. */
const struct function *function_find(const struct tunnel *t, const char *dev);

#endif
