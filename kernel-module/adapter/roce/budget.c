// SPDX-License-Identifier: GPL-2.0
/*
 * What one user may hold: objects of each kind on a device, and bytes of kernel memory
 * on all of them. Anybody may open an RDMA device, so without a limit one user could
 * take the last QP of a device, or the memory of the machine.
 *
 *	struct iroce_user	a uid that holds something: bytes, on all devices
 *	struct iroce_share	what a user holds of one device: objects of each kind
 *	struct iroce_charge	in each object: what is given back with it
 *
 * Memory that a process brings itself (rings, regions) is charged by the kernel to that
 * process. What we allocate for a user is charged to the memory cgroup (__GFP_ACCOUNT),
 * too: the cgroup says who is at fault, the budget says when to stop where there is no
 * limit on the cgroup.
 *
 * The kernel's own objects, and those of who has CAP_SYS_RESOURCE, are counted by none
 * of this. Objects are counted in process context, when they are created and destroyed;
 * what they take meanwhile in any (iroce_charge_more()).
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "budget.h"

static unsigned int user_objects = 8192;
module_param(user_objects, uint, 0644);
MODULE_PARM_DESC(user_objects,
		 "objects of each kind (QP, CQ, MR, ...) that one user may have on a device");

static unsigned int user_mbytes;
module_param(user_mbytes, uint, 0644);
MODULE_PARM_DESC(user_mbytes,
		 "MB of kernel memory that one user's objects may take; 0: an eighth of the memory");

struct iroce_user {
	struct list_head entry;		/* users */
	kuid_t uid;
	unsigned int n_shares;
	u64 bytes;
};

struct iroce_share {
	struct list_head entry;		/* iroce_roce.shares */
	struct iroce_user *user;
	unsigned int n_charges;
	unsigned int n[IROCE_OBJECTS];
};

static DEFINE_SPINLOCK(lock);	/* all of it; taken with interrupts off by who counts a peer */
static LIST_HEAD(users);

static const char * const names[IROCE_OBJECTS] = {
	[IROCE_OBJECT_PD] = "PDs",
	[IROCE_OBJECT_AH] = "AHs",
	[IROCE_OBJECT_MR] = "MRs",
	[IROCE_OBJECT_CQ] = "CQs",
	[IROCE_OBJECT_SRQ] = "SRQs",
	[IROCE_OBJECT_QP] = "QPs",
};

/*
 * Who pays. In a user namespace that is whoever made it, and so on outwards, as for the
 * kernel's own counts (ucounts): there everybody has thousands of uids.
 */
static kuid_t payer(void)
{
	const struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_uid();

	for (; ns != &init_user_ns; ns = ns->parent)
		uid = ns->owner;
	return uid;
}

static u64 max_bytes(void)
{
	u64 mbytes = READ_ONCE(user_mbytes);

	return mbytes ? mbytes << 20 : (u64)totalram_pages() << PAGE_SHIFT >> 3;
}

/* What a first object of a user may need; what is not used is freed. */
struct fresh {
	struct iroce_user *user;
	struct iroce_share *share;
};

static int fresh_alloc(struct fresh *fresh)
{
	fresh->user = kzalloc(sizeof(*fresh->user), GFP_KERNEL_ACCOUNT);
	fresh->share = kzalloc(sizeof(*fresh->share), GFP_KERNEL_ACCOUNT);
	return fresh->user && fresh->share ? 0 : -ENOMEM;
}

static void fresh_free(struct fresh *fresh)
{
	kfree(fresh->user);
	kfree(fresh->share);
}

static struct iroce_user *find_payer(kuid_t uid)
{
	struct iroce_user *user;

	list_for_each_entry(user, &users, entry)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static struct iroce_share *find_share(struct iroce_roce *roce, kuid_t uid)
{
	struct iroce_share *share;

	list_for_each_entry(share, &roce->shares, entry)
		if (uid_eq(share->user->uid, uid))
			return share;
	return NULL;
}

/* There is none of @uid yet. */
static struct iroce_share *add_share(struct iroce_roce *roce, kuid_t uid, struct fresh *fresh)
{
	struct iroce_share *share = fresh->share;
	struct iroce_user *user = find_payer(uid);

