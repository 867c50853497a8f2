# The front door. Everything but `clean` first lets scripts/setup install what is missing.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
# How much of an evening `make soak` takes (0.1: twenty minutes), and at which seed it begins.
SCALE ?= 1
FIRST ?= 1

.PHONY: all profiled demo test bench soak install clean

all:
	scripts/setup build
	test -f build/build.ninja || meson setup build --prefix '$(abspath $(PREFIX))'
	ninja -C build installed

# The same, arranged by the profile of a run: into build-profiled/.
profiled:
	scripts/setup build
	scripts/profiled.sh --prefix '$(abspath $(PREFIX))'

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

# BUILD=build-profiled installs that one.
install: $(if $(filter build,$(BUILD)),all)
	meson configure '$(BUILD)' --prefix '$(abspath $(PREFIX))'
	ninja -C '$(BUILD)' installed
	DESTDIR='$(DESTDIR)' meson install -C '$(BUILD)' --no-rebuild

clean:
	rm -rf build build-*
