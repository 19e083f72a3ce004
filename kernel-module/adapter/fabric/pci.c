// SPDX-License-Identifier: GPL-2.0
/*
 * A PCI host bridge in software: config space in memory, no BARs, no interrupts.
 * The PCI core does the rest as for hardware: sriov_numvfs, virtfn links,
 * driver_override, unbind and bind, names in pci/DDDD:BB:DD.F.
 *
 *	devfn 0.0 .. 0.3	PF of port 0 .. 3 (one multifunction device)
 *	devfn 8 + 32 p + v	VF v of port p, there while the PF says VF Enable
 *
 * All are root complex integrated endpoints: no link, hence no link registers.
 * No FLR: there is no state in the "hardware" that its driver does not hold.
 *
 * No PCI-SIG member has vendor id f0ce: ids are handed out upwards from 0x1000 and are far away;
 * pci.ids does not know it. Should a card ever carry it, probe still refuses whatever is not on
 * one of our own buses, and the driver's table is not exported, so nothing loads the module for it.
 */
#include <linux/bitfield.h>
#include <linux/if_vlan.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/topology.h>

#include "compat/compat.h"
#include "fabric.h"

/*
 * The first free one. Small: it is part of the names that udev makes, and there are
 * programs that cut an RDMA device's at 15 characters (roceP1p0s0f0v0).
 */
#define FIRST_DOMAIN	1
#define PF_REGS		(PCI_CFG_SPACE_EXP_SIZE / 4)
#define VF_REGS		(PCI_CFG_SPACE_SIZE / 4)
#define FIRST_VF_DEVFN	8
#define CAP_EXP		0x40
#define CAP_SRIOV	0x100

struct iroce_pci {
	struct pci_sysdata sysdata;	/* the PCI core's way back to us */
	struct iroce_adapter *adapter;
	struct platform_device *parent;
	struct resource busn;
	struct pci_bus *bus;
	raw_spinlock_t lock;	/* config space; the core calls with irqs off too */
	u32 pf[IROCE_MAX_PORTS][PF_REGS];
	u32 vf[IROCE_MAX_PORTS][IROCE_MAX_VFS][VF_REGS];
};

static struct iroce_pci *bus_to_pci(const struct pci_bus *bus)
{
	return container_of(bus->sysdata, struct iroce_pci, sysdata);
}

/* ---- registers -------------------------------------------------------- */

static void put_bits(u32 *regs, unsigned int where, unsigned int size, u32 value)
{
	unsigned int shift = (where & 3) * 8;
	u32 mask = size == 4 ? ~0U : ((1U << (size * 8)) - 1) << shift;

	regs[where / 4] = (regs[where / 4] & ~mask) | ((value << shift) & mask);
}

static u32 get_bits(const u32 *regs, unsigned int where, unsigned int size)
{
	u32 value = regs[where / 4] >> ((where & 3) * 8);

	return size == 4 ? value : value & ((1U << (size * 8)) - 1);
}

/* What PF and VF share. */
static void fill_common(u32 *regs)
{
	put_bits(regs, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	put_bits(regs, PCI_CLASS_REVISION, 4, PCI_CLASS_NETWORK_ETHERNET << 16 | 1);
	put_bits(regs, PCI_SUBSYSTEM_VENDOR_ID, 2, IROCE_PCI_VENDOR);
	put_bits(regs, PCI_CAPABILITY_LIST, 1, CAP_EXP);
	put_bits(regs, CAP_EXP, 2, PCI_CAP_ID_EXP);
	put_bits(regs, CAP_EXP + PCI_EXP_FLAGS, 2,
		 2 | FIELD_PREP(PCI_EXP_FLAGS_TYPE, PCI_EXP_TYPE_RC_END));
	put_bits(regs, CAP_EXP + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER);
}

static void fill_pf(u32 *regs, unsigned int port, bool is_multi)
{
	memset(regs, 0, PF_REGS * sizeof(*regs));
	fill_common(regs);
	put_bits(regs, PCI_VENDOR_ID, 2, IROCE_PCI_VENDOR);
	put_bits(regs, PCI_DEVICE_ID, 2, IROCE_PCI_PF);
	put_bits(regs, PCI_SUBSYSTEM_ID, 2, IROCE_PCI_PF);
	put_bits(regs, PCI_HEADER_TYPE, 1, is_multi ? PCI_HEADER_TYPE_MFD : 0);

	put_bits(regs, CAP_SRIOV, 4, PCI_EXT_CAP_ID_SRIOV | 1 << 16);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_INITIAL_VF, 2, IROCE_MAX_VFS);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_TOTAL_VF, 2, IROCE_MAX_VFS);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_FUNC_LINK, 1, port);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_VF_OFFSET, 2,
		 FIRST_VF_DEVFN + port * IROCE_MAX_VFS - port);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_VF_STRIDE, 2, 1);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_VF_DID, 2, IROCE_PCI_VF);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_SUP_PGSIZE, 4, 1);
	put_bits(regs, CAP_SRIOV + PCI_SRIOV_SYS_PGSIZE, 4, 1);
}