	if (!user) {
		user = fresh->user;
		fresh->user = NULL;
		user->uid = uid;
		list_add(&user->entry, &users);
	}
	fresh->share = NULL;
	share->user = user;
	user->n_shares++;
	list_add(&share->entry, &roce->shares);
	return share;
}

static void put_share(struct iroce_share *share)
{
	struct iroce_user *user = share->user;

	if (share->n_charges)
		return;
	list_del(&share->entry);
	kfree(share);
	if (--user->n_shares)
		return;
	list_del(&user->entry);
	kfree(user);
}

/*
 * What one more would have gone beyond, for the log: once in a while, and when the lock
 * is free again.
 */
struct refusal {
	bool is_bytes;			/* else the number of objects */
	unsigned int n;			/* what there is of them */
	u64 bytes;
};

static void tell_refusal(const struct iroce_roce *roce, kuid_t uid, enum iroce_object object,
			 const struct refusal *why, u64 bytes)
{
	unsigned int id = from_kuid(&init_user_ns, uid);

	if (!why->is_bytes)
		dev_notice_ratelimited(&roce->rdi.ibdev.dev,
				       "user %u has %u %s, as many as one user may (parameter user_objects of iroce)\n",
				       id, why->n, names[object]);
	else
		dev_notice_ratelimited(&roce->rdi.ibdev.dev,
				       "user %u has objects of %llu MB and wants %llu KB more, one user may have %llu MB (parameter user_mbytes of iroce)\n",
				       id, why->bytes >> 20, bytes >> 10, max_bytes() >> 20);
}

static int add_bytes(struct iroce_user *user, u64 bytes, struct refusal *why)
{
	if (user->bytes + bytes > max_bytes()) {
		*why = (struct refusal){ .is_bytes = true, .bytes = user->bytes };
		return -EDQUOT;
	}
	user->bytes += bytes;
	return 0;
}

static int add_object(struct iroce_share *share, enum iroce_object object, u64 bytes,
		      struct refusal *why)
{
	int err;

	if (share->n[object] >= READ_ONCE(user_objects)) {
		*why = (struct refusal){ .n = share->n[object] };
		return -EDQUOT;
	}
	err = add_bytes(share->user, bytes, why);
	if (err)
		return err;
	share->n[object]++;
	share->n_charges++;
	return 0;
}

/*
 * iroce_charge - count an object that a user is about to get
 * @bytes: of kernel memory that we allocate for it
 * @udata: NULL: it is the kernel's own
 *
 * Process context. 0, -EDQUOT, -ENOMEM. iroce_uncharge() takes it back, once.
 */
int iroce_charge(struct iroce_charge *charge, struct iroce_roce *roce, enum iroce_object object,
		 u64 bytes, struct ib_udata *udata)
{
	struct fresh fresh = {};
	struct iroce_share *share;
	struct refusal why;
	kuid_t uid;
	int err;

	charge->share = NULL;
	if (!udata || ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE))
		return 0;
	uid = payer();
	spin_lock_irq(&lock);
	share = find_share(roce, uid);
	if (!share) {
		/* Memory may take long to come: nobody waits for that but us. */
		spin_unlock_irq(&lock);
		err = fresh_alloc(&fresh);
		if (err)
			goto free;
		spin_lock_irq(&lock);
		share = find_share(roce, uid) ?: add_share(roce, uid, &fresh);
	}
	err = add_object(share, object, bytes, &why);
	if (err)
		put_share(share);
	else
		*charge = (struct iroce_charge){
			.share = share, .roce = roce, .object = object, .bytes = bytes,
		};
	spin_unlock_irq(&lock);
	if (err)
		tell_refusal(roce, uid, object, &why, bytes);
free:
	fresh_free(&fresh);
	return err;
}

/* The object is gone. Process context; nothing if it was not counted. */
void iroce_uncharge(struct iroce_charge *charge)
{
	struct iroce_share *share = charge->share;

	if (!share)
		return;
	spin_lock_irq(&lock);
	share->n[charge->object]--;
	share->n_charges--;
	share->user->bytes -= charge->bytes;
	put_share(share);
	spin_unlock_irq(&lock);
	charge->share = NULL;
}

int iroce_charge_more(struct iroce_charge *charge, u64 bytes)
{
	struct iroce_share *share = charge->share;
	struct refusal why;
	unsigned long flags;
	int err;

	if (!share)
		return 0;
	spin_lock_irqsave(&lock, flags);
	err = add_bytes(share->user, bytes, &why);
	if (!err)
		charge->bytes += bytes;
	spin_unlock_irqrestore(&lock, flags);
	if (err)
		tell_refusal(charge->roce, share->user->uid, charge->object, &why, bytes);
	return err;
}

void iroce_charge_less(struct iroce_charge *charge, u64 bytes)
{
	unsigned long flags;

	if (!charge->share || !bytes)
		return;
	spin_lock_irqsave(&lock, flags);
	charge->share->user->bytes -= bytes;
	charge->bytes -= bytes;
	spin_unlock_irqrestore(&lock, flags);
}
