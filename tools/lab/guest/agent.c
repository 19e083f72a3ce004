// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Runs commands inside a host for the lab outside, over virtio-serial ports.
 * In C and static, because a host without KVM feels every start of an interpreter.
 *
 * Every port carries one command at a time, so several commands run at once on several ports and
 * no daemon is needed outside.  A session on a port (integers big endian, strings end with NUL):
 *
 *   outside -> agent   HELLO | nonce[16]        starts anew whatever the port did before
 *   agent -> outside   HELLO | nonce[16]        all bytes before it belong to an older session
 *   then frames of     type[1] | length[4] | payload
 *   outside -> agent   C  n_env[4] | cwd | "NAME=value" * n_env | argv...     start
 *                      I  standard input        E  its end
 *                      S  signal[4] to the command's process group
 *   agent -> outside   1  stdout    2  stderr
 *                      X  status[4]: it ended (128 + N: by signal N)
 *                      F  errno[4]: it never started
 *
 * When the outside closes the port (Ctrl-C, timeout), the command's process group is killed; not at
 * once, for the kernel learns of closing and opening from another queue than the data comes in. On
 * a busy host a new session's HELLO and command overtake the news that the last one was closed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PORTS	64
#define HELLO_LEN	16
#define NONCE_LEN	16
#define HEADER_LEN	5
#define CHUNK		32768		/* what virtio-serial takes in one write */
#define BACKLOG		(8 * CHUNK)	/* stop reading one side while the other has this much */
#define GRACE_MS	300		/* how long children of an ended command may hold its output */
#define PORTS_MS	60000		/* how long a port may take to appear */
#define HANGUP_MS	2000		/* how long a port is closed before its session is over */

struct buffer {
	uint8_t *data;
	size_t len, size;
};

struct session {
	int port;			/* open for ever */
	bool greeted;
	struct buffer in, out, input;	/* from the port, to the port, to the command's stdin */
	pid_t pid;			/* 0: none */
	int pidfd;
	int stdin_fd, stream[2];	/* -1: closed */
	bool input_ended, exited;
	int status;
	int64_t exit_ms;
	int64_t hangup_ms;		/* since when the port is closed; 0: open */
};

