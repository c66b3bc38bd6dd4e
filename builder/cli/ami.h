#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/session.h"
#include "publish/aws.h"
#include "publish/credentials.h"

/// The parts of `imgbuild ami` and what they share.
namespace imgbuild {

struct AmiOptions {
  std::vector<std::string> regions;  ///< empty: the configured one
  std::string profile;
};

/// --region and --profile.
void add_ami_options(CLI::App& command, AmiOptions& options);

/// The regions asked for, or the configured one. Throws Error (bad input) if there is none, or one has no region's form.
[[nodiscard]] std::vector<std::string> regions_of(const AmiOptions& options);

/// What talks to AWS, for one command.
class AmiSession {
 public:
  AmiSession(Session& session, const AmiOptions& options);

  [[nodiscard]] Aws& in(const std::string& region);
  /// Where only one region makes sense. Throws Error (usage) if more were given.
  [[nodiscard]] Aws& in_the_one();

 private:
  Session& session_;
  std::vector<std::string> regions_;
  std::unique_ptr<CredentialSource> credentials_;
  std::map<std::string, std::unique_ptr<Aws>> clients_;
};

void add_ami_upload(CLI::App& ami, Session& session);
void add_ami_images(CLI::App& ami, Session& session);
void add_ami_launch(CLI::App& ami, Session& session);

}  // namespace imgbuild
