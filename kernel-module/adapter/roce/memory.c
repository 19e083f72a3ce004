// SPDX-License-Identifier: GPL-2.0
/*
 * Protection domains and memory regions of user space. rdmavt's data path reads them (struct rvt_mregion, and
 * the device's table of keys); making and ending them is done here, because rdmavt
 *
 *  - publishes a key before the region behind it has addresses, length and pages;
 *  - looks through all QPs of the device when a region ends, and steps from a QP that
 *    somebody destroys meanwhile to the next one through freed memory;
 *  - waits five seconds where a QP of another PD got the region through its SRQ;
 *  - takes the memory for its lists of pages from nobody's account.
 *
 * A region's reference count is killed when its key leaves the table. Whoever read the
 * key under RCU before that may still take a reference, and drops it at once.
 */
#include <linux/slab.h>
#include <rdma/ib_umem.h>

#include "core/roce.h"
#include "memory.h"
#include "qp_state.h"

/*
 * struct iroce_mr - a region that a user registered
 * @region: last: has an array of pointers behind it
 */
struct iroce_mr {
	struct ib_mr ibmr;
	struct ib_umem *umem;
	struct iroce_charge charge;
	struct rvt_mregion region;
};

static struct iroce_mr *iroce_mr(struct ib_mr *ibmr)
{
	return container_of(ibmr, struct iroce_mr, ibmr);
}

static void last_put(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct rvt_mregion, refcount)->comp);
}

/* ---- protection domains ------------------------------------------------------------ */

int iroce_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(ibpd->device);
	struct iroce_pd *pd = iroce_pd(ibpd);
	int err;

	err = iroce_charge(&pd->charge, roce, IROCE_OBJECT_PD, sizeof(*pd), udata);
	if (err)
		return err;
	mutex_init(&pd->lock);
	INIT_LIST_HEAD(&pd->users);
	err = roce->rvt.alloc_pd(ibpd, udata);
	if (err)
		iroce_uncharge(&pd->charge);
	return err;
}

int iroce_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	int err = iroce_roce(ibpd->device)->rvt.dealloc_pd(ibpd, udata);

	if (!err)
		iroce_uncharge(&iroce_pd(ibpd)->charge);
	return err;
}

/* ---- the table of keys ------------------------------------------------------------ */

/* As rdmavt makes keys: the place in the table above, a generation below, never 0. */
static u32 make_key(struct rvt_dev_info *rdi, u32 place)
{
	struct rvt_lkey_table *rkt = &rdi->lkey_table;
	u32 mask = (1U << (24 - rdi->dparms.lkey_table_size)) - 1;
	u32 key;

	do
		key = place << rkt->shift | (++rkt->gen & mask) << 8;
	while (!key);
	return key;
}

/* The region is complete: who knows the key may use it from here on. -ENOMEM: table is full. */
static int publish_key(struct rvt_dev_info *rdi, struct rvt_mregion *region)
{
	struct rvt_lkey_table *rkt = &rdi->lkey_table;
	unsigned long flags;
	int err = -ENOMEM;
	u32 place, i;

	spin_lock_irqsave(&rkt->lock, flags);
	for (i = 0; i < rkt->max; i++) {
		place = (rkt->next + i) & (rkt->max - 1);
		if (rcu_access_pointer(rkt->table[place]))
			continue;
		rkt->next = (place + 1) & (rkt->max - 1);
		region->lkey = make_key(rdi, place);
		region->lkey_published = 1;
		rcu_assign_pointer(rkt->table[place], region);
		err = 0;
		break;
	}
	spin_unlock_irqrestore(&rkt->lock, flags);
	return err;
}

/* False: was done before, by a dereg_mr that gave up waiting. */
static bool unpublish_key(struct rvt_dev_info *rdi, struct rvt_mregion *region)
{
	struct rvt_lkey_table *rkt = &rdi->lkey_table;
	unsigned long flags;
	bool was_published;

	spin_lock_irqsave(&rkt->lock, flags);
	was_published = region->lkey_published;
	if (was_published) {
		WRITE_ONCE(region->lkey_published, 0);
		RCU_INIT_POINTER(rkt->table[region->lkey >> rkt->shift], NULL);
	}
	spin_unlock_irqrestore(&rkt->lock, flags);
	return was_published;
}

