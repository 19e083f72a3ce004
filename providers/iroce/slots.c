// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Registered memory for inline data. The queue pairs of a protection domain share
 * regions: a device has so many of them for all its users, and each region pins
 * whole pages.
 *
 *	region of a domain   | slots of QP 1 |  free  | slots of QP 3 | free |
 *
 * First fit, a list of what is used in the order of its place. A region that nothing
 * uses any more is given back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iroce.h"

#define REGION_MIN	(64u << 10)

struct iroce_slots_region {
	struct iroce_slots_region *next;
	struct iroce_slots *used;
	struct ibv_mr *mr;
	char *start;
	size_t len;
};

static int region_add(struct iroce_pd *pd, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct iroce_slots_region *region;
	int err;

	region = calloc(1, sizeof(*region));
	if (!region)
		return ENOMEM;
	region->len = ((len > REGION_MIN ? len : REGION_MIN) + page - 1) & ~(page - 1);
	region->start = mmap(NULL, region->len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (region->start == MAP_FAILED) {
		err = errno;
		goto err_free;
	}
	/* No access flag: readable for our own requests, nothing for the peer. */
	region->mr = ibv_reg_mr(&pd->pd, region->start, region->len, 0);
	if (!region->mr) {
		err = errno;
		goto err_unmap;
	}
	region->next = pd->regions;
	pd->regions = region;
	return 0;

err_unmap:
	munmap(region->start, region->len);
err_free:
	free(region);
	return err;
}

static void region_del(struct iroce_pd *pd, struct iroce_slots_region *region)
{
	struct iroce_slots_region **link = &pd->regions;

	while (*link != region)
		link = &(*link)->next;
	*link = region->next;
	ibv_dereg_mr(region->mr);
	munmap(region->start, region->len);
	free(region);
}

static bool region_take(struct iroce_slots_region *region, struct iroce_slots *slots, size_t len)
{
	struct iroce_slots **link = &region->used;
	char *at = region->start;

	for (; *link; link = &(*link)->next) {
		if ((size_t)((*link)->start - at) >= len)
			break;
		at = (*link)->start + (*link)->len;
	}
	if (!*link && (size_t)(region->start + region->len - at) < len)
		return false;
	*slots = (struct iroce_slots){
		.start = at,
		.len = len,
		.lkey = region->mr->lkey,
		.region = region,
		.next = *link,
	};
	*link = slots;
	return true;
}

int iroce_slots_alloc(struct iroce_pd *pd, struct iroce_slots *slots, size_t len)
{
	struct iroce_slots_region *region;
	int err = 0;

	iroce_lock(&pd->lock);
	for (region = pd->regions; region; region = region->next)
		if (region_take(region, slots, len))
			goto unlock;
	err = region_add(pd, len);
	if (!err)
		region_take(pd->regions, slots, len);
unlock:
	iroce_unlock(&pd->lock);
	return err;
}

void iroce_slots_free(struct iroce_pd *pd, struct iroce_slots *slots)
{
	struct iroce_slots **link;

	if (!slots->start)
		return;
	iroce_lock(&pd->lock);
	link = &slots->region->used;
	while (*link != slots)
		link = &(*link)->next;
	*link = slots->next;
	if (!slots->region->used)
		region_del(pd, slots->region);
	iroce_unlock(&pd->lock);
	slots->start = NULL;
}
