// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Security associations: ESP transport mode, rfc4106(gcm(aes)) with a 128-bit
 * ICV, ESN, packet offload. The key goes from its locked page into one netlink
 * message, which is cleared after it was sent; nothing here reads a key back.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "key.h"
#include "xfrm_abi.h"

#define CIPHER		"rfc4106(gcm(aes))"
#define ICV_BITS	128
#define WINDOW_MIN	32
#define WINDOW_MAX	4096	/* the kernel's bitmap holds no more */

static const char *dir_name(enum ipsec_roce_dir dir)
{
	return dir == IPSEC_ROCE_OUT ? "outbound" : "inbound";
}

static void lifetime_set(struct xfrm_lifetime_cfg *lft, const struct ipsec_roce_sa_cfg *cfg)
{
	lft->soft_packet_limit = cfg->soft_packets ?: XFRM_INF;
	lft->hard_packet_limit = cfg->hard_packets ?: XFRM_INF;
	lft->soft_byte_limit = cfg->soft_bytes ?: XFRM_INF;
	lft->hard_byte_limit = cfg->hard_bytes ?: XFRM_INF;
}

static int cfg_check(struct ipsec_roce *h, const struct ipsec_roce_sa_cfg *cfg)
{
	if (!cfg->dev || !cfg->key)
		return fail(h, -EINVAL, "an SA needs a device and a key");
	if (cfg->dir != IPSEC_ROCE_OUT && cfg->dir != IPSEC_ROCE_IN)
		return fail(h, -EINVAL, "an SA is outbound or inbound");
	if (cfg->spi < 256)
		return fail(h, -EINVAL, "SPI 0x%08x is reserved (RFC 4303: 256 and up)", cfg->spi);
	if (!cfg->reqid)
		return fail(h, -EINVAL, "an offloaded SA needs a reqid");
	if (cfg->dir == IPSEC_ROCE_OUT && cfg->replay_window)
		return fail(h, -EINVAL, "an outbound SA has no replay window");
	if (cfg->dir == IPSEC_ROCE_IN &&
	    (cfg->replay_window < WINDOW_MIN || cfg->replay_window > WINDOW_MAX ||
	     cfg->replay_window % 32))
		return fail(h, -EINVAL, "replay window %u: 32 to 4096, a multiple of 32",
			    cfg->replay_window);
	return 0;
}

static void put_aead(struct ipsec_roce *h, const unsigned char *key, int len)
{
	struct {
		struct xfrm_algo_aead algo;
		unsigned char key[AEAD_KEY_MAX];
	} aead = { 0 };

	snprintf(aead.algo.alg_name, sizeof(aead.algo.alg_name), CIPHER);
	aead.algo.alg_key_len = len * 8;
	aead.algo.alg_icv_len = ICV_BITS;
	memcpy(aead.key, key, len);
	put(h, XFRMA_ALG_AEAD, &aead, sizeof(aead.algo) + len);
	explicit_bzero(&aead, sizeof(aead));
}

static void put_replay(struct ipsec_roce *h, const struct ipsec_roce_sa_cfg *cfg)
{
	struct {
		struct xfrm_replay_state_esn esn;
		uint32_t bitmap[WINDOW_MAX / 32];
	} replay = { 0 };

	replay.esn.replay_window = cfg->replay_window;
	replay.esn.bmp_len = cfg->replay_window / 32;
	put(h, XFRMA_REPLAY_ESN_VAL, &replay,
	    sizeof(replay.esn) + replay.esn.bmp_len * sizeof(uint32_t));
}

