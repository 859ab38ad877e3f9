#!/bin/sh
# Builds a git that knows reftables from Debian's source package, for tests on a system whose git is older than 2.45.
#
#   tests/gitstore/build_newer_git.sh /tmp/newer-git
#   GITRUNS_TEST_GIT=/tmp/newer-git/bin pytest tests/gitstore
#
# Needs a C compiler, make and the headers of zlib; takes about two minutes. Nothing is installed outside the folder.
set -eu
folder=$1
release=${2:-trixie}
mkdir -p "$folder/lists/partial" "$folder/source"
cd "$folder"
site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian/\{0,1\}$')
key=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$key] $site $release main" > sources.list
apt() {
  apt-get -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$folder/lists" -o APT::Sandbox::User=root "$@"
}
apt update
apt --download-only source git
tar -xf git_*.orig.tar.xz -C source --strip-components=1
make -s -C source -j2 prefix="$folder" CFLAGS=-O1 INSTALL_SYMLINKS=1 NO_CURL=1 NO_OPENSSL=1 NO_TCLTK=1 NO_GETTEXT=1 \
  NO_PERL=1 NO_PYTHON=1 NO_EXPAT=1 all install
rm -rf source lists
"$folder/bin/git" --version
