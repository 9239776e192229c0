# Builds of the tree for the rings. Sourced. Each build has one folder below build/ and is made or brought up to date.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

build_tree() { # name [meson options...]: prints nothing; the build is in $top/build/NAME
  local name=$1 dir; shift
  dir=$top/build/$name
  if [ ! -f "$dir/build.ninja" ]; then
    rm -rf "$dir"
    meson setup "$dir" "$top" "$@" >"$top/build-$name.log" 2>&1 || { cat "$top/build-$name.log" >&2; return 1; }
  fi
  ninja -C "$dir" >"$top/build-$name.log" 2>&1 || { tail -n 60 "$top/build-$name.log" >&2; return 1; }
  rm -f "$top/build-$name.log"
}

build_release() { build_tree release --buildtype=release -Dwerror=true; }
build_asan() { build_tree asan -Db_sanitize=address,undefined -Db_lundef=false -Dsanitizer_build=true -Dwerror=true; }
build_clang() { CC=clang build_tree clang -Dwerror=true; }
build_fuzz() { CC=clang build_tree fuzz -Dfuzz=true -Dtests=false -Db_sanitize=address,undefined -Db_lundef=false -Dsanitizer_build=true; }
