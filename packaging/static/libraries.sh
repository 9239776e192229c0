# How each library of the static file is made. Sourced by ./build, which sets here, cache, work, sysroot, jobs and arch.
# A library is made again when its source, its recipe here, the compiler or a library that it is built on changed.

size_flags="-Os -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables -fstack-protector-strong"

upstream() { awk -v p="$1" '$1 == p {print $2}' "$here"/sources*; }
source_of() { echo "$cache/src/$1-$(upstream "$1")"; }

# configure --host=... of autotools, into the sysroot. Static libraries alone, no dependency files: each is built once.
configure() { # source options...
  local from=$1; shift
  CC=$CC CFLAGS=$size_flags AR="$binutils"ar RANLIB="$binutils"ranlib "$from/configure" --host="$arch-linux-musl" --prefix="$sysroot/usr" \
    --libdir="$sysroot/usr/lib" --disable-shared --enable-static --disable-dependency-tracking "$@"
}

write_pc() { # name version
  printf 'prefix=%s\nName: %s\nDescription: %s\nVersion: %s\nLibs: -L${prefix}/lib -l%s\nCflags: -I${prefix}/include\n' \
    "$sysroot/usr" "$1" "$1" "$2" "${1#lib}" >"$sysroot/usr/lib/pkgconfig/$1.pc"
}

# ---- the C library and the compiler for it ----

# musl 1.2.5: resolver with TCP, relative relocations in the start code of a static PIE; older ones have neither. What else its resolver needs
# stands at the head of the patch.
make_musl() {
  local source=musl-$(upstream musl)
  cp -a "$(source_of musl)" "$source"
  patch -s -d "$source" -p1 <"$here/musl-resolver.patch"
  CC=${binutils}gcc CFLAGS="$size_flags ${maps[*]}" AR="$binutils"ar RANLIB="$binutils"ranlib \
    "$source/configure" --prefix="$sysroot" --syslibdir="$sysroot/lib" \
    --disable-shared --enable-wrapper=no
  make -j"$jobs"
  make install
  # Only the kernel's own headers come from this machine.
  cp -rL "$kernel_headers"/linux "$kernel_headers"/asm-generic "$sysroot/include/"
  cp -rL "$kernel_asm" "$sysroot/include/asm"
}

# gcc with musl in place of glibc. It goes by a bare name, as OpenSSL records the name in its library.
make_compiler() {
  cat >"$sysroot/musl.specs" <<SPECS
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $sysroot/include -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $sysroot/include -isystem include%s

*link_libgcc:
-L$sysroot/lib -L .%s

*libgcc:
libgcc.a%s %:if-exists(libgcc_eh.a%s)

*startfile:
%{static-pie:$sysroot/lib/rcrt1.o;static:$sysroot/lib/crt1.o;:$sysroot/lib/Scrt1.o} $sysroot/lib/crti.o %{static:crtbeginT.o%s;:crtbeginS.o%s}

*endfile:
%{static:crtend.o%s;:crtendS.o%s} $sysroot/lib/crtn.o

*link:
-nostdlib %{static-pie:-static -pie --no-dynamic-linker -z text;static:-static;:-dynamic-linker /lib/ld-musl-$arch.so.1}

*esp_link:


*esp_options:


*esp_cpp_options:


SPECS
  mkdir -p "$sysroot/bin"
  # The answer about the assembler keeps OpenSSL's AVX, AVX2 and AVX-512 code out: 0.9 MB for speed that no agent needs. AES-NI and
  # SHA-NI stay.
  cat >"$sysroot/bin/heat-pulse-cc" <<WRAPPER
#!/bin/sh
case " \$* " in *" -Wa,-v "*) echo "GNU assembler version 2.10"; exit 0 ;; esac
exec ${binutils}gcc "\$@" -specs $sysroot/musl.specs ${maps[*]}
WRAPPER
  chmod 755 "$sysroot/bin/heat-pulse-cc"
}

# ---- TLS and HTTP ----

