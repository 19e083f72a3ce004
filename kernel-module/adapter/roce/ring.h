/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings in memory of the process.
 */
#ifndef IROCE_ROCE_RING_H
#define IROCE_ROCE_RING_H

#include "device.h"

/* struct iroce_ring - pinned pages as the kernel sees them; @addr NULL: none */
struct iroce_ring {
	struct ib_umem *umem;
	void *addr;
};

int iroce_ring_map(struct iroce_ring *ring, struct ib_device *ibdev, struct ib_udata *udata,
		   size_t need);
void iroce_ring_unmap(struct iroce_ring *ring);

/*
 * struct iroce_making - while rdmavt makes an object
 * @ring: to become the object's; NULL: it has none
 * @mark: to become its rvt_mmap_info
 */
struct iroce_making {
	struct iroce_ring *ring;
	struct rvt_mmap_info *mark;
	struct ib_udata *udata;
	size_t outlen;
};

int iroce_making_begin(struct iroce_making *m, struct ib_udata *udata, struct iroce_ring *ring,
		       struct ib_device *ibdev, size_t need);
int iroce_making_end(struct iroce_making *m, int err);

#endif /* IROCE_ROCE_RING_H */