/* A VF has no ids of its own: they read as ones (SR-IOV 1.1, 3.4.1.1). */
static void fill_vf(u32 *regs)
{
	memset(regs, 0, VF_REGS * sizeof(*regs));
	fill_common(regs);
	put_bits(regs, PCI_VENDOR_ID, 4, ~0U);
	put_bits(regs, PCI_SUBSYSTEM_ID, 2, IROCE_PCI_VF);
}

static bool is_vf_enabled(const u32 *pf)
{
	return get_bits(pf, CAP_SRIOV + PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE;
}

/* The register file of @devfn, NULL if nobody answers there. */
static u32 *find_regs(struct iroce_pci *pci, unsigned int devfn, unsigned int *n_regs)
{
	unsigned int port, vf;

	if (devfn < pci->adapter->n_ports) {
		*n_regs = PF_REGS;
		return pci->pf[devfn];
	}
	if (devfn < FIRST_VF_DEVFN)
		return NULL;
	port = (devfn - FIRST_VF_DEVFN) / IROCE_MAX_VFS;
	vf = (devfn - FIRST_VF_DEVFN) % IROCE_MAX_VFS;
	if (port >= pci->adapter->n_ports || !is_vf_enabled(pci->pf[port]) ||
	    vf >= get_bits(pci->pf[port], CAP_SRIOV + PCI_SRIOV_NUM_VF, 2))
		return NULL;
	*n_regs = VF_REGS;
	return pci->vf[port][vf];
}

/* Bits that software may change in the register at @where (a multiple of 4). */
static u32 writable_bits(const u32 *regs, unsigned int where, bool is_pf)
{
	if (!is_pf)
		return where == PCI_COMMAND ? PCI_COMMAND_MASTER : 0;

	switch (where) {
	case PCI_COMMAND:
		return PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		       PCI_COMMAND_INTX_DISABLE;
	case PCI_CACHE_LINE_SIZE:
		return 0xff;
	case PCI_INTERRUPT_LINE:
		return 0xff;
	case CAP_EXP + PCI_EXP_DEVCTL:
		return PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
		       PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN |
		       PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ;
	case CAP_SRIOV + PCI_SRIOV_CTRL:
		return PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
	case CAP_SRIOV + PCI_SRIOV_NUM_VF:
		/* Fixed while VFs are enabled (SR-IOV 1.1, 3.3.7). */
		return is_vf_enabled(regs) ? 0 : 0xffff;
	default:
		return 0;
	}
}

static int config_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
		       u32 *value)
{
	struct iroce_pci *pci = bus_to_pci(bus);
	unsigned int n_regs;
	unsigned long flags;
	u32 *regs;

	raw_spin_lock_irqsave(&pci->lock, flags);
	regs = find_regs(pci, devfn, &n_regs);
	if (!regs)
		*value = ~0U;
	else if (where / 4 >= n_regs)
		*value = 0;	/* also: no extended capabilities */
	else
		*value = get_bits(regs, where, size);
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	return regs ? PCIBIOS_SUCCESSFUL : PCIBIOS_DEVICE_NOT_FOUND;
}

static int config_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
			u32 value)
{
	struct iroce_pci *pci = bus_to_pci(bus);
	unsigned int n_regs, vf;
	unsigned long flags;
	u32 *regs, mask, old;
	bool is_pf;

	raw_spin_lock_irqsave(&pci->lock, flags);
	regs = find_regs(pci, devfn, &n_regs);
	if (regs && where / 4 < n_regs) {
		is_pf = n_regs == PF_REGS;
		mask = writable_bits(regs, where & ~3, is_pf);
		old = regs[where / 4];
		put_bits(regs, where, size, value);
		regs[where / 4] = (regs[where / 4] & mask) | (old & ~mask);
		/* VFs come up as new each time they are enabled. */
		if (is_pf && (where & ~3) == CAP_SRIOV + PCI_SRIOV_CTRL &&
		    !(old & PCI_SRIOV_CTRL_VFE) && is_vf_enabled(regs))
			for (vf = 0; vf < IROCE_MAX_VFS; vf++)
				fill_vf(pci->vf[devfn][vf]);
	}
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	return regs ? PCIBIOS_SUCCESSFUL : PCIBIOS_DEVICE_NOT_FOUND;
}

