# make run     a shell in an Alpine container        make test     every check, on this kernel and a second one
# make setup   what both need, into .venv            make interop  the same work beside docker, podman, runc, ...
# make bench   timings beside the others             make clean    undo setup (Debian's packages stay)
# make man     a man page for each command           make install  below PREFIX [/usr/local], with units; make uninstall
#
# Set-up writes only to stderr and reads nothing, so that `echo 'ls' | make run` gives the container's output.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.PHONY: help setup setup-test install install-units uninstall run man test lint types layers test-native test-vm interop bench clean
.DEFAULT_GOAL := help

# The distribution's own first: it is built with profile-guided optimisation and starts faster than most others.
PYTHONS  = /usr/bin/python3 python3.13 python3.12 python3.11 python3
# To build python-prctl: a compiler and libcap. To run: libseccomp, nft, modprobe, tini as a container's init.
# busybox is an image's content.
PACKAGES = ca-certificates gcc libc6-dev python3-dev python3-venv libcap-dev libseccomp2 nftables kmod \
           busybox-static tini
# A kernel with all cgroup v2 controllers, a systemd to boot in it, `ip` and `sysctl`, a client for published ports, both
# kinds of iptables to live beside, strace as a witness, vagrant for `vagrant validate`; what containers without root need.
TEST_PACKAGES    = iproute2 procps curl git iptables strace user-mode-linux vagrant systemd dbus libpam-systemd \
                   btrfs-progs xfsprogs uidmap slirp4netns apparmor
INTEROP_PACKAGES = docker.io podman skopeo umoci runc crun docker-registry nginx-light openssl mmdebstrap \
                   chromium chromium-driver fonts-dejavu-core

# GNU make adds nothing to $(error): one line, and no work begun.
ROOTLESS = help clean lint types layers
ifneq ($(filter-out $(ROOTLESS),$(MAKECMDGOALS)),)
ifneq ($(shell id -u),0)
$(error minidock works on namespaces, mounts and networks and needs root. Try: sudo make $(MAKECMDGOALS))
endif
endif

# $(call debian,PACKAGES): install those that dpkg does not have; apt is not called when none is missing.
define debian
@have=" $$(dpkg-query -Wf '$${db:Status-Status}:$${Package} ' $(1) 2>/dev/null)"; missing=; \
for package in $(1); do case "$$have" in *" installed:$$package "*) ;; *) missing="$$missing $$package" ;; esac; done; \
[ -z "$$missing" ] && exit 0; \
command -v apt-get >/dev/null || { echo "not a Debian: please install the likes of$$missing" >&2; exit 0; }; \
echo "installing Debian packages:$$missing" >&2; \
export DEBIAN_FRONTEND=noninteractive; \
{ apt-get -qq update; apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends -y $$missing; } \
    </dev/null >.apt.log 2>&1 || { cat .apt.log >&2; exit 1; }; rm -f .apt.log
endef

# Sets $$python. One that cannot build an extension module is of no use here: hence the look for Python.h.
define find_python
for python in $(PYTHONS); do \
    $$python -c 'import ensurepip, os, sys, sysconfig as s; sys.exit(sys.version_info < (3, 11) or \
        not os.path.exists(s.get_path("include") + "/Python.h"))' </dev/null 2>/dev/null && break; python=; \
done; \
[ -n "$$python" ] || { echo "minidock needs Python 3.11 or newer with its headers; tried: $(PYTHONS)" >&2; exit 1; }
endef

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# Half of a container's start is reading modules. Where the environment forbids Python to keep compiled ones
# (PYTHONDONTWRITEBYTECODE), it would compile all of them each time.
setup: .venv/.packages .venv/.installed
	@.venv/bin/python -m compileall -q minidock

setup-test: setup .venv/.packages-test .venv/.installed-test ; @:

# The lists of packages are in this file: when it changes, dpkg is asked again, but pip is not.
.venv/.packages: Makefile
	$(call debian,$(PACKAGES))
	@mkdir -p .venv; touch $@

.venv/.packages-test: Makefile | .venv/.packages
	$(call debian,$(TEST_PACKAGES))
	@touch $@

.venv/.installed: setup.cfg pyproject.toml constraints.txt | .venv/.packages
	@$(find_python); \
	echo "installing minidock into .venv" >&2; \
	{ $$python -m venv .venv && .venv/bin/pip install -qq -c constraints.txt -e . && \
	  .venv/bin/python -I -m minidock.cli.launcher; } </dev/null >&2
	@touch $@

.venv/.installed-test: .venv/.installed
	@echo "installing the tests' tools into .venv" >&2
	@{ .venv/bin/pip install -qq -c constraints.txt -e '.[test]' && .venv/bin/python -I -m minidock.cli.launcher; } </dev/null >&2
	@touch $@

