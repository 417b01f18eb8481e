# Sourced by ./demo, ./check, tests/fuzz/run and kernel-notes/: what a fresh machine lacks is installed, then a
# preset is built. Relies on `top`, the repository's top directory. Nothing here reads from stdin.
# shellcheck shell=bash
: "${top:?}"

say() { printf '%s\n' "$*"; }
step() { printf '\n==> %s\n' "$*"; }
fail() {
  printf '\n%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# packages_in SECTION...: the lines of these sections of deploy/packages.txt
packages_in() {
  local section='' line
  while read -r line; do
    case $line in
      '' | '#'*) ;;
      '['*']') section=${line:1:-1} ;;
      *) [[ " $* " != *" $section "* ]] || printf '%s\n' "$line" ;;
    esac
  done <"$top/deploy/packages.txt" | sort -u
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# missing_packages SECTION...: lines of which no alternative is installed
missing_packages() {
  local line name
  packages_in "$@" | while read -r line; do
    for name in ${line//|/ }; do
      is_installed "$name" && continue 2
    done
    printf '%s\n' "$line"
  done
}

# For each line on stdin the first alternative the archive has; the last if it knows none.
choose_packages() {
  local line name
  while read -r line; do
    for name in ${line//|/ }; do
      [[ $line != *'|'* ]] && break
      apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]' && break
    done
    printf '%s ' "$name"
  done
}

# The lock may be held by the machine's own updates: wait for it.
as_root() {
  local sudo=()
  ((EUID == 0)) || sudo=(sudo -n)
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# install_missing SECTION...
install_missing() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "This system has no apt-get. If the build stops, install what corresponds to:"
    packages_in "$@" | sed 's/^/  /'
    return
  fi
  local missing packages
  missing=$(missing_packages "$@")
  [[ -n $missing ]] || { say "All packages needed are installed."; return; }
  if ((EUID != 0)) && ! sudo -n true 2>/dev/null; then
    packages=$(choose_packages <<<"$missing")
    say "Packages are missing, and this user may not install them. Run this, then again $0:"
    say "  sudo apt-get update && sudo apt-get install --no-install-recommends -y ${packages% }"
    exit 2
  fi
  as_root apt-get -q -o DPkg::Lock::Timeout=120 update || fail "apt-get update failed"
  packages=$(choose_packages <<<"$missing")
  step "apt-get install ${packages% }"
  # shellcheck disable=SC2086  # one word a package
  as_root apt-get -q -o DPkg::Lock::Timeout=120 install --no-install-recommends -y $packages ||
    fail "apt-get install failed; its messages are above"
}

# unpack_missing SECTION...: of lines "PACKAGE FILE" the files that are not installed, below
# build/tools, where programs are found from now on. What cannot be had is left out.
unpack_missing() {
  local tools="$top/build/tools" package file work
  export PATH="$PATH:$tools/usr/bin"
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
  mkdir -p "$tools"
  while read -r package file; do
    [[ ! -e /$file && ! -e $tools/$file ]] || continue
    say "unpacking /$file of $package"
    work=$(mktemp -d "$tools/XXXXXX")
    (cd "$work" && apt-get -q download "$package" </dev/null &&
      dpkg-deb --fsys-tarfile ./*.deb | tar -x -C "$tools" "./$file") >"$work/log" 2>&1 ||
      say "$package cannot be had, and tests that want it are skipped: $(tail -n 1 "$work/log")"
    rm -r "$work"
  done < <(packages_in "$@")
}

# The sanitizers of older compilers cannot map their shadow when addresses are more random.
readonly kSanitizerRandomBitsMax=28

# sanitizer_wrapper: the command, if any, to run under what a sanitizer was built into
sanitizer_wrapper() {
  local bits=0
  read -r bits 2>/dev/null </proc/sys/vm/mmap_rnd_bits || true
  if ((bits > kSanitizerRandomBitsMax)) && setarch -R true 2>/dev/null; then
    printf 'setarch -R'
  fi
}

# configure PRESET [CMAKE OPTION]...: quiet unless it fails. A tree of another compiler loses all of
# its settings, which CMake says and calls a success: then it is begun anew.
configure() {
  local log="$top/build/$1-configure.log"
  mkdir -p "$top/build"
  if (cd "$top" && cmake --preset "$@" </dev/null) >"$log" 2>&1; then
    grep -q 'require your cache to be deleted' "$log" || return 0
    (cd "$top" && cmake --fresh --preset "$@" </dev/null) >"$log" 2>&1 && return
  fi
  cat "$log" >&2
  say "cmake --preset $1 failed; its messages are above." >&2
  return 1
}
