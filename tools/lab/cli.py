# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The command line of roce-ipsec-lab."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys

from . import chroot, config, hostpkg, image, kernelname, kernels, project, tools
from .channel import Channel
from .config import LabError
from .host import to_argv
from .labs import Lab
from .progress import Progress
from .run import take_interrupts

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

DESCRIPTION = """\
Two virtual hosts, a and b, with two Ethernet cables between them and real Debian 13 kernels.
Needs neither RDMA hardware nor KVM.  Root is needed only to install what the host lacks.
"""
EPILOG = """\
A first look:
  sudo roce-ipsec-lab demo
By hand:
  roce-ipsec-lab up --scenario ipsec
  roce-ipsec-lab exec b -- sh -c '. /run/roce-ipsec-lab.env; ibv_rc_pingpong -d $RDMADEV -g $GIDX' &
  roce-ipsec-lab exec a -- sh -c \\
      '. /run/roce-ipsec-lab.env; ibv_rc_pingpong -d $RDMADEV -g $GIDX $PEER_IP'
  tcpdump -nr $(roce-ipsec-lab pcap 0) | head
  roce-ipsec-lab down
"""


def cmd_setup(args, progress) -> int:
    hostpkg.ensure(progress)
    extra = None
    if args.with_packages is not None:
        extra = sorted(set(args.with_packages.split()))
        for name in extra:
            if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name):
                raise LabError(f"{name!r} is not the name of a Debian package")
    img = image.ensure(progress, refresh=args.refresh, extra=extra)
    if extra is not None:
        image.remember_extra(extra)
    found = [kernels.ensure(img, "stable", progress, ask=True)]
    project.ensure(img, progress, project.parts_of(*found))
    found += newest(img, progress)
    progress.say(f"ready: Debian kernels {', '.join(k.release for k in found)}"
                 + (f", with {' '.join(img.info['with'])}" if img.info["with"] else ""))
    return 0


def newest(img: image.Image, progress) -> list[kernels.Kernel]:
    """The newest kernel with its modules, in a list; what is missing is said, and the rest goes on."""
    try:
        kernel = kernels.ensure(img, "newest", progress, ask=True)
        project.ensure(img, progress, project.parts_of(kernel))
    except LabError as err:
        progress.say(f"going on without the newest kernel: {err.brief}")
        return []
    return [kernel]


def cmd_up(args, progress) -> int:
    _ready(progress)
    lab = Lab.up(kernel=args.kernel, scenario=args.scenario, mtu=args.mtu, name=args.lab,
                 cpus=args.cpus, memory=args.memory, debug=args.debug, build=args.build,
                 capture=args.capture, cold=args.cold, progress=progress, keep=True)
    progress.say(f"lab {lab.name} is up: hosts a and b, {lab.kernel} kernel "
                 f"{lab.info['release']}, scenario "
                 f"{lab.scenario}, MTU {lab.mtu}, {'KVM' if lab.kvm else 'no KVM'}")
    return 0


def _ready(progress, for_tests: bool = False) -> None:
    """Every command may be the first one: it does what setup would."""
    hostpkg.ensure(progress, for_tests)


def cmd_exec(args, _progress) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise LabError("no command given; roce-ipsec-lab exec HOST -- CMD ...")
    host = Lab.attach(args.lab).host(args.host)
    # One word with blanks in it is a line for the shell, as with ssh.
    argv = to_argv(command[0]) if len(command) == 1 and " " in command[0] else command
    channel = Channel(host.machine.folder, host.name)
    try:
        return _relay(channel, argv)
    finally:
        channel.close()


def _relay(channel: Channel, argv: list[str]) -> int:
    """Moves the caller's streams until the command ends; Ctrl-C hangs up, which kills it."""
    stdin = sys.stdin.fileno() if sys.stdin and not sys.stdin.closed else None
    channel.start(argv)
    if stdin is None or os.isatty(stdin):
        # Nobody types ahead into a command that has no terminal.
        stdin = None
        channel.stdin_end()
    while channel.rc is None:
        # Standard input waits while the guest has not taken what it already got.
        extra = [stdin] if stdin is not None and len(channel.out) < 1 << 18 else []
        if stdin in channel.pump(None, extra) and stdin is not None:
            data = os.read(stdin, 1 << 16)
            if data:
                channel.stdin(data)
            else:
                stdin = None
                channel.stdin_end()
        for kind, payload in channel.frames():
            stream = sys.stdout if kind == b"1" else sys.stderr
            stream.buffer.write(payload)
            stream.buffer.flush()
    return channel.rc