PREFIX   = /usr/local
UNITS    = minidock.service minidock-shutdown.service minidock-docker.socket minidock-docker.service
UNIT_DIR = $(PREFIX)/lib/systemd/system
MAN_DIR  = $(PREFIX)/share/man/man1
# systemd reads its units anew, if it runs here.
reload   = [ ! -d /run/systemd/system ] || systemctl daemon-reload

# An environment of its own, as Debian keeps pip out of the system's; a link to its program; the units.
install: .venv/.packages install-units
	@$(find_python); \
	echo "installing minidock into $(PREFIX)" >&2; \
	{ $$python -m venv --clear "$(PREFIX)/lib/minidock" && \
	  "$(PREFIX)/lib/minidock/bin/pip" install -qq -c constraints.txt . && \
	  "$(PREFIX)/lib/minidock/bin/python" -I -m minidock.cli.launcher && mkdir -p "$(PREFIX)/bin" && \
	  ln -sfn ../lib/minidock/bin/minidock "$(PREFIX)/bin/minidock" && mkdir -p "$(MAN_DIR)" && \
	  ln -sfr "$(PREFIX)"/lib/minidock/share/man/man1/*.1 "$(MAN_DIR)"; } </dev/null >&2
	@[ ! -d /run/systemd/system ] || echo "to have containers back after a reboot: systemctl enable --now minidock" >&2

# Units that start $(PREFIX)/bin/minidock, whatever that is.
install-units:
	@mkdir -p "$(UNIT_DIR)"
	@for unit in $(UNITS); do sed 's|=minidock |=$(PREFIX)/bin/minidock |' "minidock/$$unit" >"$(UNIT_DIR)/$$unit"; done
	@$(reload)

# What runs goes on with the files that are removed here: so nothing may run.
uninstall:
	@[ ! -x "$(PREFIX)/bin/minidock" ] || [ -z "$$("$(PREFIX)/bin/minidock" ps -q)" ] || \
	    { echo "containers are running: minidock system stop" >&2; exit 1; }
	@[ ! -d /run/systemd/system ] || \
	    [ "$$(systemctl show -P FragmentPath minidock.service)" != "$(UNIT_DIR)/minidock.service" ] || \
	    systemctl --quiet disable --now $(UNITS) 2>/dev/null || :
	rm -rf "$(PREFIX)/lib/minidock" "$(PREFIX)/bin/minidock" $(UNITS:%="$(UNIT_DIR)/%") "$(MAN_DIR)"/minidock.1 "$(MAN_DIR)"/minidock-*.1
	@$(reload)
	@echo "images, containers and volumes stay in /var/lib/minidock" >&2

# On a terminal -i -t is the default; what a person's last command ended with is then no failure of make's. Fed from a
# pipe or a file, -i has to say that this is the shell's input.
run: setup
	@if [ -t 0 ]; then .venv/bin/minidock run --rm alpine sh || [ $$? -ne 125 ]; else .venv/bin/minidock run --rm -i alpine sh; fi

# All checks run, whatever fails; the last line names those that did. Beside the tests, the rest runs one after the other,
# and shows what it has to say when it is over.
test: setup-test
	@rm -f .venv/.failed
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target test-native lint test-vm types layers || \
	    { echo "failed:" $$(cat .venv/.failed) >&2; exit 1; }

or_tell = || { echo $@ >>.venv/.failed; exit 1; }

lint: setup-test
	@{ .venv/bin/ruff check --quiet --output-format concise && .venv/bin/ruff format --check --quiet; } $(or_tell)

types: setup-test
	@.venv/bin/mypy --strict minidock rootfs $(or_tell)

layers: setup-test
	@.venv/bin/lint-imports --no-logo $(or_tell)

# Two workers for each processor: a test waits for half of its time, for processes of its own that wait for one another.
WORKERS = $(shell echo $$((2 * $$(nproc))))

# Where this kernel has the controllers, the tests marked cgroup run natively, and those marked vm alone in the second.
# The + is for --output-sync: what might be another make is shown as it comes.
test-native: setup-test
	+@if .venv/bin/python tests/vm/uml.py --needed; then marks='not interop and not vm and not cgroup'; \
	else marks='not interop and not vm'; fi; \
	.venv/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "$$marks" $(or_tell)

test-vm: setup-test
	@if .venv/bin/python tests/vm/uml.py --needed; then marks='cgroup or vm'; else marks=vm; fi; \
	.venv/bin/python tests/vm/uml.py -- .venv/bin/python -m pytest -p no:cacheprovider -m "$$marks" $(or_tell)

interop: setup-test
	$(call debian,$(INTEROP_PACKAGES))
	@.venv/bin/python -m pytest -m interop; status=$$?; \
	[ $$status != 5 ] || echo "interop: no test is marked so, which is a failure of its own" >&2; exit $$status

man: setup-test
	@.venv/bin/python -m minidock.cli.man_pages build/man

bench: setup
	@.venv/bin/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv build *.egg-info .apt.log .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
