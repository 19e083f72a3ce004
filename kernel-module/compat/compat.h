/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the kernels we build for: the only file that looks at
 * LINUX_VERSION_CODE, and that names a series. Each helper is named after what its caller
 * wants, in the words of the newer kernel where there is a choice.
 */
#ifndef IROCE_COMPAT_H
#define IROCE_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <net/xfrm.h>

/* The series that all tests have passed on: from, and up to. */
#define IROCE_TRIED_FROM	KERNEL_VERSION(6, 12, 0)
#define IROCE_TRIED_UP_TO	KERNEL_VERSION(7, 3, 255)

#if LINUX_VERSION_CODE < IROCE_TRIED_FROM
#error "roce-ipsec wants Linux 6.12 or later: packet offload in the form that it has since then"
#elif LINUX_VERSION_CODE > IROCE_TRIED_UP_TO
/* No warning: a new kernel that works is no fault of anybody's build. */
#pragma message("roce-ipsec: tried up to Linux 7.3, this kernel is newer")
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#include <net/netdev_lock.h>
#endif

/* Sealing uses memory of its CPU with softirqs off, and there that keeps no task out. */
#ifdef CONFIG_PREEMPT_RT
#error "roce-ipsec does not run on a kernel with PREEMPT_RT"
#endif

/* 6.13: hrtimer_setup() replaces hrtimer_init() and the assignment of .function. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void iroce_compat_hrtimer_setup(struct hrtimer *timer,
					      enum hrtimer_restart (*fn)(struct hrtimer *),
					      clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}
#else
#define iroce_compat_hrtimer_setup hrtimer_setup
#endif

/*
 * A PCI domain for an emulated host bridge, at or above @hint; -EXXX if none is
 * free. From 6.18 on the core hands them out, before that whoever comes first
 * takes a number. Under pci_lock_rescan_remove().
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
static inline int iroce_compat_domain_get(int hint)
{
	int nr;

	for (nr = hint; nr <= U16_MAX; nr++)
		if (!pci_find_bus(nr, 0))
			return nr;
	return -ENOSPC;
}

static inline void iroce_compat_domain_put(int nr)
{
}
#else
static inline int iroce_compat_domain_get(int hint)
{
	int nr;

	while (hint <= U16_MAX) {
		nr = pci_bus_find_emul_domain_nr(0, hint, U16_MAX);
		if (nr < 0 || !pci_find_bus(nr, 0))
			return nr;
		pci_bus_release_emul_domain_nr(nr);
		hint = nr + 1;
	}
	return -ENOSPC;
}

static inline void iroce_compat_domain_put(int nr)
{
	pci_bus_release_emul_domain_nr(nr);
}
#endif

/* 6.16: addresses travel in a sockaddr_storage. RTNL. */
static inline int iroce_compat_set_mac_address(struct net_device *dev,
					       struct sockaddr_storage *ss)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
	return dev_set_mac_address(dev, (struct sockaddr *)ss, NULL);
#else
	return dev_set_mac_address(dev, ss, NULL);
#endif
}

/* 6.19: rings are counted by an operation of their own. In struct ethtool_ops. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#define IROCE_COMPAT_RX_RING_COUNT(fn)
#else
#define IROCE_COMPAT_RX_RING_COUNT(fn) .get_rx_ring_count = fn,
#endif

/* 6.15: some drivers have their own lock around what RTNL alone guarded. RTNL. */
static inline void iroce_compat_update_features(struct net_device *dev)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
	netdev_update_features(dev);
#else
	netdev_lock_ops(dev);
	netdev_update_features(dev);
	netdev_unlock_ops(dev);
#endif
}

/*
 * 6.16: xfrmdev_ops of states get the device; before, a bond names the port in
 * xso.real_dev, which is unset in larval states. IROCE_COMPAT_XDO_STATE_OPS()
 * makes the old kernels' callbacks from the new ones' functions.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define iroce_compat_xso_dev(x) ((x)->xso.real_dev ?: (x)->xso.dev)
#define iroce_compat_xdo(fn) compat_##fn
#define IROCE_COMPAT_XDO_STATE_OPS(add, del, free)				\
static int compat_##add(struct xfrm_state *x, struct netlink_ext_ack *extack)	\
{										\
	return add(iroce_compat_xso_dev(x), x, extack);				\
}										\
										\
static void compat_##del(struct xfrm_state *x)					\
{										\
	del(iroce_compat_xso_dev(x), x);					\
}										\
										\
static void compat_##free(struct xfrm_state *x)					\
{										\
	free(iroce_compat_xso_dev(x), x);					\
}
#else
#define iroce_compat_xdo(fn) fn
#define IROCE_COMPAT_XDO_STATE_OPS(add, del, free)
#endif

/* The other way round: calling another device's xfrmdev_ops for a state whose xso names it. */
static inline int iroce_compat_xdo_state_add(struct net_device *dev, struct xfrm_state *x,
					     struct netlink_ext_ack *extack)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
	return dev->xfrmdev_ops->xdo_dev_state_add(x, extack);
#else
	return dev->xfrmdev_ops->xdo_dev_state_add(dev, x, extack);
#endif
}

static inline void iroce_compat_xdo_state_delete(struct net_device *dev, struct xfrm_state *x)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
	dev->xfrmdev_ops->xdo_dev_state_delete(x);
#else
	dev->xfrmdev_ops->xdo_dev_state_delete(dev, x);
#endif
}

static inline void iroce_compat_xdo_state_free(struct net_device *dev, struct xfrm_state *x)
{
	if (!dev->xfrmdev_ops->xdo_dev_state_free)
		return;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
	dev->xfrmdev_ops->xdo_dev_state_free(x);
#else
	dev->xfrmdev_ops->xdo_dev_state_free(dev, x);
#endif
}

/* ---- rdma ---------------------------------------------------------------- */

/* 6.18 wants per-CPU workqueues to say so. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define IROCE_WQ_PERCPU 0
#else
#define IROCE_WQ_PERCPU WQ_PERCPU
#endif

/* 6.17: reg_user_mr has a DMA handle, NULL for us. For a parameter list and a call. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define IROCE_DMAH_PARAM
#define IROCE_DMAH_ARG
#else
#define IROCE_DMAH_PARAM struct ib_dmah *dmah,
#define IROCE_DMAH_ARG dmah,
#endif

/* 7.1: the verb that resizes a CQ is one for user CQs. An lvalue in @ops. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define iroce_compat_resize_cq(ops) ((ops)->resize_cq)
typedef int iroce_cqe_t;
#else
#define iroce_compat_resize_cq(ops) ((ops)->resize_user_cq)
typedef unsigned int iroce_cqe_t;
#endif

/* 7.2: user memory has more than one kind of name. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define iroce_compat_umem_get ib_umem_get
#else
#define iroce_compat_umem_get ib_umem_get_va
#endif

/* 6.14: the RDMA core itself turns a netdev's carrier into port events. */
#define IROCE_CORE_SENDS_PORT_EVENTS (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0))

#endif /* IROCE_COMPAT_H */
