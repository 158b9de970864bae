#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# One script for everything: dependencies, build, tests, installation. "./build.sh help" tells what it can do.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" # a link to the script serves, too
readonly root=$PWD
readonly build=$root/build

# Debian 12 and 13. "test" and "lint" are needed in addition, by those verbs only: test's are servers that the tests start themselves, on
# loopback, and what the OpenSMTPD that they unpack is linked with; lint's also serve fuzz and the deeper tests. ONE|OTHER is whichever of
# these names the release has; where it has none, the tests do without.
declare -A packages=(
  [build]="gcc libc6-dev cmake ninja-build pkgconf ca-certificates
    libgetdns-dev libcurl4-openssl-dev libssl-dev libevent-dev libsqlite3-dev libidn2-dev libjansson-dev zlib1g-dev libedit-dev
    libgmime-3.0-dev libhiredis-dev
    lua5.4 liblua5.4-dev lua-argparse"
  [test]="libcmocka-dev lua-busted lua-socket python3 python3-jsonschema openssl curl ldnsutils faketime unbound nginx-light iproute2 mount
    util-linux libevent-2.1-7|libevent-2.1-7t64 libdb5.3|libdb5.3t64 patchelf chromium fonts-dejavu-core"
  [lint]="clang libclang-rt-dev clang-tidy clang-format cppcheck lua-check shellcheck mandoc valgrind"
)
# The same for pkg-config, where there is no apt.
declare -A modules=(
  [build]="getdns libcurl openssl libevent_core sqlite3 libidn2 jansson zlib libedit gmime-3.0 hiredis lua5.4"
  [test]="cmocka"
  [lint]=""
)

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "build.sh: $*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

usage() {
  cat <<'HELP'
Usage: ./build.sh [VERB]

  build             install missing packages (with apt) and build; the default. Leaves build/mtasts
  demo              a mail domain with MTA-STS on this machine only, and what mtasts says about it
  test [PATTERN]    build and run the tests, or those whose name contains the pattern (a regular expression)
    --sanitize        with the address and undefined behaviour sanitizers, in build-asan/
    --valgrind        the C tests under valgrind, in build-valgrind/
  lint [CHECK...]   what the source must look like: warnings, clang-tidy, cppcheck, formats, directions of #include
  fuzz [SECONDS]    each fuzz target on its corpus, for so long (default 60); 0 only replays the corpus
  bench [NAME...]   the benchmarks, built as what is installed
  install           to PREFIX (default /usr/local), below DESTDIR if set
  api               writes what is made of lua/mtasts/api.lua: manual pages, definitions for editors, the table of its level
  env               prints what a shell needs to use the build:  eval "$(./build.sh env)"
  clean             removes build/ and build-*/

Variables: CC, CFLAGS, PREFIX, DESTDIR, JOBS (default: the number of processors),
NO_APT=1 (never install packages; say what is missing and stop).
HELP
}

jobs() { printf '%s' "${JOBS:-$(nproc 2>/dev/null || printf 2)}"; }

# ---- packages ----

