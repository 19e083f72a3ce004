# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""rdma-core's own tests, as Debian ships them, on a VF.

    one device, two queue pairs: QP ---> switch inside the adapter ---> QP

MUST_PASS names each test that has to pass; the others skip themselves for what the device does not
offer (memory windows, XRC, ODP, atomics ..), but none may fail.  Tests that choose their wishes at
random and skip themselves for some of them are not in the list.
"""

import json
from pathlib import Path

import pytest

TESTS = "/usr/share/doc/rdma-core/tests"
MODULES = ("addr", "atomic", "cq", "cq_events", "cqex", "device", "fork", "mr", "parent_domain",
           "pd", "qp", "qpex", "rdmacm", "relaxed_ordering", "shared_pd", "srq", "tag_matching")

MUST_PASS = """
    addr.AHTest: create_ah create_ah_roce destroy_ah
    cq.CQAPITest: create_cq create_cq_bad_flow create_cq_with_comp_channel
    cq.CQTest: resize_cq
    cq_events.CqEventsTestCase: cq_events_rc cq_events_ud
    cqex.CQEXAPITest: create_cq_ex create_cq_ex_bad_flow
    cqex.CqExTestCase: rc_traffic_cq_ex ud_traffic_cq_ex
    device.DeviceTest: dev_list get_pkey_index open_dev phys_port_cnt_ex query_device
        query_device_ex query_gid query_gid_ex query_gid_ex_bad_flow query_gid_table
        query_gid_table_bad_flow query_pkey query_port query_port_bad_flow
    fork.ForkAPITest: is_fork_initialized
    mr.MRTest: reg_mr_bad_flags
    pd.PDTest: alloc_pd dealloc_pd destroy_pd_twice multiple_pd_creation
    qp.QPTest: create_rc_qp_no_attr create_rc_qp_with_attr create_ud_qp_no_attr
        create_ud_qp_with_attr
    qpex.QpExTestCase: full_rq_bad_flow post_receive_qp_state_bad_flow
        post_send_qp_state_bad_flow rq_with_larger_sgl_bad_flow
        qp_ex_rc_rdma_read_zero_size qp_ex_rc_rdma_write qp_ex_rc_rdma_write_imm
        qp_ex_rc_rdma_write_zero_length qp_ex_rc_send qp_ex_rc_send_imm
        qp_ex_ud_send qp_ex_ud_send_imm qp_ex_ud_zero_size
    rdmacm.CMTestCase: rdmacm_async_read rdmacm_async_reject_traffic rdmacm_async_traffic
        rdmacm_async_traffic_external_qp rdmacm_async_udp_traffic rdmacm_async_write
        rdmacm_sync_traffic
    relaxed_ordering.RoTestCase: ro_rc_traffic ro_ud_traffic
    srq.SrqTestCase: modify_srq_limit rc_srq_traffic
"""


def must_pass():
    names = set()
    for word in MUST_PASS.split():
        if word.endswith(":"):
            case = word[:-1]
        else:
            names.add(f"tests.test_{case}.test_{word}")
    return names


@pytest.mark.lab(scenario="vf")
def test_the_tests_of_rdma_core_pass(lab):
    host = lab.a
    host.run(f"rm -rf /tmp/pyverbs; mkdir /tmp/pyverbs; cp -r {TESTS} /tmp/pyverbs/tests; "
             "gunzip -f /tmp/pyverbs/tests/*.gz")
    host.put(Path(__file__).parent / "src/run_pyverbs.py", "/tmp/pyverbs/run.py")
    done = host.run(["python3", "-W", "ignore", "/tmp/pyverbs/run.py", "/tmp/pyverbs/tests",
                     ",".join(f"test_{m}" for m in MODULES), "--dev", host.env["RDMADEV"],
                     "--port", "1", "--gid", host.env["GIDX"]], timeout=400)
    result = json.loads(done.stdout.splitlines()[-1])
    assert not result["failed"], "\n".join(f"{n}\n{why}" for n, why in result["failed"].items())
    missing = must_pass() - set(result["passed"])
    assert not missing, "\n".join(f"{n}: {result['skipped'].get(n, 'does not exist')}"
                                  for n in sorted(missing))
