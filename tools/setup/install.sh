#!/usr/bin/env bash
# install.sh SECTION...: installs the packages of these sections of packages.apt that are missing.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Prints the packages of one section, without those whose command exists already.
section() {
  local name condition rest in_section=
  while read -r name condition rest; do
    case $name in
      '' | '#'*) ;;
      "[$1]") in_section=yes ;;
      '['*) in_section= ;;
      *)
        [[ $in_section ]] || continue
        [[ $condition == unless:* ]] && command -v "${condition#unless:}" >/dev/null && continue
        echo "$name"
        ;;
    esac
  done <"$root/packages.apt"
}

installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

if ! command -v apt-get >/dev/null; then
  echo "packages: no apt-get here; see packages.apt for what malmoi needs, then go on by hand" >&2
  exit 3
fi
missing=()
for wanted in "$@"; do
  if ! grep -qF "[$wanted]" "$root/packages.apt"; then
    echo "packages: no section [$wanted] in packages.apt" >&2
    exit 2
  fi
  while read -r package; do
    installed "$package" || missing+=("$package")
  done < <(section "$wanted")
done
if ((${#missing[@]} == 0)); then
  echo "packages: all of [$*] are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || {
    echo "packages: missing, and no sudo to install them with; as root: apt-get install ${missing[*]}" >&2
    exit 3
  }
  as_root=(sudo)
fi
echo "packages: installing ${#missing[@]}: ${missing[*]}"
if [[ ${MALMOI_YES:-} != 1 && -t 0 ]]; then
  read -r -p "install them with apt-get? [Y/n] " answer
  [[ ${answer:-y} == [Yy]* ]] || exit 3
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -q --no-install-recommends "${missing[@]}"