static int sa_install(struct ipsec_roce *h, const struct ipsec_roce_sa_cfg *cfg,
		      unsigned int ifindex, const unsigned char *key, int key_len)
{
	struct xfrm_usersa_info info = { 0 };
	struct xfrm_user_offload offload = { 0 };

	info.family = cfg->flow.src.family;
	addr_to_xfrm(&info.saddr, &cfg->flow.src);
	addr_to_xfrm(&info.id.daddr, &cfg->flow.dst);
	info.id.spi = htonl(cfg->spi);
	info.id.proto = IPPROTO_ESP;
	info.mode = XFRM_MODE_TRANSPORT;
	info.reqid = cfg->reqid;
	info.flags = XFRM_STATE_ESN;
	selector_to_xfrm(&info.sel, &cfg->flow.src, 0, &cfg->flow.dst, 0, cfg->proto);
	lifetime_set(&info.lft, cfg);
	offload.ifindex = ifindex;
	offload.flags = XFRM_OFFLOAD_PACKET;
	if (cfg->dir == IPSEC_ROCE_IN)
		offload.flags |= XFRM_OFFLOAD_INBOUND;
	if (info.family == AF_INET6)
		offload.flags |= XFRM_OFFLOAD_IPV6;

	request_name(h, "add the %s SA 0x%08x on %s", dir_name(cfg->dir), cfg->spi, cfg->dev);
	request_begin(h, FAMILY_XFRM, XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, &info,
		      sizeof(info));
	put_aead(h, key, key_len);
	put_replay(h, cfg);
	put(h, XFRMA_OFFLOAD_DEV, &offload, sizeof(offload));
	put_u8(h, ATTR_SA_DIR, cfg->dir == IPSEC_ROCE_OUT ? SA_DIR_OUT : SA_DIR_IN);
	return request_call(h, NULL, NULL);
}

static void parse_replay(struct ipsec_roce_sa_info *info, const struct nlattr *attr)
{
	const struct xfrm_replay_state_esn *esn = nla_data(attr);

	if ((size_t)nla_len(attr) < sizeof(*esn))
		return;
	info->replay_window = esn->replay_window;
	if (info->dir == IPSEC_ROCE_OUT || esn->oseq || esn->oseq_hi)
		info->seq = (uint64_t)esn->oseq_hi << 32 | esn->oseq;
	else
		info->seq = (uint64_t)esn->seq_hi << 32 | esn->seq;
}

static void parse_offload(struct ipsec_roce_sa_info *info, const struct nlattr *attr)
{
	const struct xfrm_user_offload *offload = nla_data(attr);

	if ((size_t)nla_len(attr) < sizeof(*offload))
		return;
	info->ifindex = offload->ifindex;
	info->offload = offload->flags & XFRM_OFFLOAD_PACKET ? IPSEC_ROCE_OFFLOAD_PACKET :
							       IPSEC_ROCE_OFFLOAD_CRYPTO;
	if (!info->dir)
		info->dir = offload->flags & XFRM_OFFLOAD_INBOUND ? IPSEC_ROCE_IN : IPSEC_ROCE_OUT;
}

/* Name and sizes only: the key that follows them stays in the reply buffer. */
static void parse_aead(struct ipsec_roce_sa_info *info, const struct nlattr *attr)
{
	const struct xfrm_algo_aead *aead = nla_data(attr);

	if ((size_t)nla_len(attr) < sizeof(*aead))
		return;
	snprintf(info->cipher, sizeof(info->cipher), "%.*s",
		 (int)strnlen(aead->alg_name, sizeof(aead->alg_name)), aead->alg_name);
	info->key_bits = aead->alg_key_len > SALT_LEN * 8 ? aead->alg_key_len - SALT_LEN * 8 : 0;
	info->icv_bits = aead->alg_icv_len;
}

static uint64_t limit(uint64_t value)
{
	return value == XFRM_INF ? IPSEC_ROCE_INFINITE : value;
}

