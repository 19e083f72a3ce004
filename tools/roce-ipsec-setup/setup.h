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
#define TC_FEATURE		"hw-tc-offload"
#define ESP_FEATURE		"esp-hw-offload"

/* One generation's pair of SAs; number 0: the slot is free. The reqid of the
 * outbound SA is its SPI: fresh for each generation, as devices need it that
 * choose the SA by reqid. */
struct generation {
	uint32_t number;
	unsigned char fp[IPSEC_ROCE_FP_LEN];
	uint32_t spi_in, spi_out;
	bool has_in, has_out;	/* meant to be in the kernel */
};

struct tunnel {
	char dev[16];
	struct ipsec_roce_addr local, peer;
	uint8_t proto;
	uint32_t priority;
	unsigned int replay_window, key_bits;
	uint64_t soft_packets, hard_packets;
	bool has_host_fence, has_roce_fence;
	bool did_tc_feature, did_clsact;	/* to be put back by the last one out */
	bool did_open;		/* the device's fail-closed flag is to be put on again */
	uint32_t reqid_in;	/* of all inbound SAs: the inbound policy outlives a rekey */
	struct generation now;	/* sends, and receives */
	struct generation other;	/* only receives: the last one, or the next one */
	bool other_is_next;
};

struct sa_view {
	bool is_there;
	struct ipsec_roce_sa_info info;
};

struct policy_view {
	bool is_there;
	bool is_shadowed;	/* somebody else's policy may go first */
	struct ipsec_roce_policy policy;
};

struct fence_view {
	bool is_there;
	struct ipsec_roce_fence_info info;
};

/* Index 0 is outbound, 1 inbound. */
#define SIDES		2
#define SIDE(dir)	((dir) == IPSEC_ROCE_IN)

struct view {
	bool has_link;
	struct ipsec_roce_link link;
	struct sa_view now[SIDES], other[SIDES];
	struct policy_view protect[SIDES], host_fence[SIDES];
	struct fence_view roce_fence[SIDES];
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
int record_parse(const char *text, struct tunnel *t);
char *record_text(const struct tunnel *t);	/* to be freed */

/* ---- view.c: what the kernel has ---- */
int view_read(struct setup *s, const struct tunnel *t, struct view *v);
/*
 * The record names the new generation before the kernel hears of it. A rekey that
 * was cut short in between: what the outbound policy asks for is what sends.
 * True: it was so, and @t and @v say it now.
 */
bool view_settle(struct tunnel *t, struct view *v);
bool view_sa_good(const struct tunnel *t, const struct view *v, const struct sa_view *sa,
		  uint32_t reqid, enum ipsec_roce_dir dir, const char **why);
bool view_is_live(const struct tunnel *t, const struct view *v);
bool view_policy_good(const struct tunnel *t, const struct view *v, enum ipsec_roce_dir dir,
		      const char **why);

/* ---- steps.c: one object each, put or taken ---- */
int step_sa_add(struct setup *s, const struct tunnel *t, const struct generation *g,
		enum ipsec_roce_dir dir);
int step_sa_del(struct setup *s, const struct tunnel *t, const struct generation *g,
		enum ipsec_roce_dir dir);
int step_policy_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_policy_move(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_policy_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_host_fence_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_host_fence_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
/* What the RoCE fence stands on: first what will have to be put back, then doing it. */
int step_roce_fence_plan(struct setup *s, struct tunnel *t);
int step_roce_fence_prepare(struct setup *s, const struct tunnel *t);
int step_roce_fence_release(struct setup *s, struct tunnel *t);
int step_roce_fence_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_roce_fence_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
/* Lifts the drop rules that a fail-closed device left behind for deleted policies. */
int step_lift_drops(struct setup *s, struct tunnel *t);
/* SAs and policies of the tunnel, whichever are there. */
int steps_take_down(struct setup *s, const struct tunnel *t);

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
bool generation_same(const struct generation *a, const struct generation *b);
/* rekey.c, shared with up.c */
int rekey_to(struct setup *s, struct tunnel *t, const struct generation *g,
	     enum rekey_step step);

#endif
