/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pieces of messages; 0, or -EMSGSIZE. bond.lock.
 */
#ifndef IPSEC_ROCE_MESSAGE_H
#define IPSEC_ROCE_MESSAGE_H

struct ipsec_roce_bond;
struct ipsec_roce_port;
struct ipsec_roce_sa;
struct sk_buff;

int ipsec_roce_put_name(struct sk_buff *msg, const struct ipsec_roce_bond *bond);
int ipsec_roce_put_port(struct sk_buff *msg, const struct ipsec_roce_bond *bond,
			const struct ipsec_roce_port *port);
int ipsec_roce_put_sa_id(struct sk_buff *msg, const struct ipsec_roce_sa *sa);

#endif /* IPSEC_ROCE_MESSAGE_H */