static bool sa_parse(struct nlmsghdr *nlh, struct ipsec_roce_sa_info *info)
{
	struct nlattr *tb[ATTR_XFRM_MAX + 1];
	struct xfrm_usersa_info sa;

	if (nlmsg_parse(nlh, sizeof(sa), tb, ATTR_XFRM_MAX, NULL))
		return false;
	/* Netlink aligns to 4 bytes, the struct has members of 8. */
	memcpy(&sa, nlmsg_data(nlh), sizeof(sa));
	if (sa.id.proto != IPPROTO_ESP)
		return false;
	*info = (struct ipsec_roce_sa_info){ .size = sizeof(*info) };
	addr_from_xfrm(&info->src, &sa.saddr, sa.family);
	addr_from_xfrm(&info->dst, &sa.id.daddr, sa.family);
	info->spi = ntohl(sa.id.spi);
	info->reqid = sa.reqid;
	info->proto = sa.sel.proto;
	info->has_esn = sa.flags & XFRM_STATE_ESN;
	info->is_acquire = !tb[XFRMA_ALG_AEAD] && !tb[XFRMA_ALG_CRYPT];
	info->bytes = sa.curlft.bytes;
	info->packets = sa.curlft.packets;
	info->add_time = sa.curlft.add_time;
	info->soft_packets = limit(sa.lft.soft_packet_limit);
	info->hard_packets = limit(sa.lft.hard_packet_limit);
	info->soft_bytes = limit(sa.lft.soft_byte_limit);
	info->hard_bytes = limit(sa.lft.hard_byte_limit);
	info->window_drops = sa.stats.replay_window;
	info->replay_drops = sa.stats.replay;
	info->auth_fails = sa.stats.integrity_failed;
	if (tb[ATTR_SA_DIR] && nla_len(tb[ATTR_SA_DIR]) == 1)
		info->dir = nla_get_u8(tb[ATTR_SA_DIR]) == SA_DIR_OUT ? IPSEC_ROCE_OUT :
									IPSEC_ROCE_IN;
	if (tb[XFRMA_OFFLOAD_DEV])
		parse_offload(info, tb[XFRMA_OFFLOAD_DEV]);
	if (tb[XFRMA_ALG_AEAD])
		parse_aead(info, tb[XFRMA_ALG_AEAD]);
	if (tb[XFRMA_REPLAY_ESN_VAL])
		parse_replay(info, tb[XFRMA_REPLAY_ESN_VAL]);
	return true;
}

/* By (destination, SPI, protocol); no source, so that a half-known SA is found too. */
static void sa_request(struct ipsec_roce *h, uint16_t type, const struct ipsec_roce_sa_id *id)
{
	struct xfrm_usersa_id sa = { 0 };

	addr_to_xfrm(&sa.daddr, &id->dst);
	sa.spi = htonl(id->spi);
	sa.family = id->dst.family;
	sa.proto = IPPROTO_ESP;
	request_name(h, "%s the SA 0x%08x", type == XFRM_MSG_DELSA ? "delete" : "read", id->spi);
	request_begin(h, FAMILY_XFRM, type, 0, &sa, sizeof(sa));
}

static int on_one(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type != XFRM_MSG_NEWSA || !sa_parse(nlh, arg))
		return fail(h, -EBADMSG, "%s: the kernel's answer is not an ESP SA", h->what);
	return 0;
}

int ipsec_roce_sa_get(struct ipsec_roce *h, const struct ipsec_roce_sa_id *caller_id,
		      struct ipsec_roce_sa_info *info)
{
	struct ipsec_roce_sa_info found = { 0 };
	struct ipsec_roce_sa_id id;
	int err;

	err = OPTS_IMPORT(h, &id, caller_id);
	if (err)
		return err;
	sa_request(h, XFRM_MSG_GETSA, &id);
	err = request_call(h, on_one, &found);
	if (err == -ESRCH)
		return -ENOENT;
	return err ? err : OPTS_EXPORT(h, info, &found);
}

int ipsec_roce_sa_del(struct ipsec_roce *h, const struct ipsec_roce_sa_id *caller_id)
{
	struct ipsec_roce_sa_id id;
	int err;

	err = OPTS_IMPORT(h, &id, caller_id);
	if (err)
		return err;
	sa_request(h, XFRM_MSG_DELSA, &id);
	err = request_call(h, NULL, NULL);
	return err == -ESRCH ? -ENOENT : err;
}

