#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Installs what the build needs with the package client of Debian, Ubuntu and their kin; does
# nothing, quickly, when all of it is there. As root or through sudo.
#
# Highway 1.2 is needed, and some releases carry an older one. Then its source package is taken from
# a newer release of the same distribution, from the same archive and checked against the same keys
# as every package of this machine, into build/deps/highway, where CMake looks for it. The system's
# own list of packages stays as it is.
#
# Exit codes: 0 all there, 1 an installation failed, 3 cannot install here (what to do is printed).
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(g++ make cmake libsentencepiece-dev nlohmann-json3-dev libstb-dev libwebp-dev
  libcli11-dev libedit-dev libgtest-dev)
# Asio and Beast from 1.81 on; Debian 12's own libboost-dev is older.
if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
  packages+=(libboost1.81-dev)
else
  packages+=(libboost-dev)
fi
highway_needed=1.2
highway_preferred=1.3  # fixes for AVX-512 targets; taken where the choice is ours

explain() {
  cat >&2 <<EOF
Please install these and run this script again (or set GEMMA3_SKIP_SETUP=1 if they are there
already, under names that it does not know):
  a C++23 compiler with <expected> (GCC 12, Clang 16 or newer), make, CMake 3.22 or newer,
  SentencePiece, nlohmann/json, stb_image, CLI11, GoogleTest, the headers of Boost 1.81 or newer;
  optional: libedit, libwebp. Highway 1.2 or newer as a package, or as a source tree in
  build/deps/highway.
What is neither optional nor the compiler, CMake and Boost, CMake otherwise downloads, pinned by hash.
On Debian and Ubuntu:
  apt-get install ${packages[*]}
EOF
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

require_root() {
  [[ $(id -u) == 0 ]] && return
  if ! command -v sudo >/dev/null; then
    say "missing: $*; installing needs root, and there is no sudo"
    explain
    exit 3
  fi
  # Asks for the password here, where it can be seen, and not inside a step.
  if ! sudo -v; then
    say "missing: $*; sudo gave no permission to install"
    explain
    exit 3
  fi
}

lists_updated=
install_packages() {
  require_root "$@"
  if [[ -z $lists_updated ]]; then
    # A third-party entry that cannot be reached must not stop us: what counts is whether the
    # packages can be installed.
    optional_step setup-update "updating the list of packages" as_root apt-get -q update || true
    lists_updated=yes
  fi
  step setup-install "installing $*" \
    as_root apt-get -q install -y --no-install-recommends "$@"
}

installed_version() {  # empty if not installed
  { dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || true; } |
    sed -n 's/^installed //p'
}

missing_packages() {
  local known
  known=$({ dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } |
    sed -n 's/^installed //p')
  local name
  for name in "$@"; do
    grep -qx -- "$name" <<<"$known" || echo "$name"
  done
}

at_least() { dpkg --compare-versions "$1" ge "$2"; }

# Whether the compiler knows the newest part of the language and library that the sources use.
compiler_works() {
  command -v "$1" >/dev/null &&
    printf '#include <expected>\nstd::expected<int, int> x = 1;\n' |
    "$1" -std=c++2b -fsyntax-only -x c++ - 2>/dev/null
}

find_compiler() {
  local candidate
  for candidate in "${CXX:-c++}" g++-15 g++-14 g++-13 g++-12 clang++; do
    if compiler_works "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

# ---- Highway from a newer release ----

# One line "URI SUITE KEYRING" for each entry of this machine's apt sources that offers binary
# packages of the component main; KEYRING is "-" where the entry names none. Both file formats.
archive_entries() {
  local etc=${APT_SOURCES_DIR:-/etc/apt}
  local files=()
  local file
  for file in "$etc"/sources.list "$etc"/sources.list.d/*.list; do
    [[ -f $file ]] && files+=("$file")
  done
  if ((${#files[@]})); then
    awk '
      $1 == "deb" {
        line = $0; keyring = "-"
        if (match(line, /\[[^]]*\]/)) {
          options = substr(line, RSTART + 1, RLENGTH - 2)
          line = substr(line, 1, RSTART - 1) " " substr(line, RSTART + RLENGTH)
          count = split(options, option, /[ \t]+/)
          for (i = 1; i <= count; i++)
            if (option[i] ~ /^signed-by=\//) keyring = substr(option[i], 11)
        }
        count = split(line, part, /[ \t]+/)
        for (i = 4; i <= count; i++) if (part[i] == "main") { print part[2], part[3], keyring; break }
      }' "${files[@]}"
  fi
  for file in "$etc"/sources.list.d/*.sources; do
    [[ -f $file ]] || continue
    awk -v RS= '
      {
        uris = suites = components = types = enabled = ""; keyring = "-"
        count = split($0, line, "\n")
        for (i = 1; i <= count; i++) {
          if (line[i] ~ /^#/) continue
          colon = index(line[i], ":")
          key = tolower(substr(line[i], 1, colon - 1)); value = substr(line[i], colon + 1)
          gsub(/^[ \t]+|[ \t]+$/, "", value)
          if (key == "uris") uris = value
          if (key == "suites") suites = value
          if (key == "components") components = value
          if (key == "types") types = value
          if (key == "enabled") enabled = tolower(value)
          if (key == "signed-by" && value ~ /^\/[^ ]*$/) keyring = value
        }
        if (enabled == "no" || (" " types " ") !~ / deb / || (" " components " ") !~ / main /) next
        nu = split(uris, uri, /[ \t]+/); ns = split(suites, suite, /[ \t]+/)
        for (u = 1; u <= nu; u++) for (s = 1; s <= ns; s++) print uri[u], suite[s], keyring
      }' "$file"
  done
}

# The releases to try, in order; those that the archive does not (or no longer) have are skipped.
newer_suites() {
  case $1 in
    ubuntu) echo resolute questing plucky devel ;;
    *) echo trixie forky testing unstable ;;
  esac
}

# Calls apt with lists and caches in a private folder of the suite: no line of it reads or writes
# those of the system. What the machine's apt is configured to (proxies, checks) still holds.
private_apt() {
  local client=$1 suite=$2
  shift 2
  local work=$deps/apt-$suite
  "$client" -q -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=- \
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Get::List-Cleanup=0 \
    -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=2 "$@"
}

# Reads the suite's list of source packages; `found` receives its version of Highway, or nothing.
look_for_highway() {
  local uri=$1 suite=$2 keyring=$3
  local work=$deps/apt-$suite options="" components=main
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/download"
  if [[ $keyring != - ]]; then options="[signed-by=$keyring] "; fi
  if [[ $distribution == ubuntu ]]; then components="main universe"; fi
  printf 'deb-src %s%s %s %s\n' "$options" "$uri" "$suite" "$components" >"$work/sources.list"
  found=
  private_apt apt-get "$suite" -o APT::Update::Error-Mode=any update || return 0
  found=$({ private_apt apt-cache "$suite" showsrc highway 2>/dev/null || true; } |
    sed -n 's/^Version: //p' | sort -V | tail -n 1)
  echo "$suite has highway ${found:-(none)}"
}

# Unpacks that source package into build/deps/highway.
unpack_highway() {
  local suite=$1 version=$2
  (cd "$deps/apt-$suite/download" &&
    private_apt apt-get "$suite" --download-only --tar-only source "highway=$version") || return 1
  rm -rf "$deps/highway" "$deps/highway.partial"
  mkdir -p "$deps/highway.partial"
  tar -xf "$deps/apt-$suite"/download/highway_*.orig.tar.* -C "$deps/highway.partial" \
    --strip-components=1 || return 1
  # Moved into place when complete, so that an interrupted run is not taken for a finished one.
  mv "$deps/highway.partial" "$deps/highway"
}

highway_source_version() {  # of build/deps/highway; empty if there is none
  [[ -f $deps/highway/hwy/base.h ]] || return 0
  sed -n 's/^#define HWY_\(MAJOR\|MINOR\) \([0-9]*\).*/\2/p' "$deps/highway/hwy/base.h" | paste -sd. -
}

get_highway_source() {
  distribution=$(. /etc/os-release && echo "${ID:-}")
  local codename like
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  like=$(. /etc/os-release && echo "${ID_LIKE:-}")
  if [[ $distribution != debian && $distribution != ubuntu ]]; then
    [[ " $like " == *" ubuntu "* ]] && distribution=ubuntu || distribution=debian
  fi
  local uri suite keyring entries
  entries=$(archive_entries)
  # The archive of the running release itself, rather than that of its security fixes.
  read -r uri suite keyring < <(awk -v s="$codename" '$2 == s' <<<"$entries" | head -n 1) ||
    read -r uri suite keyring < <(head -n 1 <<<"$entries") || return 1
  local found="" best="" best_suite=""
  for suite in $(newer_suites "$distribution"); do
    if [[ $suite == "$codename" ]]; then continue; fi
    look_for_highway "$uri" "$suite" "$keyring"
    if [[ -z $found ]] || ! at_least "$found" "${best:-$highway_needed}"; then continue; fi
    best=$found
    best_suite=$suite
    if at_least "$best" "$highway_preferred"; then break; fi
  done
  local status=1
  if [[ -n $best ]] && unpack_highway "$best_suite" "$best"; then status=0; fi
  rm -rf "$deps"/apt-*
  return "$status"
}

set_up_highway() {
  local version
  version=$(installed_version libhwy-dev)
  if [[ -n $version ]] && at_least "$version" "$highway_needed"; then return; fi
  version=$(highway_source_version)
  if [[ -n $version ]] && at_least "$version" "$highway_needed"; then return; fi
  version=$(apt-cache policy libhwy-dev 2>/dev/null | sed -n 's/^ *Candidate: //p')
  if [[ -n $version && $version != "(none)" ]] && at_least "$version" "$highway_needed"; then
    install_packages libhwy-dev
    return
  fi
  if ! optional_step setup-highway "getting the Highway source package from a newer release" \
    get_highway_source; then
    say "no source package of Highway $highway_needed or newer: CMake will download the pinned one"
  fi
}

# ---- main ----

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  say "this machine has no apt, the only package client that this script knows"
  explain
  exit 3
fi
mkdir -p "$deps"

mapfile -t missing < <(missing_packages "${packages[@]}")
if ((${#missing[@]})); then
  install_packages "${missing[@]}"
fi

compiler=$(find_compiler)
if [[ -z $compiler ]]; then
  install_packages g++-12 || true  # releases whose default compiler is older still offer it
  compiler=$(find_compiler)
fi
if [[ -z $compiler ]]; then
  say "no C++ compiler with <expected> was found"
  explain
  exit 3
fi
if [[ $compiler == "${CXX:-c++}" ]]; then
  rm -f "$deps/environment"
else
  say "the default C++ compiler is too old: using $compiler"
  echo "export CXX=$compiler" >"$deps/environment"
fi

set_up_highway
if ((${#missing[@]})); then say "all that the build needs is there"; fi
