// SPDX-License-Identifier: GPL-2.0
/*
 * User contexts and the rings mapped into them (CQs, receive queues).
 *
 * A process may hold the device open while it is removed: uverbs then destroys
 * the objects and disassociates the context, and takes no reference on our
 * module. rdmavt's own mmap cannot do that, its vma callbacks would run without
 * module and context. Here a mapping has no callbacks of ours: the pages are
 * vmalloc's, each held by the page table, and outlive the ring's vfree().
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "roce.h"
#include "uapi/iroce-abi.h"

int iroce_ucontext_alloc(struct ib_ucontext *uctx, struct ib_udata *udata)
{
	struct iroce_alloc_ucontext_resp resp = { .abi_version = IROCE_ABI_VERSION };

	if (!udata->outlen)
		return 0;
	return ib_copy_to_udata(udata, &resp, min(sizeof(resp), udata->outlen));
}

/* uverbs has destroyed the objects, the mappings need nothing: having this call is the point. */
void iroce_ucontext_disassociate(struct ib_ucontext *uctx)
{
}

/* As rdmavt's own release; the entry is on no list while it is being mapped. */
static void ring_release(struct kref *ref)
{
	struct rvt_mmap_info *ip = container_of(ref, struct rvt_mmap_info, ref);

	vfree(ip->obj);
	kfree(ip);
}

/* Takes the ring that waits to be mapped at this offset by this context. */
static struct rvt_mmap_info *ring_get(struct rvt_dev_info *rdi, struct ib_ucontext *uctx,
				      u64 offset, unsigned long size)
{
	struct rvt_mmap_info *found = NULL;
	struct rvt_mmap_info *ip;

	spin_lock_irq(&rdi->pending_lock);
	list_for_each_entry(ip, &rdi->pending_mmaps, pending_mmaps) {
		if (ip->context != uctx || ip->offset != offset)
			continue;
		if (size <= ip->size) {
			list_del_init(&ip->pending_mmaps);
			kref_get(&ip->ref);
			found = ip;
		}
		break;
	}
	spin_unlock_irq(&rdi->pending_lock);
	return found;
}

/*
 * iroce_mmap - map a ring that was just created
 *
 * The core has set vm_ops to its own, which do nothing without private data;
 * remap_vmalloc_range() checks the size and forbids growing. Our reference keeps
 * the ring if another thread destroys its object meanwhile.
 */
int iroce_mmap(struct ib_ucontext *uctx, struct vm_area_struct *vma)
{
	struct rvt_dev_info *rdi = ib_to_rvt(uctx->device);
	struct rvt_mmap_info *ip;
	int err;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	ip = ring_get(rdi, uctx, (u64)vma->vm_pgoff << PAGE_SHIFT, vma->vm_end - vma->vm_start);
	if (!ip)
		return -EINVAL;
	err = remap_vmalloc_range(vma, ip->obj, 0);
	kref_put(&ip->ref, ring_release);
	return err;
}

/*
 * iroce_ring_is_settled - is the ring mapped (or never to be), and not just now?
 *
 * Resizing frees the old ring at once: it must not be what a mapping in another
 * thread is working on, or what it would find.
 */
bool iroce_ring_is_settled(struct rvt_dev_info *rdi, struct rvt_mmap_info *ip)
{
	bool is_settled;

	spin_lock_irq(&rdi->pending_lock);
	is_settled = list_empty(&ip->pending_mmaps) && kref_read(&ip->ref) == 1;
	spin_unlock_irq(&rdi->pending_lock);
	return is_settled;
}
