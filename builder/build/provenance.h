#pragma once

#include <string>
#include <string_view>

#include "build/manifest.h"

namespace imgbuild {

/// What DSSE calls the type of a statement's text.
inline constexpr const char* kStatementType = "application/vnd.in-toto+json";

/// How the files of a manifest were made: an in-toto statement (v1) about each artifact and document, with a predicate of SLSA
/// provenance v1. The same manifest gives the same text.
[[nodiscard]] std::string provenance_statement(const Manifest& manifest);

/// What a DSSE signature is over: "DSSEv1 LENGTH TYPE LENGTH BODY" (github.com/secure-systems-lab/dsse, protocol.md).
[[nodiscard]] std::string dsse_encoding(std::string_view type, std::string_view body);

}  // namespace imgbuild
