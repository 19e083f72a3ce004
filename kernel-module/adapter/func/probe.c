// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI driver of PFs and VFs: what makes a function out of its parts, in
 * order, and takes it apart in the reverse order. One driver serves both, as a
 * VF differs from a PF only in that it has no VFs.
 */
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>

#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "lag.h"
#include "netdev.h"
#include "probe.h"
#include "roce/roce.h"

static bool closed_until_protected;
module_param(closed_until_protected, bool, 0644);
MODULE_PARM_DESC(closed_until_protected, "whether functions of adapters and VFs made from now on begin with ethtool's private flag ipsec-closed-until-protected on (default N)");

static unsigned int n_initial_vfs;	/* set before the driver is registered */

bool iroce_starts_closed(void)
{
	return READ_ONCE(closed_until_protected);
}

static void disable_vfs(struct iroce_func *pf)
{
	pci_disable_sriov(pf->pdev);
	rtnl_lock();
	iroce_port_reset_vfs(pf->port, iroce_starts_closed());
	rtnl_unlock();
}

/* They begin with what the module's parameters say now. */
static int enable_vfs(struct iroce_func *pf, unsigned int n_vfs)
{
	rtnl_lock();
	iroce_port_reset_vfs(pf->port, iroce_starts_closed());
	rtnl_unlock();
	return pci_enable_sriov(pf->pdev, n_vfs);
}

static const struct iroce_ipsec_events ipsec_events = {
	.changed = iroce_roce_func_changed,
	.sa_gone = iroce_rdma_sa_gone,
};

static int probe_func(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct iroce_port *port = iroce_pci_port(pdev);
	unsigned int vf = IROCE_PF, n_vfs;
	struct net_device *netdev;
	struct iroce_func *f;
	int err;

	if (!port)
		return -ENODEV;
	if (pdev->is_virtfn)
		vf = pci_iov_vf_id(pdev);

	err = pci_enable_device(pdev);
	if (err)
		return err;
	pci_set_master(pdev);

	netdev = iroce_netdev_create(port, pdev, vf);
	if (IS_ERR(netdev)) {
		err = PTR_ERR(netdev);
		goto err_disable;
	}
	f = iroce_func(netdev);
	pci_set_drvdata(pdev, f);

	err = iroce_ipsec_init(f, &ipsec_events, iroce_vport_starts_closed(f));
	if (err)
		goto err_netdev;
	err = register_netdev(netdev);
	if (err)
		goto err_ipsec;
	err = iroce_rdma_init(f);
	if (err)
		goto err_unregister;

	/* Without them the PF is still of use: say it and go on. */
	n_vfs = pdev->is_virtfn ? 0 : n_initial_vfs;
	if (n_vfs) {
		err = enable_vfs(f, n_vfs);
		if (err)
			pci_err(pdev, "num_vfs=%u: cannot enable the VFs: %d\n", n_vfs, err);
	}
	return 0;

err_unregister:
	f->is_dying = true;
	unregister_netdev(netdev);
err_ipsec:
	iroce_ipsec_fini(f);
err_netdev:
	pci_set_drvdata(pdev, NULL);
	iroce_netdev_destroy(netdev);
err_disable:
	pci_disable_device(pdev);
	pci_err(pdev, "probe failed: %d\n", err);
	return err;
}

static void remove_func(struct pci_dev *pdev)
{
	struct iroce_func *f = pci_get_drvdata(pdev);

	/* VFs live on their PF's port: they go first. */
	if (!pdev->is_virtfn)
		disable_vfs(f);

	rtnl_lock();
	WRITE_ONCE(f->is_dying, true);
	rtnl_unlock();
	iroce_rdma_fini(f);
	unregister_netdev(f->netdev);
	iroce_ipsec_fini(f);
	pci_set_drvdata(pdev, NULL);
	iroce_netdev_destroy(f->netdev);
	pci_disable_device(pdev);
}

static int sriov_configure(struct pci_dev *pdev, int n_vfs)
{
	int err;

	if (!n_vfs) {
		disable_vfs(pci_get_drvdata(pdev));
		return 0;
	}
	err = enable_vfs(pci_get_drvdata(pdev), n_vfs);
	return err ?: n_vfs;
}

/* Not exported with MODULE_DEVICE_TABLE: no hardware has these ids. */
static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(IROCE_PCI_VENDOR, IROCE_PCI_PF) },
	{ PCI_DEVICE(IROCE_PCI_VENDOR, IROCE_PCI_VF) },
	{ }
};

static struct pci_driver driver = {
	.name = "iroce",
	.id_table = ids,
	.probe = probe_func,
	.remove = remove_func,
	.sriov_configure = sriov_configure,
};

int iroce_func_register_driver(unsigned int n_vfs)
{
	n_initial_vfs = n_vfs;
	return pci_register_driver(&driver);
}

void iroce_func_unregister_driver(void)
{
	pci_unregister_driver(&driver);
}
