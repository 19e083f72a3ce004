// SPDX-License-Identifier: GPL-2.0
/*
 * Module iroce: reads which netdevs are cables, builds the adapters around them
 * and tears them down again.
 *
 *	modprobe iroce cables=eth1,eth2		one adapter, two ports
 *	modprobe iroce cables=eth1/eth2		two adapters, one port each
 */
#define pr_fmt(fmt) "iroce: " fmt

#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine.h"
#include "events.h"
#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "lag.h"
#include "probe.h"
#include "roce/roce.h"

#define MAX_ADAPTERS 8

static char *cables;
module_param(cables, charp, 0444);
MODULE_PARM_DESC(cables, "netdevs that are the ports' cables: ',' between the ports of an adapter, '/' between adapters");

static unsigned int num_vfs;
module_param(num_vfs, uint, 0444);
MODULE_PARM_DESC(num_vfs, "VFs each PF enables when it is probed (0.." __stringify(IROCE_MAX_VFS) ", default 0); sriov_numvfs does the same later");

static struct iroce_adapter *adapters[MAX_ADAPTERS];
static unsigned int n_adapters;

static void destroy_adapter(struct iroce_adapter *adapter)
{
	while (adapter->n_ports)
		iroce_port_destroy(adapter->ports[--adapter->n_ports]);
	kfree(adapter);
}

/* @list: names with commas, cut up here */
static struct iroce_adapter *create_adapter(unsigned int index, char *list)
{
	struct iroce_adapter *adapter;
	struct iroce_port *port;
	char *name;
	int err;

	adapter = kzalloc(sizeof(*adapter), GFP_KERNEL);
	if (!adapter)
		return ERR_PTR(-ENOMEM);
	adapter->index = index;

	while ((name = strsep(&list, ","))) {
		err = -EINVAL;
		if (adapter->n_ports == IROCE_MAX_PORTS) {
			pr_err("cables: adapter %u has more than %u ports\n", index,
			       IROCE_MAX_PORTS);
			goto err_destroy;
		}
		port = iroce_port_create(adapter, adapter->n_ports, name, iroce_starts_closed());
		if (IS_ERR(port)) {
			err = PTR_ERR(port);
			goto err_destroy;
		}
		adapter->ports[adapter->n_ports++] = port;
	}
	return adapter;

err_destroy:
	destroy_adapter(adapter);
	return ERR_PTR(err);
}

static void destroy_adapters(void)
{
	while (n_adapters)
		destroy_adapter(adapters[--n_adapters]);
}

static int create_adapters(void)
{
	struct iroce_adapter *adapter;
	char *list, *rest, *part;
	int err = 0;

	/* sysfs-style newline and blanks around the whole are not part of a name. */
	list = kstrdup(strim(cables), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	rest = list;
	while ((part = strsep(&rest, "/"))) {
		if (n_adapters == MAX_ADAPTERS) {
			pr_err("cables: more than %u adapters\n", MAX_ADAPTERS);
			err = -EINVAL;
			break;
		}
		adapter = create_adapter(n_adapters, part);
		if (IS_ERR(adapter)) {
			err = PTR_ERR(adapter);
			break;
		}
		adapters[n_adapters++] = adapter;
	}
	kfree(list);
	if (err)
		destroy_adapters();
	return err;
}

static void unplug_adapters(void)
{
	unsigned int i;

	for (i = n_adapters; i--;)
		if (adapters[i]->pci)
			iroce_pci_del(adapters[i]);
}

static int plug_adapters(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < n_adapters; i++) {
		err = iroce_pci_add(adapters[i]);
		if (err) {
			pr_err("adapter %u: cannot add the PCI host bridge: %d\n", i, err);
			return err;
		}
	}
	return 0;
}

static int __init iroce_init(void)
{
	int err;

	if (!cables || !*strim(cables)) {
		pr_err("cables: names no netdev; give the uplink of each port, such as cables=eth1,eth2\n");
		return -EINVAL;
	}
	if (num_vfs > IROCE_MAX_VFS) {
		pr_err("num_vfs: %u is more than %u\n", num_vfs, IROCE_MAX_VFS);
		return -EINVAL;
	}

	err = iroce_ipsec_module_init();
	if (err)
		return err;
	iroce_engine_module_init();
	err = iroce_roce_module_init();
	if (err)
		goto err_engine;
	err = iroce_rdma_module_init();
	if (err)
		goto err_roce;
	err = iroce_events_module_init();
	if (err)
		goto err_lag;
	err = create_adapters();
	if (err)
		goto err_events;
	err = iroce_func_register_driver(num_vfs);
	if (err)
		goto err_adapters;
	err = plug_adapters();
	if (err)
		goto err_driver;
	return 0;

err_driver:
	iroce_func_unregister_driver();
	unplug_adapters();
err_adapters:
	destroy_adapters();
err_events:
	iroce_events_module_exit();
err_lag:
	iroce_rdma_module_exit();
err_roce:
	iroce_roce_module_exit();
err_engine:
	iroce_engine_module_exit();
	iroce_ipsec_module_exit();
	rcu_barrier();
	return err;
}

static void __exit iroce_exit(void)
{
	/* Drivers first: see iroce_pci_del(). */
	iroce_func_unregister_driver();
	unplug_adapters();
	destroy_adapters();
	iroce_events_module_exit();
	iroce_rdma_module_exit();
	iroce_roce_module_exit();
	iroce_engine_module_exit();
	iroce_ipsec_module_exit();
	rcu_barrier();	/* callbacks of all parts are this module's code */
}

module_init(iroce_init);
module_exit(iroce_exit);

MODULE_DESCRIPTION("Software SR-IOV RDMA adapter: RoCEv2 and inline IPsec over ordinary netdevs");
MODULE_AUTHOR("roce-ipsec");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
