# The front door. Everything but `clean` first lets scripts/setup install what is missing.
PREFIX ?= /usr/local
DESTDIR ?=
# How much of an evening `make soak` takes (0.1: twenty minutes), and at which seed it begins.
SCALE ?= 1
FIRST ?= 1

.PHONY: all demo test bench soak install clean

all:
	scripts/setup build
	test -f build/build.ninja || meson setup build --prefix '$(abspath $(PREFIX))'
	ninja -C build installed

demo: all
	scripts/setup demo
	build/weir demo

test:
	scripts/setup build lint demo test programs
	./ci.sh

bench: all
	scripts/setup bench
	ninja -C build bench-programs
	tests/bench/run.py

soak:
	scripts/setup build lint demo test programs nightly
	./ci.sh soak --scale '$(SCALE)' --first '$(FIRST)'

install: all
	meson configure build --prefix '$(abspath $(PREFIX))'
	ninja -C build installed
	DESTDIR='$(DESTDIR)' meson install -C build --no-rebuild

clean:
	rm -rf build build-*
