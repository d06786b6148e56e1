// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Checks one value of a configuration against its key's rule. Each function reports what is wrong and returns nothing
// then. The value is not Invalid.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "config/diagnostics.hpp"
#include "config/model.hpp"
#include "config/schema.hpp"
#include "config/toml.hpp"

namespace bulkhead {

/// Number and Port.
[[nodiscard]] std::optional<u64> read_number(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics);
/// Word, as its place in the rule's words.
[[nodiscard]] std::optional<u64> read_word(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics);
[[nodiscard]] std::optional<bool> read_flag(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics);
/// Name, Path, Text and Digest.
[[nodiscard]] std::optional<std::string_view> read_text(const KeyRule& rule, const toml::Scalar& value,
                                                        Diagnostics& diagnostics);
/// The list's ranges go to the front of `storage`, which is at least as long as the list.
[[nodiscard]] std::optional<MemoryRequest> read_memory(const KeyRule& rule, const toml::Value& value,
                                                       std::span<Located<PhysicalRange>> storage,
                                                       Diagnostics& diagnostics);
/// The list's numbers go to the front of `storage`, which is at least as long as the list.
[[nodiscard]] std::optional<CpuRequest> read_cpus(const KeyRule& rule, const toml::Value& value,
                                                  std::span<Located<u64>> storage, Diagnostics& diagnostics);

/// The files go to the front of `storage`; more than there is room for are refused.
[[nodiscard]] std::optional<std::span<const ModuleConfig>>
read_modules(const KeyRule& rule, const toml::Value& value, std::span<ModuleConfig> storage, Diagnostics& diagnostics);
/// The texts go to the front of `storage`, which is at least as long as the list.
[[nodiscard]] std::optional<std::span<const Located<std::string_view>>>
read_digests(const KeyRule& rule, const toml::Value& value, std::span<Located<std::string_view>> storage,
             Diagnostics& diagnostics);

/// Reports that the value is not of the rule's type.
std::nullopt_t refuse_type(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics);

/// What is wrong with `path` as a path on the boot volume; empty where it is right. It is relative, has '/' or '\'
/// between its parts, and no part that FAT would refuse or change (Microsoft FAT specification 1.03, "Long directory
/// entries").
[[nodiscard]] std::string_view path_fault(std::string_view path);

} // namespace bulkhead
