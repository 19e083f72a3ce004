// SPDX-License-Identifier: GPL-2.0
/*
 * What a batch of packets reads: its own list of SGEs, with references of its own.
 */
#include "batch.h"

/* Makes the batch independent of the WQE: own list of SGEs, own references. */
void iroce_batch_sges(struct iroce_batch *batch, const struct rvt_sge_state *ss)
{
	u8 i;

	batch->ss = *ss;
	batch->ss.sg_list = batch->sge;
	batch->n_mr = 0;
	for (i = 0; i < ss->num_sge; i++) {
		if (i)
			batch->sge[i - 1] = ss->sg_list[i - 1];
		batch->mr[i] = i ? ss->sg_list[i - 1].mr : ss->sge.mr;
		rvt_get_mr(batch->mr[i]);
		batch->n_mr++;
	}
}

void iroce_batch_put(struct iroce_batch *batch)
{
	while (batch->n_mr)
		rvt_put_mr(batch->mr[--batch->n_mr]);
}