def cmd_cut(args, _progress) -> int:
    Lab.attach(args.lab).cut(args.cable)
    return 0


def cmd_plug(args, _progress) -> int:
    Lab.attach(args.lab).plug(args.cable)
    return 0


def cmd_pcap(args, _progress) -> int:
    print(Lab.attach(args.lab).pcap(args.cable, args.host))
    return 0


def cmd_console(args, _progress) -> int:
    print(Lab.attach(args.lab).console(args.host))
    return 0


def cmd_put(args, _progress) -> int:
    Lab.attach(args.lab).host(args.host).put(args.local, args.remote)
    return 0


def cmd_get(args, _progress) -> int:
    Lab.attach(args.lab).host(args.host).get(args.remote, args.local)
    return 0


def cmd_inject(args, _progress) -> int:
    text = sys.stdin.read() if args.hex == "-" else args.hex
    try:
        frame = bytes.fromhex(text)
    except ValueError:
        raise LabError("the frame must be hexadecimal digits") from None
    Lab.attach(args.lab).inject(args.host, args.cable, frame)
    return 0


def cmd_down(args, progress) -> int:
    lab = Lab.attach(args.lab)
    with progress.step("stopping the hosts"):
        found = lab.down()
    for line in lab.crashes():
        print(f"a program crashed, no fault of the kernel: {line}", file=sys.stderr)
    for fault in found:
        print(f"kernel fault: {fault}\n", file=sys.stderr)
    if found:
        print(f"{len(found)} kernel fault(s); consoles: {lab.console('a').parent}",
              file=sys.stderr)
    return EXIT_FAILED if found else 0


def cmd_in_image(args, progress) -> int:
    _ready(progress)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    img = image.ensure(progress)
    there = [k for k in (kernels.find(img, role) for role in config.ROLES) if k]
    return chroot.call_in([*(k.root for k in there), img.root], command or ["bash"],
                          binds=[(os.getcwd(), "/src", "rw")], cwd="/src",
                          env={f"KDIR_{k.role.upper()}": k.build for k in there})


def cmd_tshark(args, progress) -> int:
    _ready(progress)
    img = image.ensure(progress)
    argv = [*tools.command(img, "tshark"), *args.arguments[args.arguments[:1] == ["--"]:]]
    sys.stdout.flush()
    os.execve(argv[0], argv, tools.environment(img))


def cmd_dispatch(args, progress) -> int:
    """demo, test, bench, canary and soak live in modules of their own and start their own hosts."""
    _ready(progress, for_tests=args.name == "test")
    module = importlib.import_module(f"lab.{args.name}")
    return module.main(args, progress)


