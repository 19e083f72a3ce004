// SPDX-License-Identifier: GPL-2.0
/*
 * Rings of CQs, QPs and SRQs in memory of the process that uses them.
 *
 * The process brings the pages (iroce_ring_req), as with any NIC: they count as its
 * own for the OOM killer, for its memory cgroup and for RLIMIT_MEMLOCK, stay as long
 * as it wants to look at them, and nothing of ours has to live as long as a mapping.
 * We pin them (ib_umem) and see them through a mapping of the kernel (vmap).
 *
 * rdmavt would make the rings itself, for mmap(), at the cost of nobody: it is asked
 * for an object with the smallest ring and without an offset, whose ring is replaced
 * before anybody sees the object. Where rdmavt asks "is this ring a user's?" it looks
 * for a struct rvt_mmap_info: ring_open() makes one that has no memory.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <rdma/ib_umem.h>

#include "ring.h"
#include "uapi/iroce-abi.h"

/*
 * iroce_ring_map - pin and map the ring that a request names
 * @need: bytes that the ring must have; the pages beyond are not looked at
 *
 * Process context. 0, -EINVAL for a request that names no whole pages or too few,
 * or what ib_umem_get() says (-ENOMEM: RLIMIT_MEMLOCK, -EFAULT: no such memory).
 */
int iroce_ring_map(struct iroce_ring *ring, struct ib_device *ibdev, struct ib_udata *udata,
		   size_t need)
{
	struct iroce_ring_req req = {};
	struct sg_page_iter iter;
	struct page **pages;
	size_t n = 0;
	int err;

	if (udata->inlen < sizeof(req))
		return -EINVAL;
	err = ib_copy_from_udata(&req, udata, sizeof(req));
	if (err)
		return err;
	if (!PAGE_ALIGNED(req.addr) || req.len < PAGE_ALIGN(need))
		return -EINVAL;
	ring->umem = iroce_compat_umem_get(ibdev, req.addr, PAGE_ALIGN(need),
					   IB_ACCESS_LOCAL_WRITE);
	if (IS_ERR(ring->umem))
		return PTR_ERR(ring->umem);

	err = -ENOMEM;
	pages = kvmalloc_array(ib_umem_num_pages(ring->umem), sizeof(*pages), GFP_KERNEL);
	if (!pages)
		goto err_umem;
	for_each_sgtable_page(&ring->umem->sgt_append.sgt, &iter, 0)
		pages[n++] = sg_page_iter_page(&iter);
	ring->addr = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	if (!ring->addr)
		goto err_umem;
	return 0;

err_umem:
	ib_umem_release(ring->umem);
	return err;
}

/* Nothing in the kernel looks at the ring any more. Process context; nothing if there is none. */
void iroce_ring_unmap(struct iroce_ring *ring)
{
	if (!ring->addr)
		return;
	vunmap(ring->addr);
	ib_umem_release(ring->umem);
	ring->addr = NULL;
}

/* What tells rdmavt that a ring is a user's; rdmavt frees it with the object. NULL: no memory. */
static struct rvt_mmap_info *make_mark(struct ib_udata *udata)
{
	struct rvt_mmap_info *ip = kzalloc(sizeof(*ip), GFP_KERNEL_ACCOUNT);

	if (!ip)
		return NULL;
	INIT_LIST_HEAD(&ip->pending_mmaps);
	kref_init(&ip->ref);
	ip->context = rdma_udata_to_uverbs_attr_bundle(udata)->context;
	return ip;
}

/*
 * ring_open - iroce_ring_map() for a new object, with its mark
 * @mark: kfree() it while rdmavt does not have it
 */
static int ring_open(struct iroce_ring *ring, struct rvt_mmap_info **mark,
		     struct ib_device *ibdev, struct ib_udata *udata, size_t need)
{
	int err = iroce_ring_map(ring, ibdev, udata, need);

	if (err)
		return err;
	*mark = make_mark(udata);
	if (*mark)
		return 0;
	iroce_ring_unmap(ring);
	return -ENOMEM;
}

/* ---- while rdmavt makes the object ----------------------------------------------- */

/* rdmavt's verbs take a user's object without room for an answer for the kernel's. */
int iroce_making_begin(struct iroce_making *m, struct ib_udata *udata, struct iroce_ring *ring,
		       struct ib_device *ibdev, size_t need)
{
	int err;

	*m = (struct iroce_making){ .ring = ring, .udata = udata, .outlen = udata->outlen };
	if (ring) {
		err = ring_open(ring, &m->mark, ibdev, udata, need);
		if (err)
			return err;
	}
	udata->outlen = 0;
	return 0;
}

/* @err is what rdmavt said, and is returned. */
int iroce_making_end(struct iroce_making *m, int err)
{
	m->udata->outlen = m->outlen;
	if (err && m->ring) {
		kfree(m->mark);
		iroce_ring_unmap(m->ring);
	}
	return err;
}
