#include <nlohmann/json.hpp>

#include "build/outputs.h"
#include "build/signatures.h"
#include "cli/commands.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct SignOptions {
  fs::path manifest;
  fs::path key;
};

void run(Session& session, const SignOptions& options) {
  const Ed25519Key key(options.key);
  sign_manifest(options.manifest, key);
  const std::vector<std::string> files = {signatures_path(options.manifest).native(), provenance_path(options.manifest).native()};
  if (session.output == Session::Output::json) {
    return session.print(nlohmann::ordered_json{{"version", 1}, {"keyid", key.id()}, {"files", files}}.dump());
  }
  for (const std::string& file : files) session.print(file);
}

}  // namespace

void add_sign_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<SignOptions>();
  CLI::App* command = app.add_subcommand("sign", "Sign a manifest, and the provenance of its files, with a key of your own");
  command->add_option("manifest", options->manifest, "ROLE.manifest.json, with the files that it names beside it")->required();
  command->add_option("--key", options->key, "Ed25519 private key (PEM, readable by you alone)")->required();
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
