/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * libipsec-roce: control of IPsec for RoCE through the kernel's own netlink
 * families. Xfrm is the control plane: everything here also works by hand with
 * ip(8), tc(8), ethtool(8), on any device with xfrm packet offload.
 *
 * Calls return 0 or -errno and hand objects out by parameter; the text of the
 * last failure, with what the kernel said, is ipsec_roce_message(). A failure
 * has changed nothing unless its comment says so. A handle is used by one thread
 * at a time. See libipsec-roce(7).
 *
 * Integers are in host byte order, SPIs and ports too; only what is inside of
 * struct in_addr and in6_addr is in network byte order. Structs that begin with
 * size are to be zeroed but for what is set, size being sizeof of them. What a
 * caller passes in stays the caller's and need not outlive the call; a key and
 * a ledger belong to the caller and must go before the handle they came from.
 */
#ifndef IPSEC_ROCE_H
#define IPSEC_ROCE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipsec_roce;		/* a connection to the kernel */
struct ipsec_roce_key;		/* a pre-shared key, held in locked memory */
struct ipsec_roce_ledger;	/* generations of keys that were used on this host */

#define IPSEC_ROCE_INFINITE	UINT64_MAX	/* a listed limit that is none */
#define IPSEC_ROCE_PORT		4791	/* RoCEv2's UDP port */
#define IPSEC_ROCE_ADDR_TEXT	46	/* bytes of an address as text, with its NUL */
#define IPSEC_ROCE_FP_LEN	16	/* bytes of a key's fingerprint */

enum ipsec_roce_dir {
	IPSEC_ROCE_OUT = 1,
	IPSEC_ROCE_IN = 2,
};

