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
 * of this. All of it runs in process context, under one mutex: creating and destroying.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "roce.h"

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

static DEFINE_MUTEX(lock);
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

static struct iroce_user *get_user_of(kuid_t uid)
{
	struct iroce_user *user;

	list_for_each_entry(user, &users, entry)
		if (uid_eq(user->uid, uid))
			return user;
	user = kzalloc(sizeof(*user), GFP_KERNEL);
	if (!user)
		return NULL;
	user->uid = uid;
	list_add(&user->entry, &users);
	return user;
}

static void put_user_of(struct iroce_user *user)
{
	if (user->n_shares)
		return;
	list_del(&user->entry);
	kfree(user);
}

static struct iroce_share *get_share(struct iroce_roce *roce, kuid_t uid)
{
	struct iroce_share *share;
	struct iroce_user *user;

	list_for_each_entry(share, &roce->shares, entry)
		if (uid_eq(share->user->uid, uid))
			return share;
	user = get_user_of(uid);
	if (!user)
		return NULL;
	share = kzalloc(sizeof(*share), GFP_KERNEL);
	if (!share) {
		put_user_of(user);
		return NULL;
	}
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
	user->n_shares--;
	put_user_of(user);
}

/* 0, or -EDQUOT; says once in a while in the log which limit it was. */
static int check(struct iroce_roce *roce, const struct iroce_share *share,
		 enum iroce_object object, u64 bytes)
{
	unsigned int uid = from_kuid(&init_user_ns, share->user->uid);
	unsigned int max = READ_ONCE(user_objects);

	if (share->n[object] >= max) {
		dev_notice_ratelimited(&roce->rdi.ibdev.dev,
				       "user %u has %u %s, as many as one user may (parameter user_objects of iroce)\n",
				       uid, share->n[object], names[object]);
		return -EDQUOT;
	}
	if (share->user->bytes + bytes > max_bytes()) {
		dev_notice_ratelimited(&roce->rdi.ibdev.dev,
				       "user %u has objects of %llu MB and wants %llu KB more, one user may have %llu MB (parameter user_mbytes of iroce)\n",
				       uid, share->user->bytes >> 20, bytes >> 10,
				       max_bytes() >> 20);
		return -EDQUOT;
	}
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
	struct iroce_share *share;
	int err;

	charge->share = NULL;
	if (!udata || ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE))
		return 0;
	mutex_lock(&lock);
	share = get_share(roce, payer());
	if (!share) {
		err = -ENOMEM;
		goto unlock;
	}
	err = check(roce, share, object, bytes);
	if (err) {
		put_share(share);
		goto unlock;
	}
	share->n[object]++;
	share->n_charges++;
	share->user->bytes += bytes;
	charge->share = share;
	charge->object = object;
	charge->bytes = bytes;
unlock:
	mutex_unlock(&lock);
	return err;
}

/* The object is gone. Process context; nothing if it was not counted. */
void iroce_uncharge(struct iroce_charge *charge)
{
	struct iroce_share *share = charge->share;

	if (!share)
		return;
	mutex_lock(&lock);
	share->n[charge->object]--;
	share->n_charges--;
	share->user->bytes -= charge->bytes;
	put_share(share);
	mutex_unlock(&lock);
	charge->share = NULL;
}
