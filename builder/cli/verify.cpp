#include <nlohmann/json.hpp>

#include "build/base_supply.h"
#include "build/cache.h"
#include "build/signatures.h"
#include "cli/commands.h"
#include "inspect/verify.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

struct VerifyOptions {
  fs::path disk;
  fs::path manifest;
  SignaturePolicy signatures;
  bool pristine = false;
  bool exceptions = false;
};

GivenManifest manifest_of(const VerifyOptions& options) {
  if (!options.manifest.empty()) return read_manifest(options.manifest);
  if (options.disk.empty()) throw Error(ExitCode::usage, "verify: DISK, or --manifest FILE, or both are needed");
  return manifest_beside(options.disk);
}

Verification look(Session& session, const VerifyOptions& options, const GivenManifest& given) {
  if (options.disk.empty()) return {.differences = verify_files(given), .excepted = {}, .compared = 0};
  const Booted booted = options.pristine ? Booted::no : Booted::yes;
  const Cache cache = open_cache();
  const DiskReading reading = {.work = cache.work(), .acceleration = guestfs_acceleration(cache, session.runner(), session.status())};
  return verify_disk(options.disk, given, booted, reading, session.runner(), session.status());
}

void print_text(Session& session, const VerifyOptions& options, const Verification& found, const SignatureReport& signed_by) {
  for (const PublicKey& key : signed_by.trusted) session.print(fmt::format("signed by {} ({})", key.origin.native(), key.id));
  for (const Difference& difference : found.differences) session.print(fmt::format("{}: {}", difference.place, difference.what));
  if (options.exceptions) {
    for (const std::string& path : found.excepted) session.print(fmt::format("{}: differs, as machines that ran may make it", path));
  }
  if (options.disk.empty()) return;
  session.print(fmt::format("{} files, folders and links are the manifest's, {} excepted, {} differences", found.compared, found.excepted.size(),
                            found.differences.size()));
}

void print_json(Session& session, const VerifyOptions& options, const GivenManifest& given, const Verification& found, const SignatureReport& signed_by) {
  Json differences = Json::array();
  for (const Difference& difference : found.differences) differences.push_back({{"place", difference.place}, {"what", difference.what}});
  Json keys = Json::array();
  for (const PublicKey& key : signed_by.trusted) keys.push_back({{"keyid", key.id}, {"file", key.origin.native()}});
  session.print(Json{{"version", 1},
                     {"disk", options.disk.native()},
                     {"manifest", given.path.native()},
                     {"plan", given.manifest.plan},
                     {"intact", found.differences.empty()},
                     {"compared", found.compared},
                     {"excepted", found.excepted},
                     {"differences", differences},
                     {"signed_by", keys}}
                    .dump());
}

void run(Session& session, const VerifyOptions& options) {
  const GivenManifest given = manifest_of(options);
  SignatureReport signed_by;
  if (!options.signatures.trusted_keys.empty()) signed_by = check_signatures(given.path, options.signatures);
  const Verification found = look(session, options, given);
  session.forget_stage();
  if (session.output == Session::Output::json) {
    print_json(session, options, given, found, signed_by);
  } else {
    print_text(session, options, found, signed_by);
  }
  if (found.differences.empty()) return;
  throw Error(ExitCode::verification_failed, "'{}': is not what the manifest '{}' describes",
              options.disk.empty() ? given.path.parent_path().native() : options.disk.native(), given.path.native());
}

}  // namespace

void add_verify_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = app.add_subcommand("verify", "Whether a disk, booted or not, still holds what its manifest says");
  command->add_option("disk", options->disk, "Disk to read from outside; none: only signatures, and the digests of the manifest's files");
  command->add_option("--manifest", options->manifest, "The manifest, with its list of files beside it (default: the one beside DISK that names it)");
  command->add_flag("--pristine", options->pristine, "No exceptions: the disk must never have booted");
  command->add_flag("--show-exceptions", options->exceptions, "List what differs as machines that ran may make it");
  CLI::Option* keys = command->add_option("--trusted-keys", options->signatures.trusted_keys, "Folder of public keys (*.pem) who may have signed");
  command->add_option("--require", options->signatures.required, "How many of them must have signed (default: 1)")->needs(keys);
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