/* ---- registration ---------------------------------------------------------------- */

static size_t n_maps(size_t n_pages)
{
	return DIV_ROUND_UP(n_pages, RVT_SEGSZ);
}

static void free_region(struct iroce_mr *mr)
{
	while (mr->region.mapsz)
		kfree(mr->region.map[--mr->region.mapsz]);
	percpu_ref_exit(&mr->region.refcount);
	ib_umem_release(mr->umem);
	iroce_uncharge(&mr->charge);
	kvfree(mr);
}

/* Where the pages lie in the kernel's own map. */
static int fill_maps(struct iroce_mr *mr, size_t n)
{
	struct sg_page_iter iter;
	u32 i = 0;

	while (mr->region.mapsz < n) {
		struct rvt_segarray *map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);

		if (!map)
			return -ENOMEM;
		mr->region.map[mr->region.mapsz++] = map;
	}
	for_each_sgtable_page(&mr->umem->sgt_append.sgt, &iter, 0) {
		struct rvt_seg *seg = &mr->region.map[i / RVT_SEGSZ]->segs[i % RVT_SEGSZ];

		seg->vaddr = page_address(sg_page_iter_page(&iter));
		seg->length = PAGE_SIZE;
		if (!seg->vaddr)
			return -EINVAL;
		i++;
	}
	return 0;
}

/*
 * iroce_reg_user_mr - ib_device_ops.reg_user_mr
 *
 * Local and remote access is by @iova, which need not be where the memory lies.
 */
struct ib_mr *iroce_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,
				IROCE_DMAH_PARAM struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(pd->device);
	struct iroce_charge charge;
	struct ib_umem *umem;
	struct iroce_mr *mr;
	size_t n_pages;
	int err;

	/*
	 * Not where the kernel lives: rdmavt takes an SGE that begins where another's
	 * mapping ends for its continuation.
	 */
	if (!length || (s64)iova < 0 || (s64)(iova + length) < 0)
		return ERR_PTR(-EINVAL);
	umem = iroce_compat_umem_get(pd->device, start, length, access);
	if (IS_ERR(umem))
		return ERR_CAST(umem);
	n_pages = ib_umem_num_pages(umem);
	err = -EINVAL;
	if (n_maps(n_pages) > IROCE_MAX_MAPS)
		goto err_umem;
	err = iroce_charge(&charge, roce, IROCE_OBJECT_MR,
			   sizeof(*mr) + n_maps(n_pages) * sizeof(struct rvt_segarray), udata);
	if (err)
		goto err_umem;
	err = -ENOMEM;
	mr = kvzalloc(struct_size(mr, region.map, n_maps(n_pages)), GFP_KERNEL_ACCOUNT);
	if (!mr)
		goto err_uncharge;
	mr->umem = umem;
	mr->charge = charge;
	/* The table's reference, which goes with the key. */
	err = percpu_ref_init(&mr->region.refcount, last_put, 0, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_free;
	init_completion(&mr->region.comp);
	mr->region.pd = pd;
	mr->region.user_base = iova;
	mr->region.iova = iova;
	mr->region.length = length;
	mr->region.offset = ib_umem_offset(mr->umem);
	mr->region.access_flags = access;
	mr->region.max_segs = n_pages;
	mr->region.page_shift = PAGE_SHIFT;
	err = fill_maps(mr, n_maps(n_pages));
	if (err)
		goto err_region;
	err = publish_key(&roce->rdi, &mr->region);
	if (err)
		goto err_region;
	mr->ibmr.lkey = mr->region.lkey;
	mr->ibmr.rkey = mr->region.lkey;
	return &mr->ibmr;

err_region:
	free_region(mr);
	return ERR_PTR(err);
err_free:
	kvfree(mr);
err_uncharge:
	iroce_uncharge(&charge);
err_umem:
	ib_umem_release(umem);
	return ERR_PTR(err);
}

/* ---- the end: QPs that still work on the region ----------------------------------- */

static bool sge_uses(const struct rvt_sge *sge, const struct rvt_mregion *region)
{
	return sge->mr == region;
}

