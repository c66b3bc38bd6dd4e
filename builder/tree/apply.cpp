#include "tree/apply.h"

#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Where scripts and payloads lie while they are used. Not /tmp: that is empty for every command.
const std::string kWorkFolder = "/.imgbuild";

/// Runs a script of the host inside, by its "#!" line, else by sh.
void run_script(Guest& guest, const fs::path& script, const std::vector<std::string>& arguments, Status& status) {
  const std::string inside = kWorkFolder + "/" + script.filename().native();
  (void)guest.copy_file_in(script, inside, 0755);
  GuestCommand command{.program = inside, .arguments = arguments};
  if (!io::read_file(script).starts_with("#!")) {
    command.program = "/bin/sh";
    command.arguments.insert(command.arguments.begin(), inside);
  }
  command.on_line = [&status](std::string_view line) { status.progress(0, 0, line); };
  const CommandResult result = guest.run(command);
  if (!result.succeeded()) {
    throw guest_command_error(command, result).add_context(fmt::format("running '{}' in the tree", script.native()));
  }
}

}  // namespace

void apply(Guest& guest, const Step& step, const StepContext& context, Status& status) {
  status.begin(describe(step));
  try {
    std::visit([&](const auto& kind) { apply(guest, kind, context, status); }, step);
  } catch (Error& error) {
    error.add_context(fmt::format("applying '{}'", describe(step)));
    throw;
  }
  status.end("");
}

void apply(Guest& guest, const OverlayStep& step, const StepContext&, Status&) { guest.copy_folder_in(step.folder, "/"); }

void apply(Guest& guest, const PayloadStep& step, const StepContext& context, Status& status) {
  const std::string folder = kWorkFolder + "/payload";
  guest.make_folder(folder);
  const std::string inside = folder + "/" + step.file.filename().native();
  const std::string digest = guest.copy_file_in(step.file, inside, 0644);
  if (digest != step.sha256) {
    throw Error(ExitCode::verification_failed, "{}: has SHA-256 {}, expected {}", step.file.native(), digest, step.sha256);
  }
  hold_down(guest, context.stand_ins);
  run_script(guest, step.install, {inside}, status);
  release(guest, context.stand_ins);
  guest.remove(kWorkFolder);
}

void apply(Guest& guest, const RunStep& step, const StepContext& context, Status& status) {
  guest.make_folder(kWorkFolder);
  hold_down(guest, context.stand_ins);
  run_script(guest, step.script, {}, status);
  release(guest, context.stand_ins);
  guest.remove(kWorkFolder);
}

void apply(Guest& guest, const ServicesStep& step, const StepContext&, Status&) {
  const std::pair<const char*, const std::vector<std::string>&> verbs[] = {
      {"enable", step.enable}, {"disable", step.disable}, {"mask", step.mask}};
  for (const auto& [verb, units] : verbs) {
    if (units.empty()) continue;
    GuestCommand command{.program = "systemctl", .arguments = {"--root=/", verb, "--"}};
    command.arguments.insert(command.arguments.end(), units.begin(), units.end());
    (void)run_checked(guest, command);
  }
}

}  // namespace imgbuild