def build_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="roce-ipsec-lab", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--lab", metavar="NAME", help="name of the lab, to run several at once "
                     "(default: $ROCE_IPSEC_LAB_NAME or 'lab')")
    top.add_argument("-q", "--quiet", action="store_true", help="no progress, only failures")
    sub = top.add_subparsers(dest="name", metavar="COMMAND", required=True)

    def add(name, call, text):
        parser = sub.add_parser(name, help=text, description=text)
        parser.set_defaults(call=call)
        return parser

    def host(parser):
        parser.add_argument("host", choices=config.HOSTS)

    def cable(parser):
        parser.add_argument("cable", type=int, choices=config.CABLES)

    setup = add("setup", cmd_setup, "install what the host lacks, build image and project")
    setup.add_argument("--with", dest="with_packages", metavar='"PKG ..."',
                       help="Debian packages to add to the hosts; \"\" takes them out again")
    setup.add_argument("--refresh", action="store_true",
                       help="build the image anew from today's packages")
    up = add("up", cmd_up, "boot hosts a and b, two cables between them")
    kernelname.add_option(up)
    up.add_argument("--scenario", choices=config.SCENARIOS, default="bare")
    up.add_argument("--mtu", type=int, choices=config.MTUS, default=1500)
    up.add_argument("--cpus", type=_positive,
                    help="CPUs of each host (default: 2 with KVM or four cores, else 1)")
    up.add_argument("--memory", type=_positive, metavar="MB", help="of each host (default: 1024)")
    up.add_argument("--no-debug", dest="debug", action="store_false",
                    help="without slab poisoning and KFENCE (faster)")
    up.add_argument("--no-build", dest="build", action="store_false",
                    help="a stock Debian, nothing of this project in it")
    up.add_argument("--cold", action="store_true",
                    help="boot, even if a snapshot of an earlier boot could go on")
    up.add_argument("--no-capture", dest="capture", action="store_false",
                    help="no capture of the cables")
    run = add("exec", cmd_exec, "run a command in a host as root; output and status pass through")
    host(run)
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD ...")
    for name, call, text in (("cut", cmd_cut, "carrier of a cable off, at both ends"),
                             ("plug", cmd_plug, "carrier of a cable on again")):
        cable(add(name, call, text))
    pcap = add("pcap", cmd_pcap, "print the path of the capture taken outside the guests")
    cable(pcap)
    pcap.add_argument("--host", choices=config.HOSTS, default="a", help="which end (default: a)")
    host(add("console", cmd_console, "print the path of a host's console log"))
    put = add("put", cmd_put, "copy a file into a host")
    host(put)
    put.add_argument("local")
    put.add_argument("remote")
    get = add("get", cmd_get, "copy a file out of a host")
    host(get)
    get.add_argument("remote")
    get.add_argument("local")
    inject = add("inject", cmd_inject, "let a raw Ethernet frame arrive at a host's cable")
    host(inject)
    cable(inject)
    inject.add_argument("hex", help="the frame in hexadecimal, '-': from standard input")
    add("down", cmd_down, "stop the hosts; non-zero if a console reported a kernel fault")
    in_image = add("in-image", cmd_in_image, "run a command in the guest image (not booted), the "
                   "current folder at /src; $KDIR_STABLE and $KDIR_NEWEST are the kernels' headers")
    in_image.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD ...")
    tshark = add("tshark", cmd_tshark, "run the guest image's tshark here, with the given arguments")
    tshark.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS")
    for name, text in (("demo", "the whole thing, step by step, with proof"),
                       ("bench", "instructions per packet, sealed and plain, beside rdma_rxe with "
                        "software ESP"),
                       ("canary", "do the modules build for Debian's coming kernels?"),
                       ("soak", "storms on a kernel that looks for faults (KASAN, lockdep ..)")):
        _add_arguments(add(name, cmd_dispatch, text), name)
    test = add("test", cmd_dispatch, "all tests: units, sanitizers, hosts on both kernels")
    _add_arguments(test, "test")
    return top


def _add_arguments(parser, name: str) -> None:
    """Lets the command's module add its options (demo, test, bench, canary, soak)."""
    try:
        module = importlib.import_module(f"lab.{name}")
    except ModuleNotFoundError as err:
        if err.name != f"lab.{name}":
            raise
        return
    if hasattr(module, "add_arguments"):
        module.add_arguments(parser)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def main(argv: list[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    if "tshark" in argv:
        # Its first argument is an option as a rule, which argparse would take for one of ours.
        argv.insert(argv.index("tshark") + 1, "--")
    args = build_parser().parse_args(argv)
    if args.lab:
        # Also for those that start hosts in a process of their own.
        os.environ["ROCE_IPSEC_LAB_NAME"] = args.lab
    try:
        # A polite end must unwind like Ctrl-C: temporary folders and hosts go with it.
        take_interrupts()
        return args.call(args, Progress(quiet=args.quiet))
    except LabError as err:
        print(f"roce-ipsec-lab: {err}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("roce-ipsec-lab: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as err:
        where = f"{err.filename}: " if err.filename else ""
        print(f"roce-ipsec-lab: {where}{err.strerror or err}", file=sys.stderr)
        return EXIT_FAILED
