// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel that does not come to rest, and says nothing about it on its console:
 *
 *	loop=1	a kernel thread that never sleeps, until loop=0
 *	wait=1	whoever writes it waits, and cannot be killed, until wait=0 is written
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/wait.h>

static struct task_struct *looper;
static DECLARE_WAIT_QUEUE_HEAD(waiters);
static bool is_waiting;

static int do_loop(void *unused)
{
	while (!kthread_should_stop())
		cond_resched();
	return 0;
}

/* Under the module's parameter lock, as set_wait(). */
static int set_loop(const char *text, const struct kernel_param *kp)
{
	struct task_struct *task;
	bool is_wanted;
	int err;

	err = kstrtobool(text, &is_wanted);
	if (err || is_wanted == !!looper)
		return err;
	if (!is_wanted) {
		kthread_stop(looper);
		looper = NULL;
		return 0;
	}
	task = kthread_run(do_loop, NULL, "restless");
	if (IS_ERR(task))
		return PTR_ERR(task);
	looper = task;
	return 0;
}

/* The lock is given back for the wait: who ends it writes the same parameter. */
static int set_wait(const char *text, const struct kernel_param *kp)
{
	bool is_wanted;
	int err;

	err = kstrtobool(text, &is_wanted);
	if (err)
		return err;
	WRITE_ONCE(is_waiting, is_wanted);
	wake_up(&waiters);
	kernel_param_unlock(THIS_MODULE);
	wait_event(waiters, !READ_ONCE(is_waiting));
	kernel_param_lock(THIS_MODULE);
	return 0;
}

static const struct kernel_param_ops loop_ops = { .set = set_loop };
static const struct kernel_param_ops wait_ops = { .set = set_wait };

module_param_cb(loop, &loop_ops, NULL, 0200);
module_param_cb(wait, &wait_ops, NULL, 0200);

static int __init restless_init(void)
{
	return 0;
}

static void __exit restless_exit(void)
{
	if (looper)
		kthread_stop(looper);
}

module_init(restless_init);
module_exit(restless_exit);
MODULE_DESCRIPTION("A kernel that loops, or waits for ever");
MODULE_LICENSE("GPL");