# A TLS 1.2 and 1.3 client: RSA, ECDSA, Ed25519, X25519, AES-GCM, ChaCha20. No modules and no configuration file: a host's openssl.cnf may
# name modules that a static file cannot load.
openssl_leaves_out="shared module dso engine dynamic-engine static-engine legacy tests autoload-config atexit async secure-memory ui-console
  ssl3 ssl3-method tls1 tls1-method tls1_1 tls1_1-method dtls dtls1 dtls1-method dtls1_2 dtls1_2-method srp srtp psk comp nextprotoneg
  ssl-trace ktls egd cms ct ts ocsp cmp rfc3779 gost idea rc2 rc4 rc5 md2 md4 mdc2 rmd160 whirlpool bf cast camellia seed aria des sm2 sm3 sm4
  siphash siv ocb blake2 scrypt ec2m dsa dh multiblock capieng afalgeng padlockeng devcryptoeng apps docs quic http tfo ml-kem ml-dsa slh-dsa
  argon2 sm2-precomp integrity-only-ciphers thread-pool default-thread-pool tls-deprecated-ec filenames"
# What its provider offers, by the name of each row's functions. Whoever asks for one algorithm makes OpenSSL write down all of the same kind,
# about a KiB each, in memory that stays; and what is not offered is not linked. TLS asks for these, and the agent's signatures for Ed25519.
openssl_offers="sha1 sha224 sha256 sha384 sha512 md5 md5_sha1 null aes256ecb aes256cbc aes128cbc aes256ctr aes256gcm aes128gcm chacha20_ossl_poly1305
  hmac kdf_hkdf kdf_tls1_3_kdf kdf_tls1_prf ecdh_keyexch x25519_keyexch drbg_ctr seed_src rsa_signature ed25519_signature ecdsa_signature
  mac_legacy_hmac_signature rsa_asym_cipher rsa_keymgmt rsapss_keymgmt ec_keymgmt x25519_keymgmt ed25519_keymgmt mac_legacy_keymgmt"
# Public keys come out of certificates; no key is written, read from a file or looked for in a store.
openssl_trim() {
  OFFERS=$openssl_offers perl -0pi -e 'BEGIN { $keep{"ossl_$_\_functions"} = 1 for split " ", $ENV{OFFERS} }
    s/^    (?:\{ |ALGC?\()"?\w+"?,[^})]*?\b(ossl_\w+_functions)\b[^})]*[})],\n/$keep{$1} ? $& : ""/gme;
    s/^#include "(encoders|stores)\.inc"\n//gm' providers/defltprov.c
  sed -i -E '/^DECODER/{/SubjectPublicKeyInfo, (rsa|rsapss|ec|x25519|ed25519|der),/!d}' providers/decoders.inc
  sed -i '/{ "base",/d' crypto/provider_predefined.c
  # Of the 191 suites before TLS 1.3, whose table each process sorts in place, the 20 that these can be; and no ciphers by their older names.
  perl -0pi -e 's/^    \{\n        1,\n(?:(?! *\},).*\n)+    \},\n/$_ = $&; \/SSL_kANY,\/ ||
    \/SSL_k(RSA|ECDHE),\n\s+SSL_a(RSA|ECDSA),\n\s+SSL_(AES(128|256)(GCM)?|CHACHA20POLY1305),\/ ? $_ : ""/gme' ssl/s3_lib.c
  sed -i '/^ *EVP_add_cipher/d' crypto/evp/c_allc.c
  # The texts of errors, 58 KiB in memory, are made a table of when one is first asked for from outside. Not where a text is looked up: each
  # library looks up its own first one before it adds them, inside of the pthread_once that would then wait for itself.
  sed -i '/^#include <openssl\/ssl\.h>$/d; s/^#include <openssl\/err\.h>$/&\n#include <openssl\/ssl.h>/
    s/^        OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);$//' crypto/err/err.c
  perl -0pi -e 's/^void ossl_err_string_int\([^{]*\{.*?^    if \(len == 0\)\n        return;\n\K/    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);\n/sm' crypto/err/err.c
  sed -i 's/OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL)/OPENSSL_init_ssl(0, NULL)/' ssl/ssl_lib.c ssl/ssl_sess.c
  # A private key beside the certificates of a bundle is passed over: what would read it is not here, and its error was the whole bundle's.
  sed -i 's/(str = strstr(name, PEM_STRING_PKCS8INF)) != NULL/(str = NULL) != NULL/' crypto/pem/pem_info.c
  # Names of algorithms in 4 KiB that grow instead of 32.
  sed -i -E 's/^(#define NAMEMAP_HT_BUCKETS) 512/\1 64/' crypto/core_namemap.c
}

