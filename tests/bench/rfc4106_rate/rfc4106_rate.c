// SPDX-License-Identifier: GPL-2.0
/*
 * rfc4106_rate - how fast this kernel seals with rfc4106(gcm(aes)), on one CPU.
 *
 * The ceiling that every ESP implementation of this kernel has, so the bench
 * prints it beside what they reach. Measures while loading; the result is read
 * from /sys/module/rfc4106_rate/parameters/result, one line per size:
 * "BYTES NANOSECONDS-PER-PACKET MEGABYTES-PER-SECOND".
 */
#include <crypto/aead.h>
#include <crypto/gcm.h>
#include <linux/bottom_half.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>

#define ICV_LEN		16
/* ESP header and IV: what rfc4106 authenticates in front of the text. */
#define ASSOC_LEN	(8 + GCM_RFC4106_IV_SIZE)
#define KEY_LEN		(16 + 4)	/* AES-128 and the salt */
/* Packets between two looks at the clock and the scheduler. */
#define BATCH		64

static const unsigned int sizes[] = { 64, 1024, 1440, 4096, 8192 };
static u64 ns_per_packet[ARRAY_SIZE(sizes)];

static unsigned int ms = 200;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "how long to measure each size, milliseconds (1..10000)");

static int result_get(char *buf, const struct kernel_param *kp)
{
	int len = 0;

	for (int i = 0; i < ARRAY_SIZE(sizes); i++)
		len += sysfs_emit_at(buf, len, "%u %llu %llu\n", sizes[i], ns_per_packet[i],
				     div64_u64(sizes[i] * 1000ull, ns_per_packet[i]));
	return len;
}

static const struct kernel_param_ops result_ops = { .get = result_get };
module_param_cb(result, &result_ops, NULL, 0444);
MODULE_PARM_DESC(result, "lines of: bytes, ns per packet, MB/s");

static int measure(struct crypto_aead *aead, u8 *buf, unsigned int size, u64 *ns)
{
	struct aead_request *req = aead_request_alloc(aead, GFP_KERNEL);
	DECLARE_CRYPTO_WAIT(wait);
	u64 begin, took, packets = 0;
	struct scatterlist sg;
	__be64 iv;
	int err = 0;

	if (!req)
		return -ENOMEM;
	sg_init_one(&sg, buf, ASSOC_LEN + size + ICV_LEN);
	aead_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, &wait);
	aead_request_set_ad(req, ASSOC_LEN);
	begin = ktime_get_ns();
	do {
		/* As a data path calls it: with BH disabled. Nothing sleeps in there. */
		for (int i = 0; !err && i < BATCH; i++, packets++) {
			iv = cpu_to_be64(packets);
			aead_request_set_crypt(req, &sg, &sg, size, (u8 *)&iv);
			local_bh_disable();
			err = crypto_aead_encrypt(req);
			local_bh_enable();
			err = crypto_wait_req(err, &wait);
		}
		took = ktime_get_ns() - begin;
		cond_resched();
	} while (!err && took < ms * (u64)NSEC_PER_MSEC);
	aead_request_free(req);
	if (!err)
		*ns = max_t(u64, 1, div64_u64(took, packets));
	return err;
}

static int __init rfc4106_rate_init(void)
{
	struct crypto_aead *aead;
	u8 key[KEY_LEN];
	int err;
	u8 *buf;

	if (!ms || ms > 10000)
		return -EINVAL;
	buf = kzalloc(ASSOC_LEN + sizes[ARRAY_SIZE(sizes) - 1] + ICV_LEN, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	aead = crypto_alloc_aead("rfc4106(gcm(aes))", 0, 0);
	if (IS_ERR(aead)) {
		err = PTR_ERR(aead);
		goto err_free_buf;
	}
	get_random_bytes(key, sizeof(key));
	err = crypto_aead_setkey(aead, key, sizeof(key)) ?:
	      crypto_aead_setauthsize(aead, ICV_LEN);
	for (int i = 0; !err && i < ARRAY_SIZE(sizes); i++)
		err = measure(aead, buf, sizes[i], &ns_per_packet[i]);
	crypto_free_aead(aead);
err_free_buf:
	kfree(buf);
	return err;
}

static void __exit rfc4106_rate_exit(void)
{
}

module_init(rfc4106_rate_init);
module_exit(rfc4106_rate_exit);
MODULE_DESCRIPTION("Rate of rfc4106(gcm(aes)) on this kernel");
MODULE_LICENSE("GPL");
