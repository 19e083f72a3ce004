// SPDX-License-Identifier: GPL-2.0
/*
 * States that the stack does not open: an inbound SA whose replay window is a device's. The
 * kernel has its key, too, and would open in software what arrives on another netdev, or in
 * fragments, with a window of its own beside the device's (I4). It has its ESP code from
 * x->type: a closed state has a copy of that with an input that opens nothing.
 *
 * And states that xfrm does not copy. XFRM_MSG_MIGRATE makes a copy for software alone, and
 * XFRM_MSG_MIGRATE_STATE does on demand, with the numbers that xfrm has read last, and nobody asks
 * the device for newer ones: the copy would take packets again that the device has taken (I4),
 * and send numbers again (I3 has but random IVs then). Ciphers of a copy are made anew, by the
 * name of the IV generator and the cipher: without the former it fails, before anything has
 * happened to the state.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <net/xfrm.h>

#include "ipsec_roce_engine.h"

static int input_closed(struct xfrm_state *x, struct sk_buff *skb)
{
	ipsec_roce_engine_missed(x, skb);
	/* xfrm counts XfrmInStateProtoError and drops. */
	return -EPERM;
}

/*
 * ESP over IPv4 and IPv6. Not a state's own: xfrm may still read x->type while, on another
 * CPU, its SA is taken down.
 */
static struct closed_type {
	const struct xfrm_type *orig;
	struct xfrm_type type;
} closed_types[2];
static DEFINE_MUTEX(closed_lock);

static const struct closed_type *find_closed(const struct xfrm_type *type)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(closed_types); i++)
		if (type == &closed_types[i].type)
			return &closed_types[i];
	return NULL;
}

void ipsec_roce_state_close(struct xfrm_state *x)
{
	struct closed_type *closed = &closed_types[x->props.family == AF_INET6];

	if (!x->type || find_closed(x->type))
		return;
	mutex_lock(&closed_lock);
	/* An ESP module that came anew: of what the old one had, no state is left. */
	if (closed->orig != x->type) {
		closed->orig = x->type;
		closed->type = *x->type;
		closed->type.input = input_closed;
	}
	mutex_unlock(&closed_lock);
	WRITE_ONCE(x->type, &closed->type);
}
EXPORT_SYMBOL_GPL(ipsec_roce_state_close);

/* Its own cipher has been made, and nobody has found it yet. */
void ipsec_roce_state_pin(struct xfrm_state *x)
{
	WRITE_ONCE(x->geniv, NULL);
}
EXPORT_SYMBOL_GPL(ipsec_roce_state_pin);

bool ipsec_roce_state_is_closed(const struct xfrm_state *x)
{
	return find_closed(READ_ONCE(x->type));
}
EXPORT_SYMBOL_GPL(ipsec_roce_state_is_closed);

const struct xfrm_type *ipsec_roce_state_type(const struct xfrm_state *x)
{
	const struct closed_type *closed = find_closed(READ_ONCE(x->type));

	return closed ? closed->orig : x->type;
}
EXPORT_SYMBOL_GPL(ipsec_roce_state_type);

void ipsec_roce_state_reopen(struct xfrm_state *x)
{
	WRITE_ONCE(x->type, ipsec_roce_state_type(x));
}
EXPORT_SYMBOL_GPL(ipsec_roce_state_reopen);