# The fast P-256 is 0.16 MB of tables; the general one serves for the certificates a client sees. It has no switch of its own. Sparse arrays in
# small blocks: each algorithm begins two of them.
make_openssl() {
  local word out=() source=openssl-$(upstream openssl)
  # A copy of this build's own: another machine's build reads the source at the same time, and the next recipe changes it in another way.
  cp -a "$(source_of openssl)" "$source"
  (cd "$source" && openssl_trim && sed -i -E '/\$ECASM_(x86_64|aarch64)=/s/ecp_nistz256\.c ecp_nistz256-[a-z0-9_]+\.[sS]//
    /\$ECDEF_(x86_64|aarch64)=/s/ECP_NISTZ256_ASM//' crypto/ec/build.info)
  for word in $openssl_leaves_out; do out+=("no-$word"); done
  # A relative path, as the library holds the names of its files. Where it lives in the guest is said with DESTDIR alone.
  CC=$CC AR="$binutils"ar RANLIB="$binutils"ranlib "$source/Configure" "linux-$arch" no-pic "${out[@]}" \
    --prefix=/usr --libdir=lib --openssldir=/etc/ssl $size_flags -DOPENSSL_SMALL_FOOTPRINT -DOPENSSL_SA_BLOCK_BITS=2
  make -j"$jobs" build_libs
  make install_dev DESTDIR="$sysroot"
  sed -i "s#^prefix=.*#prefix=$sysroot/usr#" "$sysroot"/usr/lib/pkgconfig/{libcrypto,libssl,openssl}.pc
}

curl_without="zlib brotli zstd libpsl libidn2 nghttp2 nghttp3 ngtcp2 libssh2 librtmp libgsasl ca-bundle ca-path"
curl_disable="ldap ldaps rtsp dict telnet tftp pop3 imap smb smtp gopher mqtt ftp file ipfs websockets manual docs ntlm negotiate-auth
  kerberos-auth digest-auth aws tls-srp cookies hsts alt-svc doh mime form-api netrc progress-meter dateparse headers-api libcurl-option
  get-easy-options openssl-auto-load-config"
# Its tables begin as if there were hundreds of connections: 12 KiB.
make_curl() {
  local word out=()
  sed -i -E 's/^(#define CURL_(XFER_TABLE|SOCKET_HASH_TABLE|CONNECTION_HASH|DNS_HASH)_SIZE +)[0-9]+/\117/' "$(source_of curl)/lib/multi.c"
  for word in $curl_without; do out+=("--without-$word"); done
  for word in $curl_disable; do out+=("--disable-$word"); done
  configure "$(source_of curl)" --with-openssl="$sysroot/usr" "${out[@]}" --enable-ipv6 --enable-threaded-resolver --enable-symbol-hiding
  make -C lib -j"$jobs" libcurl.la
  make -C lib install
  make -C include install
  make install-pkgconfigDATA
}

# ---- small libraries ----

make_jansson() {
  CC=$CC CFLAGS=$size_flags cmake -S "$(source_of jansson)" -B . -DCMAKE_BUILD_TYPE=None -DCMAKE_INSTALL_PREFIX="$sysroot/usr" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_SYSTEM_NAME=Linux -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
  make -j"$jobs" install
}

# libproc2. Without libnuma, which it opens at run time: a host's library in a process that has another C library ends it.
# Its tables begin as if a guest had a thousand processes, hashes that only rates need are written in full, and two buffers have room for the
# longest command lines, which nobody asks for here: 0.2 MB that are touched in every process table. They begin small, and grow where there are
# more processes.
make_procps() {
  sed -i -E 's/^(#define (STACKS_INIT|STACKS_GROW|NEWOLD_INIT) +)[0-9]+/\132/; s/^(#define HHASH_SIZE +)[0-9]+/\1256/' \
    "$(source_of procps)/library/pids.c"
  sed -i -E 's/^(#define MAX_BUFSZ ).*/\14096/' "$(source_of procps)/library/readproc.c"
  configure "$(source_of procps)" --without-systemd --without-elogind --disable-libselinux --without-ncurses --disable-nls --disable-numa \
    --disable-pidof --disable-kill --disable-modern-top ac_cv_func_malloc_0_nonnull=yes ac_cv_func_realloc_0_nonnull=yes
  make -j"$jobs" library/libproc2.la
  mkdir -p "$sysroot/usr/include/libproc2"
  cp library/.libs/libproc2.a "$sysroot/usr/lib/"
  cp "$(source_of procps)"/library/include/{diskstats,meminfo,misc,pids,slabinfo,stat,vmstat,xtra-procps-debug}.h "$sysroot/usr/include/libproc2/"
  write_pc libproc2 "$(upstream procps)"
}

# libudev: systemd of this release does not configure for musl, but the files that libudev reaches compile. So it is configured for this
# machine's C library, the headers it generates are built, and those files are compiled with the answers of ./libudev put right. A gap in
# that must not pass as an implicit declaration.
make_systemd() {
  local from include d options="-Dmode=release -Dskip-deps=true -Dtests=false -Dman=false -Dhtml=false -Dtranslations=false -Defi=false
    -Dgnu-efi=false -Dnscd=false -Dlog-trace=false"
  from=$(source_of systemd)
  env -u PKG_CONFIG_LIBDIR -u CC meson setup configured "$from" -Dversion-tag="$(upstream systemd)" $options
  ninja -C configured src/basic/{af,arphrd,cap,errno}-{from,to}-name.h src/basic/filesystem{s-gperf,-list,-switch-case}.h
  include="-I$here/libudev/inc -Iconfigured -Iconfigured/src/basic -Iconfigured/src/shared"
  for d in basic fundamental systemd shared libudev libsystemd/sd-{device,event,netlink,id128,hwdb,bus,network}; do
    include="$include -I$from/src/$d"
  done
  mkdir objects
  UDEV_FLAGS="$size_flags -std=gnu11 -D_GNU_SOURCE -D__UAPI_DEF_ETHHDR=0 -fvisibility=default -w -Werror=implicit-function-declaration
    -Werror=incompatible-pointer-types -Werror=int-conversion -include $here/libudev/config-fix.h -include $here/libudev/compat.h $include" \
    FROM=$from xargs -P"$jobs" -I{} sh -c '$CC $UDEV_FLAGS -c "$FROM/src/$0" -o "objects/$(echo "$0" | tr / _).o"' {} <"$here/libudev/sources.txt"
  # One object whose only global names are libudev's: the others, such as log_setup, are for its program to use. Its sections stay apart, so
  # that the linker can still leave out what nobody calls.
  ls objects/*.o | LC_ALL=C sort | xargs "$binutils"ld -r --unique -o libudev.o
  "$binutils"objcopy -w --keep-global-symbol='udev_*' libudev.o
  rm -f "$sysroot/usr/lib/libudev.a"
  "$binutils"ar rcsD "$sysroot/usr/lib/libudev.a" libudev.o
  cp "$from/src/libudev/libudev.h" "$sysroot/usr/include/"
  write_pc libudev "$(upstream systemd)"
}

make_libcap-ng() {
  configure "$(source_of libcap-ng)" --without-python --without-python3
  make -C src -j"$jobs" libcap-ng.la
  cp src/.libs/libcap-ng.a "$sysroot/usr/lib/"
  cp "$(source_of libcap-ng)/src/cap-ng.h" "$sysroot/usr/include/"
  write_pc libcap-ng "$(upstream libcap-ng)"
}

# libseccomp. Its table of system calls has a column pair for each of 18 machines: 0.06 MB for those that this file never runs on. Only the
# pairs of x86, x86_64, x32, arm and aarch64 stay; the others, whose code nothing calls, get no room.
make_libseccomp() {
  local others='(loongarch64|m68k|mips|mips64|mips64n32|parisc|parisc64|ppc|ppc64|riscv64|s390|s390x|sh)'
  cp -a "$(source_of libseccomp)/." .
  sed -i -E "s/^(\s*(int|enum scmp_kver) $others(_kver)?);/\1[0];/" src/syscalls.h
  cut -d, -f1-11 src/syscalls.csv >src/syscalls.few
  mv src/syscalls.few src/syscalls.csv
  rm src/syscalls.perf src/syscalls.perf.c
  configure . --disable-python
  make -C src -j"$jobs" libseccomp.la
  cp src/.libs/libseccomp.a "$sysroot/usr/lib/"
  cp include/seccomp.h include/seccomp-syscalls.h "$sysroot/usr/include/"
  write_pc libseccomp "$(upstream libseccomp)"
}

# For the tests alone, which ./build --tests makes.
make_cmocka() {
  CC=$CC CFLAGS=$size_flags cmake -S "$(source_of cmocka)" -B . -DCMAKE_BUILD_TYPE=None -DCMAKE_INSTALL_PREFIX="$sysroot/usr" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_SYSTEM_NAME=Linux -DBUILD_SHARED_LIBS=OFF -DWITH_EXAMPLES=OFF
  make -j"$jobs" install
  # What it guesses where <stdint.h> was not included before it is wrong with musl on some machines.
  sed -i 's/^#if !defined(_UINTPTR_T) .*/#include <stdint.h>\n#define HAVE_UINTPTR_T\n&/' "$sysroot/usr/include/cmocka.h"
  grep -q '^#define HAVE_UINTPTR_T' "$sysroot/usr/include/cmocka.h"
}

# ---- archives: read alone, in the forms that cfn-init unpacks ----

make_zlib() {
  cp -a "$(source_of zlib)/." .
  CC=$CC CFLAGS=$size_flags AR="$binutils"ar RANLIB="$binutils"ranlib CHOST="$arch-linux-musl" ./configure --static --prefix="$sysroot/usr"
  make -j"$jobs" libz.a
  cp libz.a "$sysroot/usr/lib/"
  cp zlib.h zconf.h "$sysroot/usr/include/"
  printf 'prefix=%s\nName: zlib\nDescription: zlib\nVersion: 1.3.1\nLibs: -L${prefix}/lib -lz\nCflags: -I${prefix}/include\n' "$sysroot/usr" \
    >"$sysroot/usr/lib/pkgconfig/zlib.pc"
}

make_bzip2() {
  local name
  for name in blocksort huffman crctable randtable compress decompress bzlib; do
    $CC $size_flags -D_FILE_OFFSET_BITS=64 -c "$(source_of bzip2)/$name.c" -o "$name.o"
  done
  rm -f "$sysroot/usr/lib/libbz2.a"
  "$binutils"ar rcsD "$sysroot/usr/lib/libbz2.a" *.o
  cp "$(source_of bzip2)/bzlib.h" "$sysroot/usr/include/"
}

make_xz-utils() {
  configure "$(source_of xz-utils)" --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo --disable-lzma-links --disable-scripts \
    --disable-doc --disable-nls --disable-threads --disable-encoders --disable-microlzma --disable-lzip-decoder --enable-small
  make -C src/liblzma -j"$jobs" liblzma.la
  make -C src/liblzma install
}

archive_without="openssl nettle mbedtls cng xml2 expat zstd lz4 libb2 lzo2 iconv"
make_libarchive() {
  local word out=()
  for word in $archive_without; do out+=("--without-$word"); done
  CPPFLAGS="-I$sysroot/usr/include" LDFLAGS="-L$sysroot/usr/lib" configure "$(source_of libarchive)" "${out[@]}" --disable-bsdtar --disable-bsdcat \
    --disable-bsdcpio --disable-bsdunzip --disable-acl --disable-xattr
  # Debian's patches are younger than what autotools made of the files they change, but change only tests there.
  make -j"$jobs" AUTOMAKE=: ACLOCAL=: AUTOCONF=: AUTOHEADER=: libarchive.la
  cp .libs/libarchive.a "$sysroot/usr/lib/"
  cp "$(source_of libarchive)"/libarchive/archive.h "$(source_of libarchive)"/libarchive/archive_entry.h "$sysroot/usr/include/"
  write_pc libarchive "$(upstream libarchive)"
  sed -i 's/^Libs:.*/& -llzma -lbz2 -lz/' "$sysroot/usr/lib/pkgconfig/libarchive.pc"
}

# ---- in order, each once ----

# What a library depends on, as text: the recipe and all it calls, the source, the compiler, what it is built on.
recipe_of() {
  declare -f "make_$1" configure write_pc
  echo "$size_flags"
  cat "$cache/src/$1.version"
  "${binutils}gcc" --version | head -n 1
  dpkg-query -W -f '${Version}\n' "$headers_package"
  echo "$sysroot"
  case $1 in
    musl) declare -f make_compiler && cat "$here/musl-resolver.patch" ;;
    systemd) cat "$here"/libudev/*.h "$here"/libudev/inc/*.h "$here/libudev/sources.txt" "$sysroot/.made-musl" ;;
    openssl) declare -f openssl_trim && echo "$openssl_leaves_out" "$openssl_offers" && cat "$sysroot/.made-musl" ;;
    libarchive) echo "$archive_without" && cat "$sysroot"/.made-{musl,zlib,bzip2,xz-utils} ;;
    curl) echo "$curl_without" "$curl_disable" && cat "$sysroot/.made-musl" "$sysroot/.made-openssl" ;;
    *) cat "$sysroot/.made-musl" ;;
  esac
}

# Those named, one after the other.
make_row() { # names...
  local name wanted started result
  for name in "$@"; do
    wanted=$(recipe_of "$name" | sha256sum | cut -c1-64)
    [ "$(cat "$sysroot/.made-$name" 2>/dev/null)" != "$wanted" ] || continue
    started=$SECONDS
    rm -rf "${work:?}/$name"
    mkdir -p "$work/$name"
    [ "$name" != musl ] || make_compiler
    # Not in a condition: there, set -e would not hold.
    set +e
    (set -e; cd "$work/$name"; "make_$name") >"$work/$name.log" 2>&1
    result=$?
    set -e
    [ $result = 0 ] || { tail -n 30 "$work/$name.log" | cut -c1-300 >&2; echo "build: $name failed; $work/$name.log" >&2; return 1; }
    rm -rf "${work:?}/$name"
    echo "$wanted" >"$sysroot/.made-$name"
    echo "build: $name $(upstream "$name") $((SECONDS - started)) s" >&2
  done
}

# Two rows side by side, as configure scripts keep one processor busy. Each in a process of its own and waited for outside of a condition,
# so that set -e holds in it.
make_libraries() {
  local tls others failed=0
  mkdir -p "$sysroot/usr/lib/pkgconfig" "$sysroot/usr/include" "$work"
  make_row musl
  make_row openssl curl &
  tls=$!
  # shellcheck disable=SC2086
  make_row systemd procps jansson libcap-ng libseccomp zlib bzip2 xz-utils libarchive ${test_libraries-} &
  others=$!
  wait $tls || failed=1
  wait $others || failed=1
  return $failed
}
