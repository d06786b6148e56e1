#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# dependencies.sh SOURCE-FOLDER: no file includes what its folder may not see (docs/architecture.md).
set -euo pipefail
cd "$1"

declare -A may=(
    [base]=""
    [mm]="base"
    [arch]="base mm"
    [config]="base mm"
    [devices]="base mm config"
    [drivers]="base mm arch config"
    [core]="base mm arch config devices drivers"
    [svm]="base mm arch config devices drivers core"
    [vmx]="base mm arch config devices drivers core"
    [survey]="base mm arch config svm vmx boot"
)
checked=0 wrong=0

for folder in "${!may[@]}"; do
    [[ -d $folder ]] || continue
    while IFS=: read -r file _ include; do
        target=${include#*\"}
        target=${target%%\"*}
        top=${target%%/*}
        checked=$((checked + 1))
        [[ $target == */* ]] || continue # generated, no folder's
        case " $folder ${may[$folder]} " in *" $top "*) continue ;; esac
        # The hand-off is everybody's; one file sees both vendors.
        [[ $target != boot/boot_info.hpp ]] || continue
        [[ $file != core/main.cpp || ($top != svm && $top != vmx) ]] || continue
        echo "$file includes $target: $folder may include only: ${may[$folder]:-itself}"
        wrong=$((wrong + 1))
    done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder" --include='*.[chS]' --include='*.[ch]pp')
done

echo "$checked includes, $wrong against the order of the folders"
((checked > 0 && wrong == 0))