# installed NAME[|NAME...]: one of them is.
installed() {
  local name
  for name in ${1//|/ }; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) != installed ]] || return 0
  done
  return 1
}

# fitting NAME[|NAME...]...: one a line; of several names the first that apt knows a package of (a name that is merely provided is none).
fitting() {
  local word name
  for word in "$@"; do
    if [[ $word != *"|"* ]]; then
      printf '%s\n' "$word"
      continue
    fi
    for name in ${word//|/ }; do
      [[ -n $(apt-cache show --no-all-versions "$name" 2>/dev/null) ]] || continue
      printf '%s\n' "$name"
      break
    done
  done
}

# Some packages bring a service and would start it. We only want the program: the tests start their own. policy-rc.d is Debian's way to
# say so; ours lives only while apt runs, and one that is there already (as in containers) is left alone and obeyed.
policy=/usr/sbin/policy-rc.d
services_held=
hold_services() {
  [[ ! -e $policy ]] || return 0
  trap release_services EXIT
  # shellcheck disable=SC2016 # $1 is for the shell that sudo starts
  as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy"
  services_held=1
}
release_services() {
  [[ -n $services_held ]] || return 0
  services_held=
  as_root rm -f "$policy"
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

apt_install() {
  local package service services=() fit=()
  for package in "$@"; do
    case $package in
      unbound) services+=(unbound) ;;
      nginx-light) services+=(nginx) ;;
    esac
  done
  say "mtasts is built and tested with what Debian has. These packages are not installed yet:"
  mapfile -t fit < <(fitting "$@")
  say "  ${fit[*]}"
  if [[ $(id -u) -ne 0 ]] && ! have sudo; then
    fail "installing them needs root, and there is no sudo. As root: apt-get install --no-install-recommends ${fit[*]}"
  fi
  say "apt-get installs them now$([[ $(id -u) -eq 0 ]] || printf ' (sudo may ask for your password)'). Services among them are not started."
  as_root true || fail "sudo does not let us. As root: apt-get install --no-install-recommends ${fit[*]}"
  hold_services
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null ||
    say "build.sh: apt-get update failed; going on with what apt knows already"
  mapfile -t fit < <(fitting "$@") # now apt knows what there is
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${fit[@]}" </dev/null ||
    fail "apt-get could not install the packages (see above). Does this machine reach its package servers?"
  release_services
  # Nor shall they start with the next boot; they were not here before us.
  if [[ -d /run/systemd/system ]]; then
    for service in ${services[@]+"${services[@]}"}; do as_root systemctl disable --quiet "$service" || true; done
  fi
}

# words GROUPS-LIST: one a line.
words() { tr -s '[:space:]' '\n' <<<"$1" | sed '/^$/d'; }

# need GROUP...: everything of these groups is there afterwards, or we have stopped with a clear text.
need() {
  local group name missing=() known=() wanted="" names=""
  for group in "$@"; do
    wanted+=" ${packages[$group]}"
    names+=" ${modules[$group]}"
  done
  if have dpkg-query && have apt-get; then
    while read -r name; do installed "$name" || missing+=("$name"); done < <(words "$wanted")
    [[ ${#missing[@]} -eq 0 ]] || mapfile -t known < <(fitting "${missing[@]}")
    [[ ${#known[@]} -gt 0 ]] || return 0
    [[ -z ${NO_APT:-} ]] || fail "missing packages: ${known[*]}"
    apt_install "${missing[@]}"
    return
  fi
  for name in cc cmake ninja pkg-config; do have "$name" || missing+=("$name"); done
  if have pkg-config; then
    while read -r name; do pkg-config --exists "$name" || missing+=("$name"); done < <(words "$names")
  fi
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "build.sh: this system has no apt, and these are missing:"
  say "  ${missing[*]}"
  say "Please install them with your package manager: the commands, and for each library its development files with"
  say "the pkg-config name shown. On Debian the packages are:"
  say "  $(words "$wanted" | tr '\n' ' ')"
  exit 1
}

# ---- building ----

# configure DIRECTORY [CMAKE OPTION...]: quiet unless something is wrong.
configure() {
  local to=$1 log
  shift
  { mkdir -p "$to" && [[ -w $to ]]; } || fail "cannot write in $to: build in a copy of this folder, or as its owner"
  log=$to/configure.log
  if ! cmake -G Ninja -S "$root" -B "$to" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    fail "cmake failed (see above)"
  fi
}

compile() {
  local to=$1
  shift
  ninja -C "$to" -j "$(jobs)" "$@" >&2 || fail "the build failed (see above)"
}

verb_build() {
  need build
  configure "$build" ${PREFIX:+-DCMAKE_INSTALL_PREFIX="$PREFIX"}
  compile "$build"
  [[ ! -x $build/mtasts ]] || say "Done: build/mtasts. Try: ./build.sh demo"
}

verb_demo() {
  need build test
  configure "$build"
  compile "$build"
  [[ -x $root/tests/world/demo ]] || fail "tests/world/demo is missing"
  exec "$root/tests/world/demo" "$@"
}

verb_install() {
  local owner
  need build
  [[ -d $build ]] || { mkdir -p "$build" && chown --reference="$root" "$build" 2>/dev/null; } || true
  owner=$(stat -c %U "$build")
  export PREFIX=${PREFIX:-/usr/local}
  # "sudo ./build.sh install" leaves no file of root's in somebody's build/, where it would stop the next build.
  if [[ $(id -u) -eq 0 && $owner != root && $owner != UNKNOWN ]] && have runuser; then
    runuser -u "$owner" -- "$root/build.sh" build
  else
    configure "$build" -DCMAKE_INSTALL_PREFIX="$PREFIX"
    compile "$build"
  fi
  # Folders that are made on the way are readable by all, too: root's umask may be 077, and the mail server must find us.
  (umask 022 && cmake --install "$build" >&2)
  chown --reference="$build" "$build/install_manifest.txt" 2>/dev/null || true
  # The linker's cache must learn of the library, but only where it was really installed.
  if [[ -z ${DESTDIR:-} && $(id -u) -eq 0 ]] && have ldconfig; then ldconfig; fi
}

# What is made of lua/mtasts/api.lua stands in the source, so that who packages mtasts has nothing to make.
verb_api() {
  need build
  configure "$build"
  compile "$build"
  "$build/mtasts" run "$root/lua/manual/write.lua"
  "$build/mtasts" run "$root/tests/lua/write_level.lua"
}

verb_env() {
  # The trailing ;; keeps Lua's own places.
  # shellcheck disable=SC2016 # $PATH is for the shell that reads this
  printf 'export PATH=%q:"$PATH"\n' "$build"
  printf 'export LUA_PATH=%q\n' "$build/share/lua/5.4/?.lua;$build/share/lua/5.4/?/init.lua;;"
  printf 'export LUA_CPATH=%q\n' "$build/lib/lua/5.4/?.so;;"
}

# ---- testing ----

# run_tests DIRECTORY [PATTERN [CTEST OPTION...]]: ctest, then one line that counts the cases. Skipped ones are named.
run_tests() {
  local to=$1 pattern=${2:-} status=0
  shift $(($# < 2 ? $# : 2))
  rm -f "$to/tests.xml"
  (cd "$to" && ctest --output-on-failure --no-tests=error -j "$(jobs)" --output-junit tests.xml --test-output-size-passed 10000000 \
    --test-output-size-failed 10000000 ${pattern:+-R "$pattern"} "$@") || status=$?
  [[ -s $to/tests.xml ]] || fail "no test was run"
  python3 "$root/tests/summary.py" "$to/tests.xml" || status=1
  return "$status"
}

verb_test() {
  local kind=plain pattern=
  while [[ $# -gt 0 ]]; do
    case $1 in
      --sanitize | --valgrind) kind=${1#--} ;;
      -*) fail "test: unknown option $1" ;;
      *) pattern=$1 ;;
    esac
    shift
  done
  need build test
  case $kind in
    plain)
      configure "$build"
      compile "$build"
      run_tests "$build" "$pattern"
      ;;
    sanitize)
      configure "$root/build-asan" -DCMAKE_BUILD_TYPE=Debug -DMTASTS_SANITIZE=address,undefined
      compile "$root/build-asan"
      export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
      export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
      run_tests "$root/build-asan" "$pattern"
      ;;
    valgrind)
      have valgrind || need lint
      # CMake puts the emulator in front of every test that is a program of ours, and of nothing else.
      configure "$root/build-valgrind" -DCMAKE_BUILD_TYPE=Debug \
        "-DCMAKE_CROSSCOMPILING_EMULATOR=valgrind;--quiet;--error-exitcode=99;--leak-check=full;--errors-for-leak-kinds=definite,indirect;--child-silent-after-fork=yes;--suppressions=$root/tests/valgrind.supp"
      compile "$root/build-valgrind"
      # Tests of many processes at once are about contention, which valgrind turns into minutes of waiting.
      MTASTS_TORTURE_LIGHT=1 run_tests "$root/build-valgrind" "${pattern:-^(unit|net)\.}" -E _processes
      ;;
  esac
}

verb_lint() {
  need build test lint
  exec "$root/tests/lint/run" "$@"
}

verb_fuzz() {
  local seconds=${1:-60} to=$root/build-fuzz target name passed=0 failed=0
  [[ $seconds =~ ^[0-9]+$ ]] || fail "fuzz: not a number of seconds: $seconds"
  need build test lint
  CC=clang configure "$to" -DCMAKE_BUILD_TYPE=Debug -DMTASTS_FUZZ=ON -DMTASTS_SANITIZE=address,undefined
  compile "$to" fuzzers
  for target in "$to"/fuzz/fuzz_*; do
    [[ -x $target ]] || continue
    name=${target##*/fuzz_}
    mkdir -p "$to/corpus/$name" "$root/tests/fuzz/corpus/$name"
    local arguments=(-max_total_time="$seconds" -print_final_stats=0 "$to/corpus/$name")
    [[ $seconds -gt 0 ]] || arguments=(-runs=0)
    say "---- $name: $(find "$root/tests/fuzz/corpus/$name" -type f | wc -l) inputs in its corpus"
    if "$target" -artifact_prefix="$to/$name-" -timeout=10 -rss_limit_mb=2048 "${arguments[@]}" "$root/tests/fuzz/corpus/$name" \
      >"$to/$name.log" 2>&1; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      tail -n 60 "$to/$name.log" >&2
      say "FAILED: $name; the input is in build-fuzz/$name-*"
    fi
  done
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [[ $failed -eq 0 && $passed -gt 0 ]]
}

verb_bench() {
  local to=$root/build-release program names=("$@") ran=0
  need build test
  configure "$to" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DMTASTS_BENCH=ON
  compile "$to"
  if [[ ${#names[@]} -eq 0 ]]; then
    for program in "$to"/bench/*; do [[ ! -x $program ]] || names+=("${program##*/}"); done
    for program in "$root"/tests/bench/*.sh; do [[ ! -x $program ]] || names+=("${program##*/}"); done
  fi
  export MTASTS_BUILD=$to
  for program in ${names[@]+"${names[@]}"}; do
    printf '== %s\n' "$program"
    if [[ -x $to/bench/$program ]]; then
      "$to/bench/$program"
    elif [[ -x $root/tests/bench/$program ]]; then
      "$root/tests/bench/$program"
    else
      fail "bench: there is no $program"
    fi
    ran=$((ran + 1))
  done
  [[ $ran -gt 0 ]] || fail "there are no benchmarks"
}

verb_clean() {
  rm -rf -- "$root"/build "$root"/build-*/
  say "Removed build/ and build-*/."
}

main() {
  local verb=${1:-build}
  [[ $# -eq 0 ]] || shift
  case $verb in
    build | demo | test | install | bench | fuzz | lint | clean | env | api) "verb_$verb" "$@" ;;
    help | -h | --help) usage ;;
    *)
      say "build.sh: unknown verb: $verb (./build.sh help lists them)"
      exit 64
      ;;
  esac
}
main "$@"
