# Steps that ./malmoi-demo and ./malmoi-test share. Sourced; $root is the repository's folder.

# The set-up scripts and build/venv use Debian's Python where there is one: the pinned wheels are
# for it.
python=/usr/bin/python3
[[ -x $python ]] || python=python3

step_number=0
step() {
  step_number=$((step_number + 1))
  printf '\n== %d. %s\n' "$step_number" "$*"
}

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 3
}

build() {
  "$python" "$root/tools/setup/build.py" "$@"
}

assets() {
  "$python" "$root/tools/setup/assets.py" "$@"
}

# Installs the given requirement files; prints the environment's interpreter.
environment() {
  "$python" "$root/tools/setup/environment.py" "$@"
}
