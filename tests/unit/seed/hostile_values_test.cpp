#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "sample.h"
#include "seed/seed.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr int kValues = 2000;

/// Pieces that break readers, templates, shells, SQL and YAML, and characters of every length in UTF-8.
const std::vector<std::string> kPieces{
    "yes", "no", "on", "null", "~", "true", "0777", "0o17", "1:30", "1_000", "1e5", ".inf", "12345678", "2024-01-01", "=",
    "<<", "- ", ": ", " #", "#", "&a", "*a", "!tag", "!!binary", "|", ">", "%", "@", "`", "{", "}", "[", "]", ",", "?",
    "---\n", "...\n", "\"", "'", "\\", "\\x41", "\\n", "\n", "\r\n", "\r", "\t", " ", "  ", "$(id)", "${HOME}", "{{ x }}",
    "{% raw %}", "%s", "';--", "\u00a0", "\u0085", "\u2028", "\u2029", "\ufeff", "\u00e4", "\u20ac", "\U0001F5F3",
    "\U0010fffd", "\ue000", "a", "Z", "0", "-", "_", "."};

std::string hostile_value(std::mt19937& random) {
  std::uniform_int_distribution<std::size_t> length(0, 12);
  std::uniform_int_distribution<std::size_t> piece(0, kPieces.size() - 1);
  std::string value;
  for (std::size_t left = length(random); left > 0; --left) value += kPieces[piece(random)];
  return value;
}

/// Prints how many settings of env.yml, read as cloud-init and the runtime read it, are the expected ones to the byte.
constexpr const char* kCompare = R"(
import base64, json, sys, yaml
config = yaml.safe_load(open(sys.argv[1], newline="", encoding="utf-8").read())
text = [base64.b64decode(f["content"]) for f in config["write_files"] if f["path"] == "/etc/appliance/env.yml"][0]
settings = yaml.safe_load(text)["settings"]
expected = json.load(open(sys.argv[2], encoding="utf-8"))
same = [name for name in expected if type(settings[name]) is str and settings[name] == expected[name]]
for name in sorted(set(expected) - set(same)):
    print(name, ascii(expected[name]), ascii(settings[name]), file=sys.stderr)
print(len(same), len(settings))
)";

TEST(HostileValues, ArriveInTheMachineToTheByte) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const Environment environment = sample_environment();
  SeedInput input = sample_input(environment);
  input.settings.clear();
  nlohmann::json expected;
  for (int i = 0; i < kValues; ++i) {
    const std::string value = hostile_value(random);
    expected[fmt::format("s{}", i)] = value;
    input.settings.emplace(fmt::format("s{}", i), Secret(value));
  }
  const io::TemporaryDirectory folder(fs::temp_directory_path(), "hostile-test");
  io::write_file(folder.path() / "user-data", make_seed(web_template(), input).user_data.reveal(), 0600);
  io::write_file(folder.path() / "expected", expected.dump(), 0600);
  SystemCommandRunner runner;
  const CommandResult result =
      run_checked(runner, {.program = "/usr/bin/python3",
                           .arguments = {"-c", kCompare, folder.path() / "user-data", folder.path() / "expected"}});
  EXPECT_EQ(result.out, fmt::format("{0} {0}\n", kValues)) << result.err;
}

}  // namespace
}  // namespace imgbuild
