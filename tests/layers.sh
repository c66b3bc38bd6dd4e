#!/bin/bash
# Includes point downwards only, and each C library is included in its named places (builder/README.md draws the layers).
set -eu
cd "$(dirname "$0")/.."

# folder: what it may include besides itself
declare -A below=(
  [util]="util"
  [recipe]="util"
  [base]="recipe util" [tree]="recipe util" [image]="recipe util" [seed]="recipe util" [keys]="recipe util"
  [boot]="recipe util" [peers]="keys recipe util" [publish]="recipe util"
  [build]="base tree image seed keys recipe util"
  [inspect]="build base tree keys recipe util"
  [cli]="inspect build base tree image seed keys boot peers publish recipe util"
)

# header pattern: files that may include it
declare -A home=(
  ['guestfs\.h']="builder/util/guestfs.cpp"
  ['yaml-cpp/']="builder/util/yaml.cpp"
  ['archive(_entry)?\.h']="builder/util/archive_handle.h builder/util/iso_image.cpp builder/util/tree_archive.cpp"
  ['openssl/']="builder/util/digest.cpp builder/util/base64.cpp builder/util/secret.cpp builder/keys/openssl_handle.h builder/keys/"
  ['curl/']="builder/util/curl_handle.h"
  ['zstd\.h']="builder/image/encode.cpp builder/util/zstd.cpp"
  ['libdeflate\.h']="builder/image/encode.cpp"
  ['CLI/']="builder/cli/ builder/main.cpp"
)

status=0
complain() { printf '%s\n' "$1"; status=1; }

while IFS=: read -r file line include; do
  folder=$(cut -d/ -f2 <<<"$file")
  [ -n "${below[$folder]:-}" ] || continue
  target=$(sed -E 's/.*"([^/"]+)\/.*/\1/' <<<"$include")
  case " $folder ${below[$folder]} " in
    *" $target "*) ;;
    *) complain "$file:$line: '$folder' may not include '$target'" ;;
  esac
done < <(grep -rnE '^#include "[^"]+/' builder --include='*.h' --include='*.cpp')

for pattern in "${!home[@]}"; do
  while IFS=: read -r file line _; do
    allowed=0
    for place in ${home[$pattern]}; do
      [[ $file == "$place"* ]] && allowed=1
    done
    [ $allowed = 1 ] || complain "$file:$line: <$pattern> belongs into ${home[$pattern]}"
  done < <(grep -rnE "^#include <$pattern" builder --include='*.h' --include='*.cpp')
done

while read -r lines file; do
  [ "$file" = total ] || [ "$lines" -le 300 ] || complain "$file: $lines lines, at most 300"
done < <(find builder overlays \( -name '*.cpp' -o -name '*.h' -o -name '*.py' \) -print0 | xargs -0 wc -l)

exit $status