struct walk {
	ipsec_roce_sa_fn fn;
	void *arg;
};

static int on_listed(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct ipsec_roce_sa_info info;
	const struct walk *w = arg;

	(void)h;
	if (nlh->nlmsg_type != XFRM_MSG_NEWSA || !sa_parse(nlh, &info))
		return 0;
	return w->fn(&info, w->arg);
}

int ipsec_roce_sa_list(struct ipsec_roce *h, ipsec_roce_sa_fn fn, void *arg)
{
	struct walk w = { fn, arg };

	request_name(h, "list the SAs");
	/* No header: xfrm_dump_sa() takes what follows nlmsghdr for attributes, and logs what are none. */
	request_begin(h, FAMILY_XFRM, XFRM_MSG_GETSA, NLM_F_DUMP, NULL, 0);
	return request_call(h, on_listed, &w);
}

/*
 * A kernel without CONFIG_XFRM_OFFLOAD ignores the request to offload and makes
 * a software SA, which RoCE never meets. Such an SA is taken back.
 */
static int check_offloaded(struct ipsec_roce *h, const struct ipsec_roce_sa_cfg *cfg,
			   unsigned int ifindex)
{
	struct ipsec_roce_sa_id id = { sizeof(id), cfg->flow.src, cfg->flow.dst, cfg->spi };
	struct ipsec_roce_sa_info info = { .size = sizeof(info) };
	int err = ipsec_roce_sa_get(h, &id, &info);

	if (!err && info.offload == IPSEC_ROCE_OFFLOAD_PACKET && info.ifindex == ifindex)
		return 0;
	ipsec_roce_sa_del(h, &id);
	return fail(h, -EPROTO, "add the %s SA 0x%08x on %s: the kernel took it, but %s",
		    dir_name(cfg->dir), cfg->spi, cfg->dev,
		    err ? "it cannot be read back" : "did not offload it");
}

/* The kernel may have the SA, and have sealed with it: it must go, and its key counts as used. */
static int take_back_unsure(struct ipsec_roce *h, const struct ipsec_roce_sa_cfg *cfg,
			    unsigned int ifindex)
{
	struct ipsec_roce_sa_id id = { sizeof(id), cfg->flow.src, cfg->flow.dst, cfg->spi };
	struct ipsec_roce_sa_info info = { .size = sizeof(info) };

	/* Somebody else's SA of this SPI would have been refused, and is left alone. */
	if (!ipsec_roce_sa_get(h, &id, &info) && info.reqid == cfg->reqid &&
	    info.ifindex == ifindex)
		ipsec_roce_sa_del(h, &id);
	return fail(h, -EPROTO, "add the %s SA 0x%08x on %s: the kernel's answer was lost",
		    dir_name(cfg->dir), cfg->spi, cfg->dev);
}

int ipsec_roce_sa_add(struct ipsec_roce *h, const struct ipsec_roce_sa_cfg *caller_cfg)
{
	unsigned char key[AEAD_KEY_MAX];
	struct ipsec_roce_sa_cfg cfg;
	unsigned int ifindex;
	int err, key_len;

	err = OPTS_IMPORT(h, &cfg, caller_cfg);
	if (!err)
		err = cfg_check(h, &cfg);
	if (!err)
		err = link_index(h, cfg.dev, &ifindex);
	if (err)
		return err;
	key_len = flow_key(h, cfg.key, &cfg.flow, key);
	err = key_len < 0 ? key_len : sa_install(h, &cfg, ifindex, key, key_len);
	explicit_bzero(key, sizeof(key));
	if (h->is_unsure)
		return take_back_unsure(h, &cfg, ifindex);
	return err ? err : check_offloaded(h, &cfg, ifindex);
}