static struct pci_ops config_ops = {
	.read = config_read,
	.write = config_write,
};

/* ---- the bridge ------------------------------------------------------- */

struct iroce_port *iroce_pci_port(const struct pci_dev *pdev)
{
	const struct pci_dev *pf = pdev->is_virtfn ? pdev->physfn : pdev;

	if (pdev->bus->ops != &config_ops)
		return NULL;
	return bus_to_pci(pdev->bus)->adapter->ports[pf->devfn];
}

/* The node of the first cable's device: a valid one even where there is none. */
static int find_node(const struct iroce_adapter *adapter)
{
	struct net_device *cable;
	int node = NUMA_NO_NODE;

	rcu_read_lock();
	cable = rcu_dereference(adapter->ports[0]->cable);
	if (cable && cable->dev.parent)
		node = dev_to_node(cable->dev.parent);
	rcu_read_unlock();
	return node == NUMA_NO_NODE ? first_memory_node : node;
}

static int create_bus(struct iroce_pci *pci)
{
	struct pci_host_bridge *bridge;
	int err;

	bridge = pci_alloc_host_bridge(0);
	if (!bridge)
		return -ENOMEM;
	bridge->dev.parent = &pci->parent->dev;
	bridge->sysdata = &pci->sysdata;
	bridge->ops = &config_ops;
	pci->busn.name = "iroce bus";
	pci->busn.flags = IORESOURCE_BUS;	/* bus 0 alone */
	pci_add_resource(&bridge->windows, &pci->busn);

	pci_lock_rescan_remove();
	err = iroce_compat_domain_get(FIRST_DOMAIN);
	if (err < 0)
		goto err_bridge;
	pci->sysdata.domain = err;

	err = pci_scan_root_bus_bridge(bridge);
	if (err)
		goto err_domain;
	pci->bus = bridge->bus;
	pci_bus_add_devices(pci->bus);
	pci_unlock_rescan_remove();
	return 0;

err_domain:
	iroce_compat_domain_put(pci->sysdata.domain);
err_bridge:
	pci_unlock_rescan_remove();
	pci_free_host_bridge(bridge);
	return err;
}

/*
 * iroce_pci_add - plug the adapter in; probes its functions if the driver is there
 */
int iroce_pci_add(struct iroce_adapter *adapter)
{
	struct iroce_pci *pci;
	unsigned int port;
	int err;

	pci = kvzalloc(sizeof(*pci), GFP_KERNEL);
	if (!pci)
		return -ENOMEM;
	raw_spin_lock_init(&pci->lock);
	pci->adapter = adapter;
	pci->sysdata.node = find_node(adapter);
	for (port = 0; port < adapter->n_ports; port++)
		fill_pf(pci->pf[port], port, adapter->n_ports > 1);

	pci->parent = platform_device_register_simple("iroce", adapter->index, NULL, 0);
	if (IS_ERR(pci->parent)) {
		err = PTR_ERR(pci->parent);
		goto err_free;
	}
	adapter->pci = pci;
	err = create_bus(pci);
	if (err)
		goto err_parent;
	return 0;

err_parent:
	adapter->pci = NULL;
	platform_device_unregister(pci->parent);
err_free:
	kvfree(pci);
	return err;
}

/*
 * iroce_pci_del - pull the adapter out
 *
 * The driver is unregistered already: a sriov_numvfs writer that holds the
 * device lock and waits for the rescan lock, which we hold here while we want
 * the device lock, would otherwise be a deadlock.
 */
void iroce_pci_del(struct iroce_adapter *adapter)
{
	struct iroce_pci *pci = adapter->pci;
	struct pci_host_bridge *bridge = to_pci_host_bridge(pci->bus->bridge);

	pci_lock_rescan_remove();
	pci_stop_root_bus(pci->bus);
	/* The bus goes; the bridge stays ours (pci_remove_root_bus() only unlinks it). */
	pci_remove_root_bus(pci->bus);
	pci_free_host_bridge(bridge);
	iroce_compat_domain_put(pci->sysdata.domain);
	pci_unlock_rescan_remove();
	platform_device_unregister(pci->parent);
	adapter->pci = NULL;
	kvfree(pci);
}
