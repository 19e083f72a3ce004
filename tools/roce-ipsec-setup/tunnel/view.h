/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The view: what the kernel has of a tunnel now.
 */
#ifndef SETUP_VIEW_H
#define SETUP_VIEW_H

#include "base/setup.h"
#include "tunnel.h"

struct sa_view {
	bool is_there;
	struct ipsec_roce_sa_info info;
	/* At which ports of the bond, as its helper tells. */
	bool is_dead;
	enum ipsec_roce_place place;
	unsigned int home;	/* ifindex, per port */
	unsigned int at_count;
	struct ipsec_roce_sa_port at[PORTS_MAX];
};

struct policy_view {
	bool is_there;
	struct ipsec_roce_policy policy;
	bool is_shadowed;	/* somebody else's policy may go first: */
	struct ipsec_roce_policy shadow;
};

struct fence_view {
	bool is_there;
	struct ipsec_roce_fence_info info;
};

struct func_view {
	struct fence_view roce_fence[SIDES];
	bool has_flag, is_closed;	/* ipsec-fail-closed */
};

struct bond_view {
	bool is_known;		/* to the helper */
	char why[256];		/* if not */
	struct ipsec_roce_bond info;
	unsigned int port_count;
	struct ipsec_roce_port port[PORTS_MAX];
};

struct view {
	bool has_link;
	struct ipsec_roce_link link;
	struct sa_view now[SIDES][PAIRS_MAX], other[SIDES][PAIRS_MAX];
	struct policy_view protect[SIDES], host_fence[SIDES];
	struct func_view func[PORTS_MAX];	/* as the tunnel's */
	struct bond_view bond;
};

int view_read(struct setup *s, const struct tunnel *t, struct view *v);
/* The bond's ports in the order of their index; where they cannot be told, is_known is false. */
void view_read_bond(struct setup *s, const char *dev, struct bond_view *b);
/*
 * The record names the new generation before the kernel hears of it. A rekey that
 * was cut short in between: what the outbound policy asks for is what sends.
 * True: it was so, and @t and @v say it now.
 */
bool view_settle(struct tunnel *t, struct view *v);
bool view_sa_good(const struct tunnel *t, const struct view *v, const struct sa_view *sa,
		  uint32_t reqid, enum ipsec_roce_dir dir, const char **why);
bool view_is_live(const struct tunnel *t, const struct view *v);
/* The SA at a port; NULL: it is not there. */
const struct ipsec_roce_sa_port *view_sa_at(const struct sa_view *sa, unsigned int ifindex);
/* May the port carry traffic now? In active-backup the active one alone. */
bool view_port_carries(const struct bond_view *b, const struct ipsec_roce_port *port);
/* "with eth1, eth2" or "for itself": who shares its counters and windows. A static buffer. */
const char *view_engine_text(const struct bond_view *b, const struct ipsec_roce_port *port);
bool view_fence_good(const struct func_view *f);
/* By its addresses; its protocol and ports are another matter. */
bool view_policy_covers(const struct ipsec_roce_policy *p, const struct ipsec_roce_addr *local,
			const struct ipsec_roce_addr *peer);

/* The tunnel's SAs at a port. */
struct port_sa {
	uint32_t spi, generation;
	enum ipsec_roce_dir dir;
	const struct ipsec_roce_sa_port *at;
};

#define PORT_SAS_MAX	(2 * SIDES * PAIRS_MAX)
int view_port_sas(const struct tunnel *t, const struct view *v,
		  const struct ipsec_roce_port *port, struct port_sa list[PORT_SAS_MAX]);
bool view_policy_good(const struct tunnel *t, const struct view *v, enum ipsec_roce_dir dir,
		      const char **why);
const char *view_offload_text(enum ipsec_roce_offload offload);
/* What `-d` and `-g` of RDMA programs want; -ENOENT: the device has no RDMA. */
int view_read_rdma(struct setup *s, const struct tunnel *t, struct ipsec_roce_rdma *rdma);

#endif
