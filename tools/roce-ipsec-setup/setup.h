/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the command's parts know of each other: the tunnel (what `up` made, kept
 * in a record under /run) and the view (what the kernel has of it now).
 */
#ifndef SETUP_H
#define SETUP_H

#include <stdio.h>

#include "ipsec_roce.h"
#include "options.h"

#define EXIT_DONE	0
#define EXIT_FAILED	1
#define EXIT_USAGE	2
#define EXIT_FAULT	3

#define FAIL_CLOSED_FLAG	"ipsec-fail-closed"
#define CLOSED_FLAG		"ipsec-closed-until-protected"
#define TC_FEATURE		"hw-tc-offload"
#define ESP_FEATURE		"esp-hw-offload"

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

/* What a device drops by itself, with no policy behind it. */
struct hold {
	char dev[16];
	bool is_fail_closed;
	uint64_t n_fences;	/* policies that are gone and whose traffic is dropped */
	bool starts_closed;	/* where no policy protects a direction, its IP is dropped */
	unsigned int n_policies[SIDES];	/* counted only with starts_closed */
};

struct setup {
	const struct options *opt;
	struct ipsec_roce *h;
	struct ipsec_roce_key *key;		/* NULL until read */
	struct ipsec_roce_ledger *ledger;	/* NULL until opened */
	int run_fd;				/* the run folder; holds its lock */
	char fault[640];			/* the first failure, for the last line */
};

