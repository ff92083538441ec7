#!/bin/sh
# Builds the package for a Debian release: packaging/deb/build.sh SUITE [OUT]    (as root; prints its path)
#
# A virtual environment made at its final path (/opt/emocx-pbx) inside a bare tree of that release. The
# dependencies' part is kept in the cache by the lock file's checksum; the project itself is made each time.
# From outside, for machines with their own: EMOCX_BUILD_CA (file of CAs for pip), PIP_INDEX_URL.
set -eu

die() { echo "build-deb: $*" >&2; exit 1; }
say() { echo "build-deb: $*" >&2; }

cd "$(dirname "$0")/../.."
suite=${1:?usage: build.sh SUITE [OUT]}
out=$(mkdir -p "${2:-dist}" && cd "${2:-dist}" && pwd)
case $suite in
    bookworm) release=12 python=3.11 next=3.12 ;;
    trixie) release=13 python=3.13 next=3.14 ;;
    *) die "$suite: expected bookworm or trixie" ;;
esac
[ "$(id -u)" = 0 ] || die "needs root for chroot"
lock=requirements/serve.lock
cache=${EMOCX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emocx-pbx}
tree=$(scripts/debian-tree.sh "$suite" python3-venv)
work=$(mktemp -d "$cache/deb.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

# In the tree, with VENV at its final path and nothing of this shell's environment; mounts end with the command.
inside() { # VENV COMMAND...
    venv=$1
    shift
    mkdir -p "$tree/opt/emocx-pbx" "$tree/run/wheels" "$tree/run/pip-cache" "$cache/pip"
    ca=${EMOCX_BUILD_CA:-${PIP_CERT:-}}
    [ -z "$ca" ] || touch "$tree/run/build-ca.crt"
    # shellcheck disable=SC2016 # expanded by the inner shell
    TREE=$tree VENV=$venv WHEELS=$work CA=$ca CACHE=$cache/pip INDEX=${PIP_INDEX_URL:-} unshare -m sh -euc '
        mount --make-rprivate /
        mount --bind "$VENV" "$TREE/opt/emocx-pbx"
        mount --bind "$WHEELS" "$TREE/run/wheels"
        mount --bind "$CACHE" "$TREE/run/pip-cache"
        mount --bind /dev "$TREE/dev"
        mount -t proc proc "$TREE/proc"
        mount --bind "$(readlink -f /etc/resolv.conf)" "$TREE/etc/resolv.conf"
        [ -z "$CA" ] || mount --bind "$CA" "$TREE/run/build-ca.crt"
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PIP_CACHE_DIR=/run/pip-cache \
            PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_DEFAULT_TIMEOUT=120 \
            ${CA:+PIP_CERT=/run/build-ca.crt} ${INDEX:+PIP_INDEX_URL="$INDEX"} chroot "$TREE" "$@"
    ' sh "$@"
}

# Weights that are not in the wheel; EMOCX_WEIGHTS_FROM names a folder or mirror to try first.
weights=$cache/weights
fetching=${PYTHON:-.venv/bin/python}
[ -x "$fetching" ] || fetching=python3
PYTHONPATH=$PWD "$fetching" -m emocx_pbx.weights speech-to-text topics --to "$weights" \
    ${EMOCX_WEIGHTS_FROM:+--from "$EMOCX_WEIGHTS_FROM"} >&2

key=$(sha256sum <"$lock" | cut -c1-12)
dependencies=$cache/venv-$suite-$key
exec 9>"$cache/venv-$suite.lock"
flock 9
[ -e "$tree/etc/resolv.conf" ] || touch "$tree/etc/resolv.conf"
if [ ! -e "$dependencies/.complete" ]; then
    say "dependencies for $suite (once for this lock file)"
    rm -rf --one-file-system "$dependencies" "$dependencies.unfinished"
    mkdir "$dependencies.unfinished"
    cp "$lock" "$work/"
    inside "$dependencies.unfinished" python3 -m venv /opt/emocx-pbx >&2
    inside "$dependencies.unfinished" /opt/emocx-pbx/bin/python -m pip install -q --no-compile --require-hashes \
        -r /run/wheels/serve.lock >&2
    # Compiled here and not by postinst: the installation is quicker, and removes what it brought.
    inside "$dependencies.unfinished" /opt/emocx-pbx/bin/python -m compileall -q -j 0 \
        --invalidation-mode unchecked-hash /opt/emocx-pbx/lib >&2 || true
    touch "$dependencies.unfinished/.complete"
    mv "$dependencies.unfinished" "$dependencies"
fi

say "package for $suite"
root=$work/root
mkdir -p "$root/opt"
cp -a --reflink=auto "$dependencies" "$root/opt/emocx-pbx"
if [ -n "${EMOCX_WHEEL:-}" ]; then cp "$EMOCX_WHEEL" "$work/"; else packaging/wheel.sh "$work" >/dev/null; fi
wheel=$(cd "$work" && ls emocx_pbx-*.whl)
inside "$root/opt/emocx-pbx" /opt/emocx-pbx/bin/python -m pip install -q --no-compile --no-deps --no-index \
    "/run/wheels/$wheel" >&2
inside "$root/opt/emocx-pbx" sh -c "/opt/emocx-pbx/bin/python -m compileall -q --invalidation-mode unchecked-hash \
    /opt/emocx-pbx/lib/python3.*/site-packages/emocx_pbx" >&2
shipped=$root/opt/emocx-pbx/lib/python$python/site-packages/emocx_pbx/_shipped/weights
mkdir -p "$shipped"
cp -a "$weights/speech-to-text" "$weights/topics" "$weights/origins.json" "$shipped/"
flock -u 9
rm -rf "$root"/opt/emocx-pbx/.complete "$root"/opt/emocx-pbx/lib/python*/site-packages/pip* "$root"/opt/emocx-pbx/bin/pip*

share=$root/usr/share/doc/emocx-pbx
mkdir -p "$root/usr/bin" "$root/usr/lib/systemd/system" "$share/examples" "$root/DEBIAN"
ln -s ../../opt/emocx-pbx/bin/emocx-pbx "$root/usr/bin/emocx-pbx"
cp docker/emocx-pbx.service docker/emocx-pbx-worker@.service docker/emocx-pbx-door.service docker/emocx-pbx-web.service \
  "$root/usr/lib/systemd/system/"
cp dialplan/*.conf "$share/examples/"
cp README.md CHANGELOG.md "$share/"
cp -r docs "$share/"
rm -rf "$share/docs/images"
cp LICENSE "$share/copyright"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)-1~deb$release
architecture=$(dpkg --print-architecture)
sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@PYTHON@|$python|" -e "s|@NEXT@|$next|" \
    -e "s|@SIZE@|$(du -sk --exclude=DEBIAN "$root" | cut -f1)|" packaging/deb/control.in >"$root/DEBIAN/control"
for script in postinst prerm postrm; do install -m 0755 "packaging/deb/$script" "$root/DEBIAN/"; done
chmod -R u=rwX,go=rX "$root/usr" "$root/opt"
package=$out/emocx-pbx_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zzstd -z"${EMOCX_DEB_LEVEL:-9}" --build "$root" "$package" >&2
echo "$package"
