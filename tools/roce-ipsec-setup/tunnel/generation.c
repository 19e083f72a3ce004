// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Generations: the number under which keys are derived, the SPIs that go with it, and the
 * ledger that lets no number be used twice.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/report.h"
#include "bond.h"
#include "generation.h"

int key_open(struct setup *s)
{
	int err;

	if (s->opt->has_key_stdin)
		err = ipsec_roce_key_read_fd(s->h, STDIN_FILENO, &s->key);
	else
		err = ipsec_roce_key_read_file(s->h, s->opt->key_file, &s->key);
	if (!err)
		err = ipsec_roce_ledger_open(s->h, s->opt->state_dir, &s->ledger);
	return err ? library_fail(s, err) : 0;
}

bool generation_same(const struct generation *a, const struct generation *b)
{
	return a->number == b->number && !memcmp(a->fp, b->fp, sizeof(a->fp));
}

unsigned int generation_port(const struct generation *g, unsigned int n)
{
	return g->count[1] > 1 ? n + 1 : 0;
}

static int pick_number(struct setup *s, const struct tunnel *t, struct generation *g)
{
	uint32_t last;
	int err;

	if (s->opt->generation == GENERATION_FILE) {
		g->number = ipsec_roce_key_generation(s->key);
		return 0;
	}
	if (s->opt->generation != GENERATION_NEXT) {
		g->number = s->opt->generation;
		return 0;
	}
	err = ipsec_roce_ledger_last(s->ledger, g->fp, &t->local, &t->peer, &last);
	if (err)
		return library_fail(s, err);
	if (last == UINT32_MAX)
		return setup_fail(s, -ERANGE, "this key has no generation left; make a new one");
	/* A key file that starts at 5 was never used below 5, here or at the peer. */
	g->number = last ? last + 1 : ipsec_roce_key_generation(s->key);
	return 0;
}

static int spis_derive(struct setup *s, const struct tunnel *t, struct generation *g)
{
	struct ipsec_roce_flow flow = { .size = sizeof(flow), .generation = g->number,
					.key_bits = t->key_bits };
	int err = 0;

	for (unsigned int i = 0; !err && i < g->count[1]; i++) {
		flow.port = generation_port(g, i);
		flow.src = t->local;
		flow.dst = t->peer;
		err = ipsec_roce_flow_spi(s->h, s->key, &flow, &g->spi[0][i]);
		flow.src = t->peer;
		flow.dst = t->local;
		err = err ?: ipsec_roce_flow_spi(s->h, s->key, &flow, &g->spi[1][i]);
	}
	return err ? library_fail(s, err) : 0;
}

/*
 * Outbound as many SAs as the device needs, inbound as many as either host may send with. Both
 * derive the set by its size: a host that needs fewer leaves the rest of its outbound ones out.
 */
static int count_sas(struct setup *s, const struct tunnel *t, struct generation *g)
{
	int err = bond_choose(s, t, &g->count[0]);

	if (err)
		return err;
	g->count[1] = t->pairs ?: g->count[0];
	if (g->count[0] > g->count[1])
		return setup_fail(s, -EINVAL, "--ports %u: %s has %u ports with SAs of their own",
				  t->pairs, t->dev, g->count[0]);
	if (g->count[1] > 1 && (s->opt->spi_in || s->opt->spi_out))
		return setup_fail(s, -EINVAL,
				  "--spi-in and --spi-out name one SA, %u are needed here",
				  g->count[1]);
	return 0;
}

int generation_make(struct setup *s, const struct tunnel *t, struct generation *g)
{
	int err;

	*g = (struct generation){ 0 };
	err = ipsec_roce_key_fingerprint(s->h, s->key, g->fp);
	if (err)
		return library_fail(s, err);
	err = pick_number(s, t, g) ?: count_sas(s, t, g) ?: spis_derive(s, t, g);
	if (s->opt->spi_out)
		g->spi[0][0] = s->opt->spi_out;
	if (s->opt->spi_in)
		g->spi[1][0] = s->opt->spi_in;
	return err;
}

int generation_spend(struct setup *s, const struct tunnel *t, const struct generation *g)
{
	uint32_t last = 0;
	int err = ipsec_roce_ledger_spend(s->ledger, g->fp, &t->local, &t->peer, g->number);

	if (err != -EALREADY)
		return err ? library_fail(s, err) : 0;
	ipsec_roce_ledger_last(s->ledger, g->fp, &t->local, &t->peer, &last);
	if (last == UINT32_MAX)
		return setup_fail(s, err, "%s; use a fresh key file on both hosts",
				  ipsec_roce_message(s->h));
	return setup_fail(s, err, "%s; on both hosts use --generation %u (or `next`), or a fresh key file",
			  ipsec_roce_message(s->h), last + 1);
}
