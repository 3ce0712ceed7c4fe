# The front door. Inside is meson + ninja (meson.build); each target first sees to the Debian
# packages of its own group (tools/install-packages), which costs nothing once they are there.
# `make help` lists what there is.
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
export ASK FAISS HNSWLIB KITH_DATA FUZZ_SECONDS WERROR
KITH = build/kith
# Debian's, which brings Debian's Python with it, whatever else is in PATH.
MESON = $(firstword $(wildcard /usr/bin/meson) meson)

need = @tools/install-packages build $(if $(HDF5),hdf5)
ready = @tools/configure build $(if $(HDF5),-Dhdf5=enabled) && \
    tools/quietly ninja -C build --quiet

all: ## the library and the command, into build/ (HDF5=1: the command reads HDF5 too)
	$(need)
	$(ready)
	@echo "built: build/kith, build/libkith.so, build/libkith.a"
.PHONY: all

demo: ## index the texts that ship with kith and ask them (ASK="control a telescope")
	$(need) demo
	$(ready)
	@KITH=$(KITH) KITH_DEMO=build/kith-demo demo/run.sh
.PHONY: demo

test: ## all tests that fit into some minutes; the last line counts them
	$(need) test
	@tools/runtests short
.PHONY: test

test-long: ## everything: sanitizers, clang, analyzer, NEON under an emulator, hours of torture
	$(need) test long
	@tools/runtests long
.PHONY: test-long

bench: ## the numbers we claim, beside their peers (FAISS=DIR HNSWLIB=DIR KITH_DATA=DIR)
	$(need) bench
	$(ready) all benches
	@KITH=$(KITH) bench/run
.PHONY: bench

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	$(need) fuzz
	@tools/runfuzz
.PHONY: fuzz

docs: ## docs/PARAMETERS.md and docs/kith.1 from the command's own tables
	$(need) docs
	$(ready)
	@$(KITH) docs parameters >build/PARAMETERS.md && mv build/PARAMETERS.md docs/PARAMETERS.md
	@$(KITH) docs man >build/kith.1 && mv build/kith.1 docs/kith.1
.PHONY: docs

install: ## header, libraries, command, man page (PREFIX=/usr/local DESTDIR=)
	$(need)
	$(ready)
	@$(MESON) configure build -Dprefix=$(abspath $(PREFIX)) && ninja -C build >build/install.log
	@$(MESON) install -C build --no-rebuild --quiet $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))
	@sed '/^#/d' build/meson-logs/install-log.txt | while read -r file; do \
	    [ -d "$$file" ] || echo "installed $$file"; done
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then /sbin/ldconfig; else \
	    echo "before programs find libkith.so: run ldconfig as root, or set LD_LIBRARY_PATH"; fi
.PHONY: install

clean: ## forget everything built
	rm -rf build build-*
.PHONY: clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /make \1\t/p' Makefile | expand -t 20
.PHONY: help