/* ---- main.c: words for the operator ---- */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Keeps the first failure and returns err. */
int setup_fail(struct setup *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with the library's message. */
int library_fail(struct setup *s, int err);
void hold_signals(void);
const char *ends_text(const struct tunnel *t, char *buf, size_t size);
#define ENDS_TEXT	(2 * IPSEC_ROCE_ADDR_TEXT + 8)

/* ---- record.c: tunnels under /run ---- */
int record_open(struct setup *s, bool is_reader);
int record_load(struct setup *s, const struct ipsec_roce_addr *local,
		const struct ipsec_roce_addr *peer, struct tunnel *t);	/* -ENOENT: none */
int record_save(struct setup *s, const struct tunnel *t);
int record_remove(struct setup *s, const struct tunnel *t);
typedef int (*record_fn)(struct setup *s, const struct tunnel *t, void *arg);
/* Each tunnel of this network namespace that fits --dev, --local and --peer. */
int record_each(struct setup *s, record_fn fn, void *arg);
/* The same, whatever those options say. */
int record_each_of_all(struct setup *s, record_fn fn, void *arg);
bool record_is_same(const struct tunnel *a, const struct tunnel *b);
/* NULL: none of that name. */
const struct function *function_find(const struct tunnel *t, const char *dev);
int record_parse(const char *text, struct tunnel *t);
char *record_text(const struct tunnel *t);	/* to be freed */

/* ---- owner.c: whose an address is, and what lies below a device ---- */
enum owner_kind {
	OWNER_SELF,
	OWNER_ABOVE,		/* a VLAN or macvlan device that lies on it */
	OWNER_OTHER_FUNCTION,	/* which seals for itself, or not at all */
	OWNER_ELSEWHERE,	/* lo, a bridge, no device */
};

bool owner_is_stacked(const struct ipsec_roce_link *link);
/* Of what is not stacked: itself. ifindex 0: it is in another network namespace. */
int owner_below(struct setup *s, const struct ipsec_roce_link *link,
		struct ipsec_roce_link *below);
/* ifindex 0: nobody's here. Of several devices the preferred one. */
int owner_find(struct setup *s, const struct ipsec_roce_addr *addr, unsigned int preferred,
	       struct ipsec_roce_link *owner);
/* Whose the address is, as @link sees it. */
int owner_judge(struct setup *s, const struct ipsec_roce_addr *addr,
		const struct ipsec_roce_link *link, struct ipsec_roce_link *owner,
		enum owner_kind *kind);

/* ---- fit.c: is the device fit for a tunnel? ---- */
/* A VLAN or macvlan device seals nothing: fails with the function that does. */
int fit_check_kind(struct setup *s);
int fit_check(struct setup *s, const struct tunnel *t);

/* ---- hold.c: what devices hold closed ---- */
#define HOLD_TEXT	256
int hold_read(struct setup *s, const struct ipsec_roce_link *link, struct hold *hold);
bool hold_is_shut(const struct hold *hold);
bool hold_waits(const struct hold *hold, enum ipsec_roce_dir dir);
/* In words: what it drops, why, and how it is opened. */
const char *hold_what(const struct hold *hold, char *buf, size_t size);
const char *hold_why(const struct hold *hold);
const char *hold_how(const struct hold *hold, const char *down_dev, char *buf, size_t size);
/* down_dev: what `down` wants for it, a port's bond or the device itself. */
typedef int (*hold_fn)(struct setup *s, const struct hold *hold, const char *down_dev, void *arg);
/* Each device that holds something: of all, or of one and its ports. */
int hold_each(struct setup *s, const char *dev, hold_fn fn, void *arg);

/* ---- view.c: what the kernel has ---- */
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

/* ---- bond.c: a tunnel on a bond ---- */
/* Which devices the tunnel stands on; a bond's helper must be there. May wait for it. */
int bond_find_functions(struct setup *s, struct tunnel *t);
/* The same for a tunnel that is to go, as far as it can be told. */
int bond_find_remains(struct setup *s, struct tunnel *t);
/*
 * How many outbound SAs the tunnel's device needs, and why, in words. Fails with the rule that
 * the bond's shape breaks; nothing was changed then.
 */
int bond_choose(struct setup *s, const struct tunnel *t, unsigned int *count);
/* Of a generation with more outbound SAs than one: the port of the n-th SA of a direction. */
int bond_home(struct setup *s, const struct tunnel *t, unsigned int n, unsigned int *ifindex);
const char *place_name(enum ipsec_roce_place place);

/* ---- steps.c: one object each, put or taken ---- */
/* All SAs of a direction, or none; *has_taken: the kernel took one of them, if for a moment. */
int step_sas_add(struct setup *s, const struct tunnel *t, const struct generation *g,
		 enum ipsec_roce_dir dir, bool *has_taken);
int step_sas_del(struct setup *s, const struct tunnel *t, const struct generation *g,
		 enum ipsec_roce_dir dir);
int step_policy_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_policy_move(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_policy_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_host_fence_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_host_fence_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
/* SAs and policies of the tunnel, whichever are there. */
int steps_take_down(struct setup *s, const struct tunnel *t);

/* ---- device.c: what is done to the devices that the tunnel stands on ---- */
/* First what will have to be put back, then doing it. */
int step_roce_fence_plan(struct setup *s, struct function *f);
int step_roce_fence_prepare(struct setup *s, const struct function *f);
int step_roce_fence_release(struct setup *s, struct tunnel *t, struct function *f);
int step_roce_fence_add(struct setup *s, const struct tunnel *t, const struct function *f,
			enum ipsec_roce_dir dir);
int step_roce_fence_del(struct setup *s, const struct tunnel *t, const struct function *f,
			enum ipsec_roce_dir dir);
/* Closed until protected: refused where the driver cannot; likewise. */
int step_closed_check(struct setup *s, const struct function *f);
int step_closed_plan(struct setup *s, struct function *f);
int step_closed_prepare(struct setup *s, const struct function *f);
int step_closed_release(struct setup *s, struct tunnel *t, struct function *f);
/* The bond's own switch, likewise. */
int step_esp_plan(struct setup *s, struct tunnel *t);
int step_esp_prepare(struct setup *s, const struct tunnel *t);
int step_esp_release(struct setup *s, struct tunnel *t);
/* Lifts the drop rules that fail-closed devices left behind for deleted policies. */
int step_lift_drops(struct setup *s, struct tunnel *t);

/* ---- the commands ---- */
int cmd_genkey(struct setup *s);
int cmd_up(struct setup *s);
int cmd_rekey(struct setup *s);
int cmd_status(struct setup *s);
int cmd_verify(struct setup *s);	/* an exit status */
int cmd_down(struct setup *s);

/* up.c, shared with rekey.c */
int key_open(struct setup *s);
int generation_make(struct setup *s, const struct tunnel *t, struct generation *g);
int generation_spend(struct setup *s, const struct tunnel *t, const struct generation *g);
int find_local(struct setup *s, struct ipsec_roce_addr *local);
/* What the keys of the n-th SA of a direction are derived for: 0 where there is but one. */
unsigned int generation_port(const struct generation *g, unsigned int n);
bool generation_same(const struct generation *a, const struct generation *b);
/* rekey.c, shared with up.c */
int rekey_to(struct setup *s, struct tunnel *t, const struct generation *g,
	     enum rekey_step step);

#endif
