#include "tree/apt_text.h"

#include <algorithm>
#include <array>
#include <sstream>

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

std::vector<PackageFile> parse_package_files(std::string_view output) {
  std::vector<PackageFile> files;
  std::istringstream lines{std::string(output)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('\'')) continue;
    std::istringstream fields(line.substr(line.rfind('\'') + 1));
    PackageFile file;
    std::string hash;
    fields >> file.name >> file.size >> hash;
    if (hash.starts_with("SHA256:")) file.sha256 = hash.substr(7);
    if (!is_sha256(file.sha256) || file.name.find('/') != std::string::npos) {
      throw Error(ExitCode::verification_failed, "package file '{}': its source gives no SHA-256", file.name);
    }
    files.push_back(file);
  }
  return files;
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
    Symptom{AptStage::download, "Hash Sum mismatch", ExitCode::verification_failed},
    Symptom{AptStage::update, "", ExitCode::network},
    Symptom{AptStage::download, "", ExitCode::network},
    Symptom{AptStage::select, "Unable to locate package", ExitCode::bad_input},
    Symptom{AptStage::select, "no installation candidate", ExitCode::bad_input},
    Symptom{AptStage::select, "Couldn't find any package", ExitCode::bad_input},
};

constexpr std::string_view kDoing[] = {"update the package lists", "choose the packages", "download the packages",
                                       "install the packages"};

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
