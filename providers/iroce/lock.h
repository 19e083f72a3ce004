/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A mutex, or nothing for a program that promised to have one thread. It spins a
 * little, then sleeps: on a machine with one CPU a pure spinlock burns a whole time
 * slice waiting for a holder that cannot run.
 */
#ifndef IROCE_LOCK_H
#define IROCE_LOCK_H

#include <pthread.h>
#include <stdbool.h>

struct iroce_lock {
	pthread_mutex_t mutex;
	bool is_needed;
};

static inline void iroce_lock_init(struct iroce_lock *lock, bool is_needed)
{
	pthread_mutexattr_t attr;

	lock->is_needed = is_needed;
	if (!is_needed)
		return;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&lock->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
}

static inline void iroce_lock_fini(struct iroce_lock *lock)
{
	if (lock->is_needed)
		pthread_mutex_destroy(&lock->mutex);
}

static inline void iroce_lock(struct iroce_lock *lock)
{
	if (lock->is_needed)
		pthread_mutex_lock(&lock->mutex);
}

static inline void iroce_unlock(struct iroce_lock *lock)
{
	if (lock->is_needed)
		pthread_mutex_unlock(&lock->mutex);
}

#endif /* IROCE_LOCK_H */
