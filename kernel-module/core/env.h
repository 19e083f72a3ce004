/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The two worlds core is compiled in: the kernel and user space.
 * The only file that knows __KERNEL__. It names integer types, byte order, memory order and
 * error numbers; it demands no function of either world beyond memcpy, memset and memcmp.
 */
#ifndef IROCE_CORE_ENV_H
#define IROCE_CORE_ENV_H

#ifdef __KERNEL__

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/socket.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>

/*
 * Load a pointer that another CPU may be publishing. The address dependency orders
 * what is read through it, as in rcu_dereference().
 */
#define iroce_deref(p) READ_ONCE(p)
/* Order loads made through iroce_deref() before the loads that follow. */
#define iroce_deref_end() smp_rmb()

#else /* user space */

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#ifndef U32_MAX
#define U32_MAX ((u32)~0U)
#endif
#ifndef U64_MAX
#define U64_MAX ((u64)~0ULL)
#endif

#ifndef __packed
#define __packed __attribute__((__packed__))
#endif
#ifndef __must_check
#define __must_check __attribute__((__warn_unused_result__))
#endif
#ifndef __force
#define __force
#endif
#ifndef static_assert
#define static_assert _Static_assert
#endif

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#ifndef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#endif

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* C11 has no usable consume: acquire is the nearest, and it is what TSan understands. */
#define iroce_deref(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
/* They were acquire loads: nothing is left to do. */
#define iroce_deref_end() ((void)0)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define cpu_to_be16(x) ((__be16)__builtin_bswap16(x))
#define cpu_to_be32(x) ((__be32)__builtin_bswap32(x))
#define cpu_to_be64(x) ((__be64)__builtin_bswap64(x))
#define cpu_to_le32(x) ((__le32)(u32)(x))
#else
#define cpu_to_be16(x) ((__be16)(u16)(x))
#define cpu_to_be32(x) ((__be32)(u32)(x))
#define cpu_to_be64(x) ((__be64)(u64)(x))
#define cpu_to_le32(x) ((__le32)__builtin_bswap32(x))
#endif
#define be16_to_cpu(x) ((u16)cpu_to_be16((u16)(x)))
#define be32_to_cpu(x) ((u32)cpu_to_be32((u32)(x)))
#define be64_to_cpu(x) ((u64)cpu_to_be64((u64)(x)))
#define le32_to_cpu(x) ((u32)cpu_to_le32((u32)(x)))

#endif /* __KERNEL__ */

/* Publish a pointer to readers that use iroce_deref(): all earlier stores come first. */
#define iroce_publish(p, v) smp_store_release(&(p), v)

#endif /* IROCE_CORE_ENV_H */
