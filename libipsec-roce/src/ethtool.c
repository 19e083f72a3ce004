// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Device features and private flags by ethtool netlink; driver counters by the
 * one ioctl in this library: ETHTOOL_MSG_STATS_GET carries only the standard
 * groups, and the ipsec counters are strings of the driver.
 */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "handle.h"

/* The headers of requests are all alike: device name in attribute 1. */
#define ATTR_HEADER	1

static int ethtool_begin(struct ipsec_roce *h, uint8_t cmd, const char *dev)
{
	struct genlmsghdr genl = { .cmd = cmd, .version = ETHTOOL_GENL_VERSION };
	struct nlattr *header;
	int err;

	if (!*dev || strlen(dev) >= IFNAMSIZ)
		return fail(h, -EINVAL, "%s: not the name of a device", dev);
	/* It is never unloaded: once is enough. */
	err = h->ethtool_id ? 0 : genl_resolve(h, ETHTOOL_GENL_NAME, &h->ethtool_id);
	if (err)
		return err;
	request_begin(h, FAMILY_GENERIC, h->ethtool_id, 0, &genl, sizeof(genl));
	header = nest_begin(h, ATTR_HEADER);
	put_text(h, ETHTOOL_A_HEADER_DEV_NAME, dev);
	nest_end(h, header);
	return 0;
}

/* One bit of a set by its name; the kernel leaves the others as they are. */
static void put_bit(struct ipsec_roce *h, int attr, const char *name, bool on)
{
	struct nlattr *set = nest_begin(h, attr);
	struct nlattr *bits = nest_begin(h, ETHTOOL_A_BITSET_BITS);
	struct nlattr *bit = nest_begin(h, ETHTOOL_A_BITSET_BITS_BIT);

	put_text(h, ETHTOOL_A_BITSET_BIT_NAME, name);
	if (on)
		put(h, ETHTOOL_A_BITSET_BIT_VALUE, NULL, 0);
	nest_end(h, bit);
	nest_end(h, bits);
	nest_end(h, set);
}

/*
 * Verbose bitset: BITS { BIT { INDEX, NAME, VALUE (a flag) } ... }. With a mask
 * all bits of the mask are listed and VALUE tells; with NOMASK only set ones.
 */
static bool bit_find(struct nlattr *set, const char *name, bool *is_on)
{
	struct nlattr *tb[ETHTOOL_A_BITSET_MAX + 1], *bit[ETHTOOL_A_BITSET_BIT_MAX + 1], *pos;
	int left;

	if (!set || nla_parse_nested(tb, ETHTOOL_A_BITSET_MAX, set, NULL) ||
	    !tb[ETHTOOL_A_BITSET_BITS])
		return false;
	nla_for_each_nested(pos, tb[ETHTOOL_A_BITSET_BITS], left) {
		if (nla_parse_nested(bit, ETHTOOL_A_BITSET_BIT_MAX, pos, NULL) ||
		    !bit[ETHTOOL_A_BITSET_BIT_NAME] ||
		    strcmp(nla_data(bit[ETHTOOL_A_BITSET_BIT_NAME]), name))
			continue;
		*is_on = tb[ETHTOOL_A_BITSET_NOMASK] || bit[ETHTOOL_A_BITSET_BIT_VALUE];
		return true;
	}
	return false;
}

struct bit_search {
	const char *name;
	bool is_known, is_on, is_changeable;
};

static int on_features(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[ETHTOOL_A_FEATURES_MAX + 1];
	struct bit_search *s = arg;
	bool can_change;

	if (nlmsg_parse(nlh, GENL_HDRLEN, tb, ETHTOOL_A_FEATURES_MAX, NULL))
		return fail(h, -EBADMSG, "%s: the kernel's answer does not parse", h->what);
	/* HW: what can be changed, of all there are; ACTIVE: what is on, and nothing else. */
	s->is_changeable = bit_find(tb[ETHTOOL_A_FEATURES_HW], s->name, &can_change) && can_change;
	if (bit_find(tb[ETHTOOL_A_FEATURES_ACTIVE], s->name, &s->is_on))
		s->is_known = true;
	if (s->is_changeable)
		s->is_known = true;
	return 0;
}

int ipsec_roce_feature_get(struct ipsec_roce *h, const char *dev, const char *feature,
			   bool *is_on, bool *is_fixed)
{
	struct bit_search s = { .name = feature };
	int err;

	request_name(h, "read the feature %s of %s", feature, dev);
	err = ethtool_begin(h, ETHTOOL_MSG_FEATURES_GET, dev);
	if (!err)
		err = request_call(h, on_features, &s);
	if (err)
		return err;
	/* A feature that is neither on nor changeable is as good as none. */
	if (!s.is_known)
		return fail(h, -EOPNOTSUPP, "%s has no feature %s", dev, feature);
	if (is_on)
		*is_on = s.is_on;
	if (is_fixed)
		*is_fixed = !s.is_changeable;
	return 0;
}