static bool state_uses(const struct rvt_sge_state *ss, const struct rvt_mregion *region)
{
	int i;

	if (!ss->num_sge)
		return false;
	if (sge_uses(&ss->sge, region))
		return true;
	for (i = 0; i < ss->num_sge - 1; i++)
		if (sge_uses(&ss->sg_list[i], region))
			return true;
	return false;
}

static bool sends_use(struct rvt_qp *qp, const struct rvt_mregion *region)
{
	u32 at;
	int i;

	for (at = qp->s_last; at != qp->s_head; at = at + 1 >= qp->s_size ? 0 : at + 1) {
		struct rvt_swqe *wqe = rvt_get_swqe_ptr(qp, at);

		for (i = 0; i < wqe->wr.num_sge; i++)
			if (sge_uses(&wqe->sg_list[i], region))
				return true;
	}
	return qp->s_rdma_mr == region;
}

static bool answers_use(struct rvt_qp *qp, const struct rvt_mregion *region)
{
	u32 i;

	for (i = 0; qp->s_ack_queue && i < rvt_max_atomic(ib_to_rvt(qp->ibqp.device)); i++)
		if (sge_uses(&qp->s_ack_queue[i].rdma_sge, region))
			return true;
	return false;
}

/* A QP that works on the region ends in error, and lets go of it (rvt_error_qp()). */
static void end_use(struct rvt_qp *qp, const struct rvt_mregion *region)
{
	iroce_qp_lock(qp);
	if (qp->state != IB_QPS_ERR && qp->state != IB_QPS_RESET &&
	    (state_uses(&qp->r_sge, region) || sends_use(qp, region) || answers_use(qp, region)))
		iroce_qp_error(qp, IB_WC_LOC_PROT_ERR);
	iroce_qp_unlock(qp);
}

/*
 * iroce_dereg_mr - ib_device_ops.dereg_mr
 *
 * -EBUSY: after five seconds a sender that does not get to run still holds the region, which
 * stays, with a key that opens nothing any more. Who asked for it may ask again. At the end of a
 * process uverbs does, and nothing is left behind: nobody but QPs of the process hold a region
 * (a PD is one process's), __uverbs_cleanup_ufile() goes over all objects again as long as it could
 * end any, and when a QP has ended (rvt_reset_qp() waits for its sender, and clears its
 * references) it holds none. So the worst are five seconds for a region that is younger than its
 * QP: the youngest go first.
 */
int iroce_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(ibmr->device);
	struct iroce_mr *mr = iroce_mr(ibmr);
	struct iroce_qp_user *user;
	struct iroce_pd *pd;

	if (ibmr->type == IB_MR_TYPE_DMA)
		return roce->rvt.dereg_mr(ibmr, udata);
	pd = iroce_pd(ibmr->pd);
	if (unpublish_key(&roce->rdi, &mr->region))
		percpu_ref_kill(&mr->region.refcount);
	else
		percpu_ref_put(&mr->region.refcount);
	mutex_lock(&pd->lock);
	list_for_each_entry(user, &pd->users, entry) {
		end_use(user->qp, &mr->region);
		cond_resched();
	}
	mutex_unlock(&pd->lock);
	/* Whoever found the key before it left the table has looked at it. */
	synchronize_rcu();
	if (!wait_for_completion_timeout(&mr->region.comp, 5 * HZ)) {
		if (percpu_ref_tryget(&mr->region.refcount))
			return -EBUSY;
		/* The last one has let go just now, and says so next. */
		wait_for_completion(&mr->region.comp);
	}
	free_region(mr);
	return 0;
}

/* Regions that kernel users fill work by work requests that we do not have. */
struct ib_mr *iroce_alloc_mr(struct ib_pd *pd, enum ib_mr_type type, u32 max_num_sg)
{
	return ERR_PTR(-EOPNOTSUPP);
}

/* ---- what peers name by a key ------------------------------------------------------ */

bool iroce_mr_map(struct rvt_qp *qp, struct rvt_sge *sge, const struct iroce_reth *reth, int access)
{
	u64 va = be64_to_cpu(reth->va);
	u32 len = be32_to_cpu(reth->len);

	return !iroce_range_wraps(va, len) &&
	       rvt_rkey_ok(qp, sge, len, va, be32_to_cpu(reth->rkey), access);
}
