#include "tree/apt_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <utility>

#include "tree/guest.h"
#include "util/debian_package.h"
#include "util/digest.h"

namespace imgbuild {

std::string apt_configuration(const std::string& proxy) {
  std::string text = R"(Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "true";
Acquire::Check-Date "true";
Acquire::AllowInsecureRepositories "false";
Acquire::ForceHash "SHA256";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Dpkg::Use-Pty "0";
DPkg::Options { "--force-confdef"; "--force-confold"; "--force-unsafe-io"; };
)";
  if (!proxy.empty()) text += fmt::format("Acquire::http::Proxy \"{0}\";\nAcquire::https::Proxy \"{0}\";\n", proxy);
  return text;
}

std::string local_source_configuration() {
  return R"(Dir::Etc::sourcelist "/var/cache/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
)";
}

std::string index_paragraph(const LockedPackage& package, std::string_view control, std::uint64_t size, const std::string& sha256) {
  const LockedPackage found = {.name = control_field(control, "Package"), .version = control_field(control, "Version"),
                               .architecture = control_field(control, "Architecture")};
  if (describe(found) != describe(package)) {
    throw Error(ExitCode::verification_failed, "package file '{}': holds '{}', not '{}' as the lock says", package.file,
                describe(found), describe(package));
  }
  return fmt::format("{}Filename: ./{}\nSize: {}\nSHA256: {}\n\n", control, package.file, size, sha256);
}

namespace {

/// apt writes '_', ':' and '%' in the parts of a file's name as '%5f', '%3a', '%25'.
std::string unquote(std::string_view part) {
  std::string text;
  for (std::size_t i = 0; i < part.size(); ++i) {
    unsigned value = 0;
    const char* digits = part.data() + i + 1;
    if (part[i] == '%' && i + 2 < part.size() && std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      text += static_cast<char>(value);
      i += 2;
    } else {
      text += part[i];
    }
  }
  return text;
}

/// "NAME_VERSION_ARCHITECTURE.deb"
bool read_file_name(LockedPackage& package) {
  const std::string_view file = package.file;
  if (!file.ends_with(".deb") || file.find('/') != std::string_view::npos || std::ranges::count(file, '_') != 2) return false;
  const std::size_t first = file.find('_');
  const std::size_t second = file.rfind('_');
  package.name = unquote(file.substr(0, first));
  package.version = unquote(file.substr(first + 1, second - first - 1));
  package.architecture = unquote(file.substr(second + 1, file.size() - second - 5));
  return !package.name.empty() && !package.version.empty() && !package.architecture.empty();
}

/// "'URI' FILE SIZE SHA256:DIGEST"
LockedPackage read_uri_line(const std::string& line) {
  const std::size_t end = line.rfind('\'');
  LockedPackage package;
  package.uri = line.substr(1, std::max<std::size_t>(end, 1) - 1);
  std::istringstream fields(line.substr(end + 1));
  std::string hash;
  fields >> package.file >> package.size >> hash;
  if (hash.starts_with("SHA256:")) package.sha256 = hash.substr(7);
  if (!is_sha256(package.sha256)) {
    throw Error(ExitCode::verification_failed, "package file '{}': its source gives no SHA-256", package.file);
  }
  if (!read_file_name(package)) {
    throw Error(ExitCode::verification_failed, "package file '{}': is no name of the form NAME_VERSION_ARCHITECTURE.deb", package.file);
  }
  return package;
}

}  // namespace

PackageLock parse_package_files(std::string_view output) {
  PackageLock packages;
  for_each_line(output, [&](std::string_view line) {
    if (line.starts_with('\'')) packages.push_back(read_uri_line(std::string(line)));
  });
  std::ranges::sort(packages, {}, [](const LockedPackage& package) { return std::pair(package.name, package.architecture); });
  return packages;
}

/// "Inst NAME[:ARCHITECTURE] [OLD VERSION] (VERSION SOURCE… [ARCHITECTURE])", then what is broken meanwhile.
std::vector<std::string> parse_simulated(std::string_view output) {
  std::vector<std::string> found;
  for_each_line(output, [&](std::string_view line) {
    if (!line.starts_with("Inst ")) return;
    line.remove_prefix(5);
    const std::size_t open = line.find('(');
    const std::size_t close = line.find(')', std::min(open, line.size()));
    const std::size_t bracket = line.substr(0, close).rfind('[');
    if (close == std::string_view::npos || bracket == std::string_view::npos || bracket < open) return;
    const std::string_view name = line.substr(0, line.find_first_of(": "));
    const std::string_view version = line.substr(open + 1, line.find(' ', open) - open - 1);
    found.push_back(fmt::format("{} {} {}", name, version, line.substr(bracket + 1, line.find(']', bracket) - bracket - 1)));
  });
  std::ranges::sort(found);
  return found;
}

namespace {

struct Symptom {
  AptStage stage;
  std::string_view words;
  ExitCode code;
};

// In order of preference: what can't be trusted is said before what can't be reached.
constexpr std::array kSymptoms = {
    Symptom{AptStage::update, "GPG error", ExitCode::verification_failed},
    Symptom{AptStage::update, "is not signed", ExitCode::verification_failed},
    Symptom{AptStage::update, "signatures couldn't be verified", ExitCode::verification_failed},
    Symptom{AptStage::update, "signatures were invalid", ExitCode::verification_failed},
    Symptom{AptStage::update, "is expired", ExitCode::verification_failed},
    Symptom{AptStage::update, "is not valid yet", ExitCode::verification_failed},
    Symptom{AptStage::update, "Hash Sum mismatch", ExitCode::verification_failed},
    Symptom{AptStage::update, "", ExitCode::network},
    Symptom{AptStage::select, "Unable to locate package", ExitCode::bad_input},
    Symptom{AptStage::select, "no installation candidate", ExitCode::bad_input},
    Symptom{AptStage::select, "Couldn't find any package", ExitCode::bad_input},
};

constexpr std::string_view kDoing[] = {"update the package lists", "choose the packages", "do the step with the packages of the lock",
                                       "install the packages", "check the packages"};

bool mentions(const std::vector<std::string>& lines, std::string_view words) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

std::string last_twenty(const std::vector<std::string>& lines) {
  std::string text;
  for (std::size_t i = lines.size() > 20 ? lines.size() - 20 : 0; i < lines.size(); ++i) text += "\n" + lines[i];
  return text;
}

}  // namespace

Error apt_error(AptStage stage, const std::vector<std::string>& lines) {
  const auto* symptom = std::find_if(kSymptoms.begin(), kSymptoms.end(), [&](const Symptom& candidate) {
    return candidate.stage == stage && (candidate.words.empty() || mentions(lines, candidate.words));
  });
  const ExitCode code = symptom == kSymptoms.end() ? ExitCode::step_failed : symptom->code;
  Error error(code, "cannot {}:{}", kDoing[static_cast<std::size_t>(stage)], last_twenty(lines));
  if (code == ExitCode::network) error.set_hint("check the network, and the package sources of the base; try again later");
  if (code == ExitCode::bad_input) error.set_hint("correct the name under 'packages:' in the recipe");
  return error;
}

}  // namespace imgbuild
