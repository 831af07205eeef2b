# SPDX-License-Identifier: GPL-2.0
#
# Thin: every target is a command of the package in scripts/imock. Kbuild is
# what the kernel's build system reads.

TOP := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
PYTHON ?= python3
IMOCK = PYTHONPATH='$(TOP)scripts' $(PYTHON) -B -m imock

export KERNEL KSRC KDIR EFFORT SEED FILTER MINUTES BINDGEN RUST_LIB_SRC

TARGETS := modules modules_install clean setup demo check check-schedules \
	check-sanitize soak kunit uml vm lint bench docs report rust-analyzer purge

.DEFAULT_GOAL := modules
.NOTPARALLEL:
.PHONY: help $(TARGETS)

$(TARGETS):
	@$(IMOCK) $@

help:
	@sed 1d '$(TOP)scripts/help.txt'
