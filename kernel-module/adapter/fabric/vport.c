// SPDX-License-Identifier: GPL-2.0
/*
 * Functions in the switch of their port, and what the PF has decided about VFs, which is kept
 * while a VF's driver is not bound.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "cable.h"
#include "switch.h"
#include "vport.h"

/* ---- VFs ---------------------------------------------------------------- */

struct iroce_vf *iroce_port_vf(const struct iroce_port *port, unsigned int vf)
{
	return vf == IROCE_PF ? NULL : &port->eswitch->vfs[vf];
}

struct iroce_func *iroce_port_func(const struct iroce_port *port, unsigned int vf)
{
	struct iroce_vport *vport;

	ASSERT_RTNL();
	list_for_each_entry(vport, &port->eswitch->all, all_node)
		if (vport->func->vf == vf &&
		    vport->func->netdev->reg_state == NETREG_REGISTERED)
			return vport->func;
	return NULL;
}

void iroce_port_reset_vfs(struct iroce_port *port, bool starts_closed)
{
	struct iroce_switch *esw = port->eswitch;
	unsigned int i;

	ASSERT_RTNL();
	memset(esw->vfs, 0, sizeof(esw->vfs));
	for (i = 0; i < IROCE_MAX_VFS; i++) {
		esw->vfs[i].is_spoofchk = true;
		esw->vfs[i].starts_closed = starts_closed;
	}
}

/* RTNL, or before the netdev is registered. */
bool iroce_vport_starts_closed(const struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);

	return vf ? vf->starts_closed : f->port->eswitch->pf_starts_closed;
}

void iroce_vport_set_starts_closed(struct iroce_func *f, bool is_closed)
{
	struct iroce_vf *vf = iroce_switch_vf(f);

	ASSERT_RTNL();
	if (vf)
		vf->starts_closed = is_closed;
	else
		f->port->eswitch->pf_starts_closed = is_closed;
}

/* ---- link --------------------------------------------------------------- */

void iroce_vport_update_carrier(struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);
	u8 state = vf ? vf->link_state : IFLA_VF_LINK_STATE_AUTO;
	bool is_up;

	ASSERT_RTNL();
	if (!netif_running(f->netdev))
		return;
	is_up = state == IFLA_VF_LINK_STATE_AUTO ? iroce_port_is_up(f->port) :
						   state == IFLA_VF_LINK_STATE_ENABLE;
	if (is_up == netif_carrier_ok(f->netdev))
		return;
	if (is_up)
		netif_carrier_on(f->netdev);
	else
		netif_carrier_off(f->netdev);
	f->vport->ops->link_changed(f);
}

/* ---- life --------------------------------------------------------------- */

int iroce_vport_create(struct iroce_func *f, const struct iroce_vport_ops *ops)
{
	struct iroce_vport *vport = kzalloc(sizeof(*vport), GFP_KERNEL);

	if (!vport)
		return -ENOMEM;
	vport->func = f;
	vport->ops = ops;
	INIT_LIST_HEAD(&vport->node);
	iroce_shaper_init(&vport->shaper, f, iroce_switch_forward);
	iroce_fence_init(&vport->fence[IROCE_FENCE_IN]);
	iroce_fence_init(&vport->fence[IROCE_FENCE_OUT]);
	f->vport = vport;
	return 0;
}

void iroce_vport_destroy(struct iroce_func *f)
{
	iroce_fence_clear(&f->vport->fence[IROCE_FENCE_IN]);
	iroce_fence_clear(&f->vport->fence[IROCE_FENCE_OUT]);
	kfree(f->vport);
}

void iroce_vport_add(struct iroce_func *f)
{
	ASSERT_RTNL();
	list_add_tail(&f->vport->all_node, &f->port->eswitch->all);
}

void iroce_vport_del(struct iroce_func *f)
{
	ASSERT_RTNL();
	list_del(&f->vport->all_node);
}
