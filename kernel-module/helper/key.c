// SPDX-License-Identifier: GPL-2.0
/*
 * Keys that SAs of bonds send with, and how far (I3). One table for the module: a port that
 * makes its IVs of sequence numbers, as most NICs do, repeats nonces with any other SA of the
 * same key, whichever bond has that, and with one that is long deleted.
 *
 *	claim ----> live, one SA alone ----> release: used up to some number ----> claim by an SA
 *	                                       |                                   that begins behind
 *	                                       v
 *	                                     nothing was sent: forgotten
 *
 * Not the key is kept but a hash of it (ipsec_roce_key_hash()).
 *
 * At most KEYS_MAX released keys are remembered, and the one released longest ago makes room.
 * Refusing new keys instead would be an outage that any machine reaches by rekeying, and the
 * keys of a key daemon are fresh by construction. What is to be caught is a command that is
 * typed, or a script that is run, again: it comes soon. Live keys are never forgotten.
 */
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "key.h"

#define KEYS_MAX	16384

/*
 * struct used_key - one that is live, or has been
 * @last: numbers up to it have been used, by SAs that are gone; 0: none
 * @link: released ones, the one released longest ago first
 */
struct used_key {
	struct hlist_node node;
	struct list_head link;
	u64 hash;
	u64 last;
	bool is_live;
};

static DEFINE_MUTEX(keys_lock);		/* within bond.lock; all of the following */
static DEFINE_HASHTABLE(keys, 12);
static LIST_HEAD(released);
static unsigned int n_released;

static struct used_key *find_key(u64 hash)
{
	struct used_key *key;

	hash_for_each_possible(keys, key, node, hash)
		if (key->hash == hash)
			return key;
	return NULL;
}

static struct used_key *create_key(u64 hash)
{
	struct used_key *key = kzalloc(sizeof(*key), GFP_KERNEL);

	if (!key)
		return NULL;
	key->hash = hash;
	INIT_LIST_HEAD(&key->link);
	hash_add(keys, &key->node, hash);
	return key;
}

static void destroy_key(struct used_key *key)
{
	hash_del(&key->node);
	list_del(&key->link);
	kfree_sensitive(key);
}

static int claim_key(u64 hash, u64 start)
{
	struct used_key *key = find_key(hash);

	if (key && key->is_live)
		return -EBUSY;
	if (key && start < key->last)
		return -EKEYREJECTED;
	if (!key)
		key = create_key(hash);
	else
		n_released--;
	if (!key)
		return -ENOMEM;
	list_del_init(&key->link);
	key->is_live = true;
	return 0;
}

int ipsec_roce_key_claim(u64 hash, u64 start)
{
	int err;

	mutex_lock(&keys_lock);
	err = claim_key(hash, start);
	mutex_unlock(&keys_lock);
	return err;
}

void ipsec_roce_key_release(u64 hash, u64 last)
{
	struct used_key *key;

	mutex_lock(&keys_lock);
	key = find_key(hash);
	if (WARN_ON_ONCE(!key || !key->is_live))
		goto unlock;
	key->is_live = false;
	key->last = max(key->last, last);
	if (!key->last) {
		destroy_key(key);
		goto unlock;
	}
	list_add_tail(&key->link, &released);
	if (++n_released > KEYS_MAX) {
		destroy_key(list_first_entry(&released, struct used_key, link));
		n_released--;
	}
unlock:
	mutex_unlock(&keys_lock);
}

/* No SA is left. */
void ipsec_roce_key_exit(void)
{
	struct hlist_node *next;
	struct used_key *key;
	int i;

	hash_for_each_safe(keys, i, next, key, node)
		destroy_key(key);
}
