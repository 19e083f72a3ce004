# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The lab: two virtual hosts, two cables between them, no hardware needed.

tools/roce-ipsec-lab is the command; this package is the same thing for Python programs
(tests/vm, the demo, the bench).  The topology is always this one:

        host a                                host b
    +------------+        cable 0         +------------+
    |     cable0 |------------------------| cable0     |
    |            |                        |            |
    |     cable1 |------------------------| cable1     |
    +------------+        cable 1         +------------+
           every end captured outside the guests (a0, a1, b0, b1)

Use:

    from lab import Lab

    with Lab.up(kernel="stable", scenario="ipsec", mtu=1500) as lab:
        a, b = lab.a, lab.b
        a.run("ping -c1 -W5 192.168.200.2")             # str: through sh -c; list: argv
        r = a.run(["ibv_devices"], check=False, timeout=30)
        r.rc, r.stdout, r.stderr                        # int, str, str
        srv = b.spawn(["ib_send_bw", "-d", b.env["RDMADEV"], "-x", b.env["GIDX"]])
        b.wait_port(18515)                              # polls until something listens
        ...
        srv.wait(timeout=60)                            # -> Result; .kill(sig), .poll(), .stdout
        lab.cut(0); lab.plug(0)
        lab.pcap(0), lab.pcap(0, host="b")              # pathlib.Path of a live capture
        lab.inject("b", 0, frame)                       # bytes of an Ethernet frame to b's end
        lab.console("a").read_text()
        a.put(local, "/tmp/x"); data = a.read("/tmp/y"); a.write("/tmp/z", b"..")
        a.get("/tmp/x", local)
    # leaving the block stops the hosts; lab.faults (list of str) tells what the consoles
    # reported, and LabFault is raised when there was something and no other exception is under way

Lab.up(kernel="stable", scenario="bare", mtu=1500, name=None, cpus=None, memory=None, debug=True,
       build=True, progress=None)
    boots a lab; name defaults to $ROCE_IPSEC_LAB_NAME or "lab".  debug: slab poisoning, KFENCE.
    kernel: "stable", "newest", or a series that one of them is of; lab.kernel is the role.
Lab.attach(name=None)           the lab that somebody else (`roce-ipsec-lab up`) started
lab.hosts                       {"a": Host, "b": Host}; also lab.a, lab.b, lab.host("a")
lab.kernel, lab.scenario, lab.mtu, lab.state (Path of the state folder)
lab.switch_on(cpus)             that many CPUs in each host, of those that it was started with (two at least)
lab.cut(n), lab.plug(n)         carrier off, on, at both ends of cable n (0 or 1)
lab.pcap(n, host="a")           capture of cable n at that host's end
lab.pcaps()                     all four
lab.inject(host, n, frame)      one raw frame arrives at that host's end of cable n
lab.console(host)               Path of the console log
lab.scan()                      kernel faults on the consoles up to now: list of str
lab.mark(text)                  writes a line to both kernel logs (and so to the consoles)
lab.down()                      stops both hosts, returns the list of faults
Host.run(cmd, check=True, timeout=120, input=None, env=None) -> Result
    check: raises CommandFailed (with output and exit status) if it exits non-zero
    timeout: seconds; the command and its children are killed and CommandTimeout is raised
    input: str or bytes for standard input (else /dev/null)
Host.spawn(cmd, env=None, input=None, is_fed=False) -> Process
    runs beside others; stdout, stderr gather; is_fed: standard input stays open, for .feed(text)
Process: .poll() -> int or None, .wait(timeout=None) -> Result, .kill(sig=15), .stdout, .stderr,
    .stop(sig=15) -> Result: kills and waits,
    .wait_output(text, timeout) until text shows up in stdout or stderr, .wait_line(number, timeout)
    -> str until stdout has that line; also a context manager that kills what still runs
Host.put(local, remote, mode=None, once=False), Host.get(remote, local), Host.read(remote) -> bytes,
Host.write(remote, data, mode=0o644)
Host.wait_port(port, proto="tcp", timeout=30)
Host.env                        /run/roce-ipsec-lab.env as a dict (empty in scenario bare)
Host.peer                       the other Host
Host.qmp(command, **arguments)  one QMP command, for what has no method

Errors are LabError; its text is meant for people.  CommandFailed, CommandTimeout and LabFault are
LabErrors too.  The guests' numbers: exit status 128+N stands for death by signal N.
"""

from .config import LabError
from .host import CommandFailed, CommandTimeout, Host, Process, Result
from .labs import Lab, LabFault

__all__ = ["CommandFailed", "CommandTimeout", "Host", "Lab", "LabError", "LabFault", "Process",
           "Result"]
