/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rate of a VF.
 */
#ifndef IROCE_FABRIC_SHAPER_H
#define IROCE_FABRIC_SHAPER_H

#include <linux/hrtimer.h>

#include "fabric.h"

typedef void (*iroce_forward_fn)(struct iroce_func *f, struct sk_buff_head *frames);

/*
 * struct iroce_shaper - where frames of a VF wait whose PF gave it a rate
 * @frames: in their order; its lock guards all the rest
 * @forward: hands on what is due; for good
 * @is_on: they go this way: there is a rate, or frames that waited for one. Read without the lock
 * @is_sending: somebody hands frames on; others only append
 * @rate: Mbit/s; 0: what still waits goes at once
 * @bytes: of @frames
 * @free_at: ns, when what was sent before is over at this rate
 */
struct iroce_shaper {
	struct sk_buff_head frames;
	iroce_forward_fn forward;
	bool is_on;
	bool is_sending;
	u32 rate;
	u64 bytes;
	u64 free_at;
	struct hrtimer timer;
	struct iroce_func *func;
};

/* Of @f, which is not in the switch yet. */
void iroce_shaper_init(struct iroce_shaper *s, struct iroce_func *f, iroce_forward_fn forward);
/* Consumes @frames: now, or when the rate allows. BH disabled, RCU. */
void iroce_shaper_xmit(struct iroce_func *f, struct sk_buff_head *frames);

#endif /* IROCE_FABRIC_SHAPER_H */
