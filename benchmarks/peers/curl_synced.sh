#!/bin/sh
# Fetches what the curl configuration LIST names into FOLDER, AT_ONCE at a time, and syncs each file and its
# folder to disk as soon as it is whole: sh curl_synced.sh LIST FOLDER AT_ONCE
#
# Nothing is checked: what came short or is no video is not noticed.
list=$1 folder=$2 at_once=$3
# names go to standard error because curl holds back its standard output
curl --silent --no-progress-meter --parallel --parallel-max "$at_once" --config "$list" --write-out '%{stderr}%{filename_effective}\n' \
    2>&1 >/dev/null | while read -r file; do sync "$file" "$folder"; done