struct ipsec_roce_addr {
	int family;		/* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/* ---- the handle: ipsec_roce_open(3) ---- */

/* -ENOMEM. Opens no socket yet; needs no right. */
int ipsec_roce_open(struct ipsec_roce **out);
/* NULL is allowed, as with every call here that frees. */
void ipsec_roce_close(struct ipsec_roce *h);
/*
 * What failed last and what the kernel said about it; never NULL, never a key.
 * The handle's own text: good until its next call.
 */
const char *ipsec_roce_message(const struct ipsec_roce *h);
const char *ipsec_roce_version(void);

/* ---- addresses ---- */

/* -EINVAL for what is neither IPv4 nor IPv6 in numbers; nothing is looked up. */
int ipsec_roce_addr_parse(const char *text, struct ipsec_roce_addr *out);
/* Writes at most IPSEC_ROCE_ADDR_TEXT bytes, all of which buf must have, and returns buf. */
const char *ipsec_roce_addr_text(const struct ipsec_roce_addr *a, char *buf);
bool ipsec_roce_addr_equal(const struct ipsec_roce_addr *a, const struct ipsec_roce_addr *b);

/* ---- keys and what is derived from them: ipsec_roce_key_read(3) ---- */

/* The file must be a regular file of the caller's, with no right for group or others. */
int ipsec_roce_key_read_file(struct ipsec_roce *h, const char *path, struct ipsec_roce_key **out);
/* From a pipe or terminal, to its end; nothing is demanded of the descriptor. */
int ipsec_roce_key_read_fd(struct ipsec_roce *h, int fd, struct ipsec_roce_key **out);
/* Creates path (it must not exist) with mode 0600 and 32 random bytes. */
int ipsec_roce_key_generate(struct ipsec_roce *h, const char *path, uint32_t generation);
/* The generation that the key file names, 1 where it names none. */
uint32_t ipsec_roce_key_generation(const struct ipsec_roce_key *key);
/* A one-way name of the key, fit for a log. */
int ipsec_roce_key_fingerprint(struct ipsec_roce *h, const struct ipsec_roce_key *key,
			       unsigned char fp[IPSEC_ROCE_FP_LEN]);
void ipsec_roce_key_free(struct ipsec_roce_key *key);

/* One direction of one generation: what both hosts compute without talking. */
struct ipsec_roce_flow {
	size_t size;
	struct ipsec_roce_addr src, dst;
	uint32_t generation;	/* 1 and up */
	unsigned int key_bits;	/* 128 or 256 */
	/* 1 and up: of a set with a key and SPI per port of a bond (RFC 9611); 0: of no set */
	unsigned int port;
};

/* The SPI is above 255. */
int ipsec_roce_flow_spi(struct ipsec_roce *h, const struct ipsec_roce_key *key,
			const struct ipsec_roce_flow *flow, uint32_t *spi);

/* ---- the ledger of used generations: ipsec_roce_ledger_open(3) ---- */

/* Takes the ledger in dir (created 0700) and holds its lock until closed. */
int ipsec_roce_ledger_open(struct ipsec_roce *h, const char *dir, struct ipsec_roce_ledger **out);
void ipsec_roce_ledger_close(struct ipsec_roce_ledger *l);
/* The highest generation ever spent for this key and address pair; 0: none. */
int ipsec_roce_ledger_last(struct ipsec_roce_ledger *l,
			   const unsigned char fp[IPSEC_ROCE_FP_LEN],
			   const struct ipsec_roce_addr *local,
			   const struct ipsec_roce_addr *peer, uint32_t *generation);
/*
 * Spends a generation: on stable storage when this returns 0. -EALREADY when
 * this or a later one was spent before; its keys must not be installed again.
 */
int ipsec_roce_ledger_spend(struct ipsec_roce_ledger *l,
			    const unsigned char fp[IPSEC_ROCE_FP_LEN],
			    const struct ipsec_roce_addr *local,
			    const struct ipsec_roce_addr *peer, uint32_t generation);
/* Takes the last spend of this ledger back: only if the kernel accepted no SA under it. */
int ipsec_roce_ledger_unspend(struct ipsec_roce_ledger *l);

/* ---- security associations: ipsec_roce_sa_add(3) ---- */

struct ipsec_roce_sa_cfg {
	size_t size;
	const char *dev;		/* the function that is to seal or open */
	enum ipsec_roce_dir dir;
	const struct ipsec_roce_key *key;
	struct ipsec_roce_flow flow;	/* addresses as on the wire, generation, key size */
	uint32_t spi;			/* above 255 */
	uint32_t reqid;			/* not 0; the policy's template names it */
	uint8_t proto;			/* protected upper protocol; 0: any */
	unsigned int replay_window;	/* packets; inbound only: 32 to 4096, a multiple of 32 */
	uint64_t soft_packets, hard_packets;	/* 0: no limit */
	uint64_t soft_bytes, hard_bytes;	/* 0: no limit */
};

struct ipsec_roce_sa_id {
	size_t size;
	struct ipsec_roce_addr src, dst;
	uint32_t spi;
};

enum ipsec_roce_offload {
	IPSEC_ROCE_OFFLOAD_NONE,
	IPSEC_ROCE_OFFLOAD_CRYPTO,
	IPSEC_ROCE_OFFLOAD_PACKET,
};

struct ipsec_roce_sa_info {
	size_t size;
	struct ipsec_roce_addr src, dst;
	uint32_t spi, reqid;
	enum ipsec_roce_dir dir;	/* 0 where the kernel does not say */
	enum ipsec_roce_offload offload;
	unsigned int ifindex;		/* of the offload device; 0: none */
	uint8_t proto;			/* of the selector */
	bool is_acquire;		/* a larval state: no keys yet */
	bool has_esn;
	char cipher[64];
	unsigned int key_bits;		/* without the salt */
	unsigned int icv_bits;
	unsigned int replay_window;
	uint64_t seq;			/* last sent (out) or highest received (in) */
	uint64_t bytes, packets;	/* so far, as the device reports them */
	uint64_t soft_packets, hard_packets, soft_bytes, hard_bytes;
	uint64_t add_time;		/* seconds since the epoch */
	uint32_t replay_drops, window_drops, auth_fails;	/* packets */
};

/*
 * -EPROTO: the kernel took the SA but did not offload it, or its answer was lost;
 * the SA was taken back, and its key counts as used. Any other failure: the
 * kernel never had the SA. -EEXIST: one with this destination and SPI is there.
 */
int ipsec_roce_sa_add(struct ipsec_roce *h, const struct ipsec_roce_sa_cfg *cfg);
/* -ENOENT where there is none. */
int ipsec_roce_sa_get(struct ipsec_roce *h, const struct ipsec_roce_sa_id *id,
		      struct ipsec_roce_sa_info *info);
/* -ENOENT where there is none. An SA is found by destination and SPI, whatever its source. */
int ipsec_roce_sa_del(struct ipsec_roce *h, const struct ipsec_roce_sa_id *id);
/*
 * A callback that returns non-zero ends the walk and gives the call its value.
 * It must not use the handle, and *info is gone when it returns.
 */
typedef int (*ipsec_roce_sa_fn)(const struct ipsec_roce_sa_info *info, void *arg);
int ipsec_roce_sa_list(struct ipsec_roce *h, ipsec_roce_sa_fn fn, void *arg);

/* ---- policies: ipsec_roce_policy_add(3) ---- */

enum ipsec_roce_policy_kind {
	IPSEC_ROCE_POLICY_PROTECT = 1,	/* packet offload on dev, one ESP transport template */
	IPSEC_ROCE_POLICY_FENCE,	/* software, blocks; lives when the device's policies are flushed */
	IPSEC_ROCE_POLICY_OTHER,	/* listed only: somebody else's */
};

struct ipsec_roce_policy {
	size_t size;
	enum ipsec_roce_policy_kind kind;
	enum ipsec_roce_dir dir;
	struct ipsec_roce_addr src, dst;	/* as in the packets that it matches */
	uint8_t src_bits, dst_bits;	/* prefix lengths; 0 in a request: one address */
	uint8_t proto;			/* 0: any */
	uint32_t priority;		/* lower goes first */
	uint32_t reqid;			/* of the template; PROTECT only */
	const char *dev;		/* PROTECT only, in a request */
	unsigned int ifindex;		/* listed: of the offload device, 0: none */
	bool is_block;			/* listed */
	uint64_t use_time;		/* listed: seconds since the epoch */
	bool has_esp;			/* listed: its template asks for ESP */
	bool covers_roce;		/* listed: UDP to port 4791 is in its selector */
	bool is_source_bound;		/* listed: but not from all of RoCEv2's source ports */
};

/*
 * Fails with -EEXIST where a policy with this selector stands already, and with
 * -EPROTO (taken back) where the kernel took it but did not offload it.
 */
int ipsec_roce_policy_add(struct ipsec_roce *h, const struct ipsec_roce_policy *p);
/*
 * Puts the policy in the place of the one with the same selector, or adds it. The
 * kernel's order leaves no moment without either. After -EPROTO neither is there;
 * after a lost answer nobody can tell: list them.
 */
int ipsec_roce_policy_replace(struct ipsec_roce *h, const struct ipsec_roce_policy *p);
/* By selector, direction and kind. -ENOENT where there is none. */
int ipsec_roce_policy_del(struct ipsec_roce *h, const struct ipsec_roce_policy *p);
typedef int (*ipsec_roce_policy_fn)(const struct ipsec_roce_policy *p, void *arg);
int ipsec_roce_policy_list(struct ipsec_roce *h, ipsec_roce_policy_fn fn, void *arg);

/* ---- the RoCE fence, a hardware-only tc filter: ipsec_roce_fence_add(3) ---- */

struct ipsec_roce_fence {
	size_t size;
	const char *dev;
	enum ipsec_roce_dir dir;
	struct ipsec_roce_addr src, dst;	/* as in the packets that it drops */
};

struct ipsec_roce_fence_info {
	size_t size;
	bool is_in_hw;
	uint64_t drops;		/* packets that the device dropped by it */
};

/* Is the clsact qdisc there that carries the filters? -EBUSY: another one is in its place. */
int ipsec_roce_fence_ready(struct ipsec_roce *h, const char *dev, bool *is_ready);
/* Adds it; 0 also where it was there. */
int ipsec_roce_fence_prepare(struct ipsec_roce *h, const char *dev);
/* Removes clsact if no filter is left in it; 0 also where some are left. */
int ipsec_roce_fence_release(struct ipsec_roce *h, const char *dev);
/* Needs clsact and the feature hw-tc-offload. -EEXIST; a driver may refuse it: -EOPNOTSUPP. */
int ipsec_roce_fence_add(struct ipsec_roce *h, const struct ipsec_roce_fence *f);
/* -ENOENT where there is none. */
int ipsec_roce_fence_del(struct ipsec_roce *h, const struct ipsec_roce_fence *f);
/* -ENOENT where there is none. */
int ipsec_roce_fence_get(struct ipsec_roce *h, const struct ipsec_roce_fence *f,
			 struct ipsec_roce_fence_info *info);

/* ---- devices: ipsec_roce_link_get(3) ---- */

struct ipsec_roce_link {
	size_t size;
	char name[16];		/* with its NUL */
	unsigned int ifindex;
	unsigned int mtu;	/* bytes of an IP packet */
	bool is_up;
	bool has_carrier;
	char kind[16];		/* "bond", "vlan", ...; empty for a device of hardware */
	unsigned int master;	/* ifindex of the bond or bridge above; 0: none */
	uint8_t bond_mode, bond_hash;	/* of a bond: mode and hash policy, as linux/if_bonding.h */
	/* ifindex of the device that a VLAN or macvlan lies on; 0: none, or in another namespace */
	unsigned int lower;
};

/* -ENODEV where there is none, in the network namespace in which the handle opened its sockets. */
int ipsec_roce_link_get(struct ipsec_roce *h, const char *dev, struct ipsec_roce_link *link);
int ipsec_roce_link_by_index(struct ipsec_roce *h, unsigned int ifindex,
			     struct ipsec_roce_link *link);
/* A walk as that of SAs. */
typedef int (*ipsec_roce_link_fn)(const struct ipsec_roce_link *link, void *arg);
int ipsec_roce_link_list(struct ipsec_roce *h, ipsec_roce_link_fn fn, void *arg);
/* Each address of each device, in the kernel's order. A walk as that of SAs. */
typedef int (*ipsec_roce_addr_fn)(const struct ipsec_roce_addr *addr, unsigned int ifindex,
				  void *arg);
int ipsec_roce_addr_list(struct ipsec_roce *h, ipsec_roce_addr_fn fn, void *arg);
/* -ENOENT where the address is not on the device. */
int ipsec_roce_link_has_addr(struct ipsec_roce *h, const char *dev,
			     const struct ipsec_roce_addr *addr);

/*
 * A feature by its ethtool name ("esp-hw-offload", "hw-tc-offload"); -EOPNOTSUPP
 * where the device has none of that name. is_fixed and is_on may be NULL.
 */
int ipsec_roce_feature_get(struct ipsec_roce *h, const char *dev, const char *feature,
			   bool *is_on, bool *is_fixed);
int ipsec_roce_feature_set(struct ipsec_roce *h, const char *dev, const char *feature, bool on);
/* The same for a driver's private flag. */
int ipsec_roce_privflag_get(struct ipsec_roce *h, const char *dev, const char *flag, bool *is_on);
int ipsec_roce_privflag_set(struct ipsec_roce *h, const char *dev, const char *flag, bool on);
/* A counter by its `ethtool -S` name; -ENOENT where the driver has none of that name. */
int ipsec_roce_counter_get(struct ipsec_roce *h, const char *dev, const char *name,
			   uint64_t *value);

/* ---- bonds whose offload the helper replicates: ipsec_roce_bond_get(3) ---- */

/* Where an SA of a bond lives; see docs/replication.md. */
enum ipsec_roce_place {
	IPSEC_ROCE_PLACE_ANY,		/* the helper chooses */
	IPSEC_ROCE_PLACE_SHARED,	/* one SPI and key, one counter and window, at all ports */
	IPSEC_ROCE_PLACE_PER_PORT,	/* an SPI and key per port */
	IPSEC_ROCE_PLACE_OWNER,		/* one SPI and key, at one port at a time */
};

struct ipsec_roce_bond {
	size_t size;
	char name[16];		/* with its NUL */
	unsigned int ifindex;
	enum ipsec_roce_place placement;	/* what is wished for SAs to come */
	unsigned int n_ports;
	unsigned int n_sas, n_policies;	/* with those that are just going */
	uint64_t n_handovers;	/* times that an SA moved to another port */
};

struct ipsec_roce_port {
	size_t size;
	char name[16];		/* with its NUL */
	unsigned int ifindex;
	unsigned int index;	/* its place in the bond; free again when it leaves */
	unsigned int engine;	/* equal for ports that count SAs together: those can share one */
	bool can_offload;
	bool is_running;	/* the bond may send through it */
	bool is_active;		/* active-backup: the one that sends */
};

struct ipsec_roce_bond_sa {
	size_t size;
	unsigned int bond_ifindex;
	enum ipsec_roce_dir dir;
	struct ipsec_roce_addr dst;
	uint32_t spi;
	enum ipsec_roce_place placement;
	uint64_t start;		/* numbers up to it were used when a port last got the SA */
	bool is_dead;		/* never used again; waits to be deleted */
	/* Per port: out: the port it belongs to; in: where its traffic is expected; else, or if
	 * that port has left: 0 */
	unsigned int home_ifindex;
};

/* An SA at a port. */
struct ipsec_roce_sa_port {
	size_t size;
	unsigned int ifindex;
	char state[16];		/* "live": in use here; "standby", "failed", ... */
	uint64_t packets, bytes;	/* since it came to this port */
	uint64_t last;		/* last number sent, or top of the window */
};

/*
 * These ask the kernel module ipsec_roce: -EPROTONOSUPPORT where it is not loaded, -ENODEV where
 * the device is no bond of its, in this network namespace.
 */
int ipsec_roce_bond_get(struct ipsec_roce *h, const char *dev, struct ipsec_roce_bond *bond);
/* Walks as that of SAs: all bonds; the ports of one, in the order of their index. */
typedef int (*ipsec_roce_bond_fn)(const struct ipsec_roce_bond *bond, void *arg);
int ipsec_roce_bond_list(struct ipsec_roce *h, ipsec_roce_bond_fn fn, void *arg);
typedef int (*ipsec_roce_port_fn)(const struct ipsec_roce_port *port, void *arg);
int ipsec_roce_port_list(struct ipsec_roce *h, const char *dev, ipsec_roce_port_fn fn, void *arg);
/*
 * The SAs of a bond; NULL: of all. Once for each port that has something of the SA; port is NULL,
 * once, for an SA that is at none. A device that is no bond of the helper has none.
 */
typedef int (*ipsec_roce_bond_sa_fn)(const struct ipsec_roce_bond_sa *sa,
				     const struct ipsec_roce_sa_port *port, void *arg);
int ipsec_roce_bond_sa_list(struct ipsec_roce *h, const char *dev, ipsec_roce_bond_sa_fn fn,
			    void *arg);
/* "shared", "per-port", "owner", "any"; NULL for no placement. */
const char *ipsec_roce_place_name(enum ipsec_roce_place placement);
/* What the choice of a placement depends on; all zero is refused. */
struct ipsec_roce_place_facts {
	size_t size;
	uint8_t bond_mode, bond_hash;	/* as struct ipsec_roce_link has them */
	enum ipsec_roce_place wish;	/* as struct ipsec_roce_bond has it */
	unsigned int n_ports;
	bool is_one_engine;	/* all ports count SAs together */
	bool has_offload;	/* each port can offload an SA, or will be able to */
	bool wants_home;	/* an SA per port is wanted where one for all would do as well */
};
/*
 * The placement that the helper would give outbound SAs, by the same rules; nothing is asked of
 * the kernel. -EOPNOTSUPP with the rule, where no SA could be placed; @dev is for the message. Of
 * IPSEC_ROCE_PLACE_PER_PORT, ipsec_roce_bond_home() names each SA's port.
 */
int ipsec_roce_place_choose(struct ipsec_roce *h, const char *dev,
			    const struct ipsec_roce_place_facts *facts,
			    enum ipsec_roce_place *placement);
/*
 * Sets the placement of SAs to come. -EOPNOTSUPP with the rule, where no SA could be placed so.
 * SAs that are there stay as they are.
 */
int ipsec_roce_bond_place(struct ipsec_roce *h, const char *dev, enum ipsec_roce_place placement);
/*
 * The SA of this identity, to be added next, belongs to this port (0: takes that back): where
 * each port has SAs of its own. The source is not looked at.
 */
int ipsec_roce_bond_home(struct ipsec_roce *h, const char *dev, const struct ipsec_roce_sa_id *id,
			 unsigned int port_ifindex);

/* ---- routes and RDMA devices: ipsec_roce_link_get(3) ---- */

/* The way to peer: device and preferred source. oif and from may be 0 and NULL. */
struct ipsec_roce_route {
	size_t size;
	unsigned int ifindex;
	struct ipsec_roce_addr source;	/* family 0 where the kernel names none */
	bool has_gateway;
};

/* -ENETUNREACH and its like come from the kernel. */
int ipsec_roce_route_get(struct ipsec_roce *h, const struct ipsec_roce_addr *peer,
			 const struct ipsec_roce_addr *from, unsigned int oif,
			 struct ipsec_roce_route *route);

/* The RDMA device of a netdev, and the RoCEv2 GID of an address on it. */
struct ipsec_roce_rdma {
	size_t size;
	char name[64];
	unsigned int port;
	/* -1: no RoCEv2 GID holds the address. Of several, as of a link-local address that a VLAN
	 * device has as well: the one of the netdev itself. */
	int gid_index;
};

/* -ENOENT where the netdev has no RDMA device. */
int ipsec_roce_rdma_get(struct ipsec_roce *h, const char *dev, const struct ipsec_roce_addr *addr,
			struct ipsec_roce_rdma *rdma);

#ifdef __cplusplus
}
#endif
#endif
