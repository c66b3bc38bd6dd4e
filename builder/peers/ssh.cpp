#include "peers/ssh.h"

#include "keys/vault_public.h"
#include "peers/strict_json.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr int kSshFailed = 255;  // ssh(1): "or with 255 if an error occurred"
constexpr ByteSize kMaxOutput = 1_MiB;

/// For every machine. What a user's own configuration says of ways and keys still counts; what would weaken this does not,
/// for of two values ssh takes the one of the command line. A machine that is emulated beside others needs half a minute
/// for a login; one that is off refuses at once or is waited for this long, at the same time as the others.
const std::vector<std::string> kOptions = {
    "BatchMode=yes",     "StrictHostKeyChecking=yes", "ConnectTimeout=60",       "ServerAliveInterval=5",
    "ServerAliveCountMax=12", "ClearAllForwardings=yes", "ForwardAgent=no",       "ControlMaster=auto",
    "ControlPersist=30",  "PermitLocalCommand=no",     "UpdateHostKeys=no",       "VerifyHostKeyDNS=no",
    "LogLevel=ERROR"};

/// A login costs a machine more than most commands, so those that follow one another share a connection (ControlPersist).
/// Its socket is in our own folder, to which nobody else has access. The path of a socket is limited to 107 bytes, of which
/// ssh itself needs 17 while it connects; where ours is longer each command logs in.
std::string control_path(const fs::path& folder, const Machine& machine) {
  constexpr std::size_t kMost = 90;
  std::string path = (folder / sha256(machine.name).substr(0, 8)).native();
  const bool is_plain = path.find_first_of("%\"") == std::string::npos;
  return path.size() <= kMost && is_plain ? fmt::format("\"{}\"", path) : "none";
}

bool is_harmless_word(const std::string& word) {
  return !word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=") == std::string::npos;
}

SshAnswer::Outcome outcome_of(const CommandResult& result) {
  using enum SshAnswer::Outcome;
  if (result.too_long == CommandResult::TooLong::yes) return too_long;
  if (result.timed_out == CommandResult::TimedOut::yes || result.signal != 0) return unreachable;
  if (result.exit_status != kSshFailed) return answered;
  const bool is_other = result.err.find("Host key verification failed") != std::string::npos;
  return is_other ? mistrusted : unreachable;
}

/// ssh itself says it in ten lines.
std::string mistrust_of(const Machine& machine) {
  if (machine.external == Machine::External::no) return "its ssh host key is not the one in the vault";
  return "its ssh host key is not the one in your known_hosts, or none is there";
}

std::string problem_of(const CommandResult& result, SshAnswer::Outcome outcome, const SshRequest& request) {
  if (outcome == SshAnswer::Outcome::too_long) return fmt::format("said more than {}", format_byte_size(kMaxOutput));
  if (result.timed_out == CommandResult::TimedOut::yes) {
    return fmt::format("did not answer within {}", format_duration(request.timeout));
  }
  if (outcome == SshAnswer::Outcome::answered && result.exit_status == 0) return {};
  const std::string said = harmless(result.err);
  if (!said.empty()) return said;
  return result.signal != 0 ? "ssh was ended by a signal" : fmt::format("ended with exit status {}", result.exit_status);
}

}  // namespace

std::string known_hosts(const fs::path& folder, const std::vector<const Machine*>& machines) {
  std::string text;
  for (const Machine* machine : machines) {
    if (machine->external == Machine::External::yes) continue;
    const std::optional<std::string> line = vault_host_key(folder, machine->name);
    if (!line) {
      throw Error(ExitCode::bad_input, "{}: holds no ssh host key of '{}'", folder.native(), machine->name)
          .set_hint("imgbuild seed makes it, and the machine must be started with that seed; a machine that somebody else "
                    "builds is 'external: true'");
    }
    const std::size_t end = line->find(' ', line->find(' ') + 1);  // without the comment
    text += machine->name + ' ' + line->substr(0, end) + '\n';
  }
  return text;
}

Ssh::Ssh(const Environment& environment, const std::vector<const Machine*>& machines, SshOptions options, CommandRunner& runner)
    : options_(std::move(options)),
      runner_(runner),
      folder_(fs::temp_directory_path(), "imgbuild-peers"),
      known_hosts_(folder_.path() / "known_hosts") {
  io::write_file(known_hosts_, known_hosts(vault_folder(environment), machines), 0600);
}

Command Ssh::command(const Machine& machine, const SshRequest& request) const {
  Command command = {.program = "ssh", .arguments = {"-T"}};
  std::vector<std::string>& arguments = command.arguments;
  if (options_.config) arguments.insert(arguments.end(), {"-F", options_.config->native()});
  const auto add = [&](const std::string& option) { arguments.insert(arguments.end(), {"-o", option}); };
  for (const std::string& option : kOptions) add(option);
  add("ControlPath=" + control_path(folder_.path(), machine));
  if (machine.external == Machine::External::no) {
    add(fmt::format("UserKnownHostsFile=\"{}\"", known_hosts_.native()));
    for (const char* option : {"GlobalKnownHostsFile=/dev/null", "KnownHostsCommand=none", "CheckHostIP=no", "HostKeyAlgorithms=ssh-ed25519"}) {
      add(option);
    }
    add("HostKeyAlias=" + machine.name);
  }
  const bool is_public = options_.address == SshOptions::Address::public_ip && !machine.public_ip.empty();
  const std::string& address = is_public ? machine.public_ip : machine.private_ip;
  arguments.insert(arguments.end(), {"-l", "ops", "--", options_.config ? machine.name : address});
  for (const std::string& word : request.words) {
    if (!is_harmless_word(word)) throw Error(ExitCode::bad_input, "'{}' can't be part of a command", harmless(word));
    arguments.push_back(word);
  }
  command.input = request.input;
  command.timeout = request.timeout;
  command.output_limit = kMaxOutput;
  return command;
}

SshAnswer Ssh::run(const Machine& machine, const SshRequest& request) const {
  CommandResult result = runner_.run(command(machine, request));
  SshAnswer answer = {.outcome = outcome_of(result), .exit_status = result.exit_status, .out = std::move(result.out), .problem = {}};
  const bool is_other = answer.outcome == SshAnswer::Outcome::mistrusted;
  answer.problem = is_other ? mistrust_of(machine) : problem_of(result, answer.outcome, request);
  return answer;
}

}  // namespace imgbuild
