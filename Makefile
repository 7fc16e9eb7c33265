# A thin face over CMake: what each target does is in CMakePresets.json and cmake/.

JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
LISTEN ?= 127.0.0.1:8080
STORE  ?= rocksdb:./openwop-data
# How long `make fuzz` runs each target; `FUZZ_PRESET=fuzz` takes Clang and libFuzzer.
SECONDS     ?= 60
FUZZ_PRESET ?= asan
FUZZ_TARGETS = $(notdir $(wildcard test/fuzz/corpus/*))
# Worlds of `make simulate`.
SEEDS       ?= 10000
# More arguments for `make run`.
ARGS   ?=

DEPS     := cmake/install-deps.sh
# Explicit, because `make run` may have configured the same folder without them.
WITH_ALL := -DOPENWOP_BUILD_TESTS=ON -DOPENWOP_BUILD_BENCHMARKS=ON
SOURCES   = $(shell find include lib examples test benchmarks -name '*.h' -o -name '*.cpp' 2>/dev/null)

.DEFAULT_GOAL := build
.PHONY: run build test simulate picture bench asan tsan clang fuzz format format-check tidy layering install deps clean

# Build the reference server and start it. Nothing that only the tests need is installed or built.
run:
	@$(DEPS) run
	@test -f build/release/build.ninja || \
	  cmake --preset release -DOPENWOP_BUILD_TESTS=OFF -DOPENWOP_BUILD_BENCHMARKS=OFF
	cmake --build --preset release -j $(JOBS) --target openwop-refserver
	build/release/bin/openwop-refserver --store $(STORE) --workflows examples/workflows --listen $(LISTEN) $(ARGS)

build:
	@$(DEPS) test
	cmake --preset release $(WITH_ALL)
	cmake --build --preset release -j $(JOBS)

# The JUnit file is what .ci/run counts.
test: build
	ctest --preset release -j $(JOBS) --output-junit junit.xml

# Many worlds of the simulation, a share for each core. Any that breaks a promise is named with the seed that repeats it.
simulate:
	@$(DEPS) test
	cmake --preset release $(WITH_ALL)
	cmake --build --preset release -j $(JOBS) --target openwop_test_simulation
	@share=$$((($(SEEDS) + $(JOBS) - 1) / $(JOBS))); pids=; \
	for i in $$(seq 0 $$(($(JOBS) - 1))); do \
	  OPENWOP_SIM_FIRST=$$((i * share + 1)) OPENWOP_SIM_SEEDS=$$share \
	    build/release/bin/openwop_test_simulation '[simulation]' & pids="$$pids $$!"; \
	done; failed=0; for pid in $$pids; do wait $$pid || failed=1; done; exit $$failed

# The picture of the timeline page in the README, made by the page's tests.
picture: build
	CI=1 test/ui/run.sh build/release docs/timeline.png

bench:
	@$(DEPS) test
	cmake --preset release $(WITH_ALL)
	cmake --build --preset release -j $(JOBS) --target benchmarks
	@if [ -x benchmarks/run.sh ]; then benchmarks/run.sh build/release/bin; \
	else for b in build/release/bin/bench_*; do echo "== $$b"; "$$b" || exit 1; done; fi

# The whole suite under a sanitizer; a finding fails the test that met it.
asan tsan:
	@$(DEPS) test
	cmake --preset $@
	cmake --build --preset $@ -j $(JOBS)
	ctest --preset $@ -j $(JOBS)

clang:
	@$(DEPS) lint
	cmake --preset clang
	cmake --build --preset clang -j $(JOBS)
	ctest --preset clang -j $(JOBS)

# Under sanitizers. What is found is kept in the build folder, with the command that repeats it.
fuzz:
	@$(DEPS) $(if $(filter fuzz,$(FUZZ_PRESET)),lint,test)
	cmake --preset $(FUZZ_PRESET)
	cmake --build --preset $(FUZZ_PRESET) -j $(JOBS) --target fuzz_targets
	@for t in $(FUZZ_TARGETS); do echo "== $$t"; found=build/$(FUZZ_PRESET)/fuzz/$$t; mkdir -p $$found; \
	dict=; if [ -f test/fuzz/dict/$$t.dict ]; then dict=-dict=test/fuzz/dict/$$t.dict; fi; \
	build/$(FUZZ_PRESET)/bin/fuzz_$$t -max_total_time=$(SECONDS) -seed=$$(date +%s) -artifact_prefix=$$found/ $$dict \
	$$found test/fuzz/corpus/$$t || exit 1; done

format:
	@$(DEPS) format
	@echo $(SOURCES) | xargs -r clang-format -i

format-check:
	@$(DEPS) format
	@echo $(SOURCES) | xargs -r clang-format --dry-run -Werror

# Tests are left out: what Catch2's macros expand to is not ours to tidy.
tidy:
	@$(DEPS) lint
	cmake --preset tidy
	cmake --build --preset tidy
	run-clang-tidy -quiet -p build/tidy -j $(JOBS) '^$(CURDIR)/(lib|examples|benchmarks)/'

layering:
	@cmake/check_layering.sh

install: build
	cmake --install build/release --prefix $(PREFIX)

deps:
	@$(DEPS) all

clean:
	rm -rf build
