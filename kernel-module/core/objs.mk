# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# The objects of core, relative to kernel-module/: Kbuild includes this file, and so can
# any module that wants core. Headers are included as "core/NAME.h".
iroce-core-objs := core/ask.o core/roce.o core/icrc.o core/esp.o core/replay.o \
		   core/headers.o core/selector.o core/sad.o core/spd.o core/lag.o

# Bonds: where an SA may live, and when it moves; and whose a frame is that comes to a port.
repl-core-objs := core/headers.o core/placement.o core/repl.o