static struct session sessions[MAX_PORTS];
static int n_sessions;
static uint8_t hello[HELLO_LEN];
static char **base_env;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void put(struct buffer *b, const void *data, size_t len)
{
	if (b->len + len > b->size) {
		b->size = (b->len + len) * 2;
		b->data = realloc(b->data, b->size);
		if (!b->data) {
			perror("agent");
			exit(1);
		}
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void drop(struct buffer *b, size_t len)
{
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

static void send_frame(struct session *s, char type, const void *data, size_t len)
{
	uint32_t be = htobe32(len);

	put(&s->out, &type, 1);
	put(&s->out, &be, sizeof(be));
	put(&s->out, data, len);
}

static void send_number(struct session *s, char type, uint32_t number)
{
	uint32_t be = htobe32(number);

	send_frame(s, type, &be, sizeof(be));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Forgets the command; one that still runs is killed with its process group. */
static void end_command(struct session *s)
{
	if (s->pid && !s->exited) {
		kill(-s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
	s->exited = false;
	s->input_ended = false;
	s->input.len = 0;
	close_fd(&s->pidfd);
	close_fd(&s->stdin_fd);
	close_fd(&s->stream[0]);
	close_fd(&s->stream[1]);
}

/* In the child: only async-signal-safe calls, and execvpe. */
static void run_child(const int fds[3], const char *cwd, char **argv, char **env, int report)
{
	sigset_t none;
	int err;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	if (chdir(cwd) == 0)
		execvpe(argv[0], argv, env);
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

static int spawn(struct session *s, const char *cwd, char **argv, char **env)
{
	int in[2], out[2], errs[2], report[2], err = 0;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(errs, O_CLOEXEC) ||
	    pipe2(report, O_CLOEXEC))
		return errno;		/* out of descriptors: the outside will hang up */
	pid = fork();
	if (pid == 0)
		run_child((int[3]){ in[0], out[1], errs[1] }, cwd, argv, env, report[1]);
	if (pid < 0)
		err = errno;
	close(in[0]);
	close(out[1]);
	close(errs[1]);
	close(report[1]);
	/* Closed by a successful exec. */
	if (!err && read(report[0], &err, sizeof(err)) > 0)
		waitpid(pid, NULL, 0);
	else if (!err)
		s->pid = pid;
	close(report[0]);
	if (err) {
		close(in[1]);
		close(out[0]);
		close(errs[0]);
		return err;
	}
	s->pidfd = syscall(SYS_pidfd_open, pid, 0);
	s->stdin_fd = in[1];
	s->stream[0] = out[0];
	s->stream[1] = errs[0];
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	return 0;
}

/* Cuts len bytes of NUL-ended strings into a list; NULL if they are not that. */
static char **split(char *data, size_t len, size_t *count)
{
	char **list;
	size_t n = 0;

	if (!len || data[len - 1])
		return NULL;
	for (size_t i = 0; i < len; i++)
		n += !data[i];
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		list[i] = data;
		data += strlen(data) + 1;
	}
	*count = n;
	return list;
}

static void start(struct session *s, char *data, size_t len)
{
	size_t count, n_env, n_base = 0;
	char **words = NULL, **env = NULL;
	uint32_t be;
	int err = EINVAL;

	if (len < sizeof(be))
		goto out;
	memcpy(&be, data, sizeof(be));
	n_env = be32toh(be);
	words = split(data + sizeof(be), len - sizeof(be), &count);
	if (!words || n_env > count || count < n_env + 2)
		goto out;
	while (base_env[n_base])
		n_base++;
	env = calloc(n_base + n_env + 1, sizeof(*env));
	if (!env)
		goto out;
	/* The first of two equal names wins in getenv. */
	memcpy(env, words + 1, n_env * sizeof(*env));
	memcpy(env + n_env, base_env, n_base * sizeof(*env));
	err = spawn(s, words[0], words + 1 + n_env, env);
out:
	if (err)
		send_number(s, 'F', err);
	free(env);
	free(words);
}

static void take_frame(struct session *s, char type, uint8_t *data, size_t len)
{
	uint32_t be;

	switch (type) {
	case 'C':
		if (!s->pid)
			start(s, (char *)data, len);
		break;
	case 'I':
		if (s->stdin_fd >= 0)
			put(&s->input, data, len);
		break;
	case 'E':
		s->input_ended = true;
		break;
	case 'S':
		if (len == sizeof(be) && s->pid && !s->exited) {
			memcpy(&be, data, sizeof(be));
			kill(-s->pid, be32toh(be));
		}
		break;
	default:
		fprintf(stderr, "agent: unknown frame %02x\n", (uint8_t)type);
	}
}

/* A HELLO anywhere starts anew: the session before it may have been torn in mid-frame. */
static bool find_hello(struct session *s)
{
	uint8_t *at = memmem(s->in.data, s->in.len, hello, HELLO_LEN);
	size_t skip;

	if (!at)
		return true;
	skip = at - s->in.data + HELLO_LEN;
	if (s->in.len < skip + NONCE_LEN)
		return false;
	end_command(s);
	s->out.len = 0;
	put(&s->out, at, HELLO_LEN + NONCE_LEN);
	drop(&s->in, skip + NONCE_LEN);
	s->greeted = true;
	return find_hello(s);
}

static void take(struct session *s)
{
	uint32_t be;

	if (!find_hello(s))
		return;
	if (!s->greeted) {
		if (s->in.len > HELLO_LEN)
			drop(&s->in, s->in.len - HELLO_LEN);
		return;
	}
	while (s->in.len >= HEADER_LEN) {
		memcpy(&be, s->in.data + 1, sizeof(be));
		if (s->in.len < HEADER_LEN + be32toh(be))
			return;
		take_frame(s, s->in.data[0], s->in.data + HEADER_LEN, be32toh(be));
		drop(&s->in, HEADER_LEN + be32toh(be));
	}
}

static void feed_stdin(struct session *s)
{
	ssize_t n;

	if (s->input.len) {
		n = write(s->stdin_fd, s->input.data, s->input.len);
		if (n > 0)
			drop(&s->input, n);
		else if (errno != EAGAIN && errno != EINTR)
			goto end;	/* nobody reads it any more */
	}
	if (s->input.len || !s->input_ended)
		return;
end:
	s->input.len = 0;
	close_fd(&s->stdin_fd);
}

static void drain(struct session *s, int which)
{
	uint8_t data[CHUNK];
	ssize_t n = read(s->stream[which], data, sizeof(data));

	if (n > 0)
		send_frame(s, '1' + which, data, n);
	else if (n == 0 || errno != EINTR)
		close_fd(&s->stream[which]);
}

/* After the exit only what is still in the pipes counts, not who else holds them. */
static void watch_exit(struct session *s)
{
	int status;

	if (s->pid && !s->exited && waitpid(s->pid, &status, WNOHANG) == s->pid) {
		s->exited = true;
		s->exit_ms = now_ms();
		s->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	if (!s->exited)
		return;
	if ((s->stream[0] < 0 && s->stream[1] < 0) || now_ms() - s->exit_ms > GRACE_MS) {
		status = s->status;
		end_command(s);
		send_number(s, 'X', status);
	}
}

/* The outside is gone. */
static void hang_up(struct session *s)
{
	end_command(s);
	s->greeted = false;
	s->in.len = 0;
	s->out.len = 0;
}

static void port_event(struct session *s, short events)
{
	uint8_t data[CHUNK];
	ssize_t n;

	if (events & POLLHUP)
		return;			/* see is_closed() */
	if (events & POLLIN) {
		n = read(s->port, data, sizeof(data));
		if (n > 0) {
			put(&s->in, data, n);
			take(s);
		}
	}
	if (events & POLLOUT && s->out.len) {
		n = write(s->port, s->out.data, s->out.len < CHUNK ? s->out.len : CHUNK);
		if (n > 0)
			drop(&s->out, n);
	}
}

/*
 * A closed port reports POLLHUP for ever: it is not polled, SIGIO tells when that changes. What
 * is left of its session ends when it stays closed.
 */
static bool is_closed(struct session *s, int *timeout)
{
	struct pollfd look = { .fd = s->port, .events = POLLIN };

	if (poll(&look, 1, 0) != 1 || !(look.revents & POLLHUP)) {
		s->hangup_ms = 0;
		return false;
	}
	if (!s->greeted && !s->pid)
		return true;
	if (!s->hangup_ms)
		s->hangup_ms = now_ms();
	if (now_ms() - s->hangup_ms >= HANGUP_MS)
		hang_up(s);
	else if (*timeout < 0)
		*timeout = HANGUP_MS;
	return true;
}

struct slot {
	struct session *s;
	enum { PORT, STDIN, STDOUT, STDERR, CHILD } what;
};

static int add(struct pollfd *fds, struct slot *slots, int n, struct session *s, int what, int fd,
	       short events)
{
	if (fd < 0)
		return n;
	fds[n] = (struct pollfd){ .fd = fd, .events = events };
	slots[n] = (struct slot){ .s = s, .what = what };
	return n + 1;
}

static void loop_once(int wake)
{
	struct pollfd fds[MAX_PORTS * 5 + 1];
	struct slot slots[MAX_PORTS * 5 + 1];
	int n = 0, timeout = -1;
	char junk[64];

	for (int i = 0; i < n_sessions; i++) {
		struct session *s = &sessions[i];
		bool room = s->out.len < BACKLOG;

		if (is_closed(s, &timeout))
			continue;
		n = add(fds, slots, n, s, PORT, s->port,
			(s->input.len < BACKLOG ? POLLIN : 0) | (s->out.len ? POLLOUT : 0));
		if (s->input.len || s->input_ended)
			n = add(fds, slots, n, s, STDIN, s->stdin_fd, POLLOUT);
		if (room) {
			n = add(fds, slots, n, s, STDOUT, s->stream[0], POLLIN);
			n = add(fds, slots, n, s, STDERR, s->stream[1], POLLIN);
		}
		if (s->pid && !s->exited)
			n = add(fds, slots, n, s, CHILD, s->pidfd, POLLIN);
		if (s->exited)
			timeout = GRACE_MS;
	}
	fds[n] = (struct pollfd){ .fd = wake, .events = POLLIN };
	if (poll(fds, n + 1, timeout) < 0)
		return;
	while (read(wake, junk, sizeof(junk)) > 0)
		;
	for (int i = 0; i < n; i++) {
		struct session *s = slots[i].s;
		short events = fds[i].revents;

		/* An event before this one may have closed what this one is about. */
		if (slots[i].what == PORT && events)
			port_event(s, events);
		else if (slots[i].what == STDIN && events && fds[i].fd == s->stdin_fd)
			feed_stdin(s);
		else if (slots[i].what == STDOUT && events && fds[i].fd == s->stream[0])
			drain(s, 0);
		else if (slots[i].what == STDERR && events && fds[i].fd == s->stream[1])
			drain(s, 1);
	}
	for (int i = 0; i < n_sessions; i++)
		watch_exit(&sessions[i]);
}

static int wake_pipe[2];

static void on_sigio(int sig)
{
	int saved = errno;

	(void)sig;
	if (write(wake_pipe[1], "", 1) < 0)
		errno = 0;	/* full: the loop wakes anyway */
	errno = saved;
}

static bool is_agent_port(const char *name)
{
	char path[300], text[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", name);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return !strncmp(text, "agent", 5);
}

/*
 * Opens the ports that are there by now; those that are open already say EBUSY. A port appears
 * when its device is there, its name when QEMU has told it, its node when devtmpfs has made it:
 * nothing promises an order, so whoever calls calls until it has all.
 */
static void open_ports(void)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	char path[300];
	int fd;

	while (dir && (entry = readdir(dir)) && n_sessions < MAX_PORTS) {
		if (entry->d_name[0] == '.' || !is_agent_port(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0) {
			if (errno != EBUSY && errno != ENOENT && errno != ENXIO)
				perror(path);
			continue;
		}
		fcntl(fd, F_SETOWN, getpid());
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
		sessions[n_sessions++] = (struct session){
			.port = fd, .pidfd = -1, .stdin_fd = -1, .stream = { -1, -1 },
		};
	}
	if (dir)
		closedir(dir);
}

/* All of them: the outside takes any port that it finds free. */
static bool wait_ports(int wanted)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	int64_t end = now_ms() + PORTS_MS;

	for (;;) {
		open_ports();
		if (n_sessions >= wanted)
			return true;
		if (now_ms() > end)
			return false;
		nanosleep(&moment, NULL);
	}
}

/* agent PORTS: how many ports QEMU gave this host. */
int main(int argc, char **argv, char **env)
{
	struct sigaction act = { .sa_handler = on_sigio };
	int wanted = argc > 1 ? atoi(argv[1]) : 1;

	base_env = env;
	/* Computed, so that no file that travels over a port contains it. */
	for (int i = 0; i < HELLO_LEN; i++)
		hello[i] = (i * 151 + 89) ^ 0xa5;
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK))
		return 1;
	sigaction(SIGIO, &act, NULL);
	if (!wait_ports(wanted)) {
		fprintf(stderr, "agent: %d of %d ports after %d s\n", n_sessions, wanted,
			PORTS_MS / 1000);
		return 1;
	}
	for (;;)
		loop_once(wake_pipe[0]);
}