int ipsec_roce_feature_set(struct ipsec_roce *h, const char *dev, const char *feature, bool on)
{
	bool is_on;
	int err;

	request_name(h, "switch %s %s on %s", feature, on ? "on" : "off", dev);
	err = ethtool_begin(h, ETHTOOL_MSG_FEATURES_SET, dev);
	if (err)
		return err;
	put_bit(h, ETHTOOL_A_FEATURES_WANTED, feature, on);
	err = request_call(h, NULL, NULL);
	if (err)
		return err;
	/* The kernel acknowledges what it wants; whether the device does it is another matter. */
	err = ipsec_roce_feature_get(h, dev, feature, &is_on, NULL);
	if (!err && is_on != on)
		err = fail(h, -EOPNOTSUPP, "%s: the device keeps %s %s", dev, feature,
			   is_on ? "on" : "off");
	return err;
}

static int on_flags(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[ETHTOOL_A_PRIVFLAGS_MAX + 1];
	struct bit_search *s = arg;

	if (nlmsg_parse(nlh, GENL_HDRLEN, tb, ETHTOOL_A_PRIVFLAGS_MAX, NULL))
		return fail(h, -EBADMSG, "%s: the kernel's answer does not parse", h->what);
	s->is_known = bit_find(tb[ETHTOOL_A_PRIVFLAGS_FLAGS], s->name, &s->is_on);
	return 0;
}

int ipsec_roce_privflag_get(struct ipsec_roce *h, const char *dev, const char *flag, bool *is_on)
{
	struct bit_search s = { .name = flag };
	int err;

	request_name(h, "read the private flag %s of %s", flag, dev);
	err = ethtool_begin(h, ETHTOOL_MSG_PRIVFLAGS_GET, dev);
	if (!err)
		err = request_call(h, on_flags, &s);
	if (err)
		return err;
	if (!s.is_known)
		return fail(h, -EOPNOTSUPP, "%s has no private flag %s", dev, flag);
	*is_on = s.is_on;
	return 0;
}

int ipsec_roce_privflag_set(struct ipsec_roce *h, const char *dev, const char *flag, bool on)
{
	int err;

	request_name(h, "switch the private flag %s %s on %s", flag, on ? "on" : "off", dev);
	err = ethtool_begin(h, ETHTOOL_MSG_PRIVFLAGS_SET, dev);
	if (err)
		return err;
	put_bit(h, ETHTOOL_A_PRIVFLAGS_FLAGS, flag, on);
	return request_call(h, NULL, NULL);
}

static int ethtool_ioctl(struct ipsec_roce *h, int fd, const char *dev, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		return fail(h, -errno, "read the counters of %s: %s", dev, strerror(errno));
	return 0;
}

static int counter_count(struct ipsec_roce *h, int fd, const char *dev, uint32_t *count)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} sset = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_STATS } };
	int err = ethtool_ioctl(h, fd, dev, &sset);

	*count = sset.info.sset_mask ? sset.count : 0;
	return err;
}

static int counter_read(struct ipsec_roce *h, int fd, const char *dev, const char *name,
			uint64_t *value)
{
	struct ethtool_gstrings *names;
	struct ethtool_stats *stats;
	uint32_t count;
	int err;

	err = counter_count(h, fd, dev, &count);
	if (err)
		return err;
	names = calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	stats = calloc(1, sizeof(*stats) + count * sizeof(uint64_t));
	if (!names || !stats) {
		err = fail(h, -ENOMEM, "out of memory");
		goto out_free;
	}
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	names->len = count;
	stats->cmd = ETHTOOL_GSTATS;
	stats->n_stats = count;
	err = ethtool_ioctl(h, fd, dev, names) ?: ethtool_ioctl(h, fd, dev, stats);
	if (err)
		goto out_free;
	err = -ENOENT;
	/* The set may have changed between the calls: stay within the smaller answer. */
	for (uint32_t i = 0; i < count && i < names->len && i < stats->n_stats; i++) {
		if (!strncmp((char *)names->data + i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN)) {
			*value = stats->data[i];
			err = 0;
			break;
		}
	}
out_free:
	free(names);
	free(stats);
	return err;
}

int ipsec_roce_counter_get(struct ipsec_roce *h, const char *dev, const char *name,
			   uint64_t *value)
{
	int fd, err;

	if (strlen(dev) >= IFNAMSIZ)
		return fail(h, -EINVAL, "%s: not the name of a device", dev);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(h, -errno, "open a socket: %s", strerror(errno));
	err = counter_read(h, fd, dev, name, value);
	close(fd);
	return err;
}
