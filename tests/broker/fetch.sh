#!/usr/bin/env bash
# Fills the cache with the jars of Apache Kafka and Kafka Streams (pom.xml beside this script) and
# prints the folder that holds them. Does nothing, and needs no Maven, when the cache is filled.
#
# MILLRACE_CACHE moves the cache (default: ~/.cache/millrace).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
home=${MILLRACE_CACHE:-$HOME/.cache/millrace}/kafka-$version
lib=$home/lib

# The marker is written last, and holds what was asked for: an interrupted fetch, or another pom,
# fetches again.
if ! cmp -s "$here/pom.xml" "$home/fetched-pom.xml"; then
    mkdir -p "$home"
    # One fetch at a time: tests of several processes may start together.
    exec 9>"$home/.lock"
    flock -w 600 9 || { echo "another fetch holds $home/.lock for 10 minutes" >&2; exit 1; }
    if ! cmp -s "$here/pom.xml" "$home/fetched-pom.xml"; then
        command -v mvn >/dev/null || { echo "mvn is needed once, to fetch Kafka $version" >&2; exit 1; }
        rm -rf "$lib"
        mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$lib" -DincludeScope=runtime >&2
        cp "$here/pom.xml" "$home/fetched-pom.xml"
    fi
fi
echo "$lib"
