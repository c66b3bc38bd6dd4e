#include "boot/boot_disk.h"

#include <array>
#include <nlohmann/json.hpp>

#include "boot/qemu_arguments.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr std::array kFormats = {"qcow2", "raw", "vmdk", "vdi", "vhdx"};

Json image_info(const fs::path& image, const std::string& format, CommandRunner& runner) {
  if (!fs::exists(image)) throw Error(ExitCode::bad_input, "{}: no such file", image.native());
  // -U: reads it although a machine may be using it.
  const CommandResult result =
      runner.run({.program = "qemu-img",
                  .arguments = {"info", "-U", "--output=json", "-f", format, "--", image.native()}});
  try {
    if (result.succeeded()) return Json::parse(result.out);
  } catch (const Json::exception&) {
    // told below like any other refusal
  }
  throw Error(ExitCode::bad_input, "{}: is no {} disk image: {}", image.native(), format,
              result.err.substr(0, result.err.find('\n')));
}

}  // namespace

std::string format_by_name(const fs::path& image) {
  for (const char* format : kFormats) {
    if (image.extension() == fmt::format(".{}", format)) return format;
  }
  throw Error(ExitCode::bad_input, "{}: the name does not tell the disk's format", image.native())
      .set_hint("--format qcow2, or --format raw");
}

ByteSize virtual_size(const fs::path& image, const std::string& format, CommandRunner& runner) {
  const Json info = image_info(image, format, runner);
  return {info.value("virtual-size", std::uint64_t{0})};
}

void make_difference_disk(const fs::path& disk, const fs::path& image, const std::string& format,
                          std::optional<ByteSize> size, CommandRunner& runner) {
  const fs::path backing = fs::absolute(image).lexically_normal();
  if (fs::exists(disk)) {
    const std::string made_for = image_info(disk, "qcow2", runner).value("backing-filename", "");
    if (made_for == backing.native()) return;
    throw Error(ExitCode::bad_input, "{}: holds the changes of '{}', not of '{}'", disk.native(), made_for,
                backing.native())
        .set_hint("give another --disk, or remove this one");
  }
  std::vector<std::string> arguments = {"create",         "-q", "-f",         "qcow2", "-F", format, "-b",
                                        backing.native(), "--", disk.native()};
  if (size) arguments.push_back(std::to_string(size->bytes));
  (void)run_checked(runner, {.program = "qemu-img", .arguments = arguments});  // prints nothing
}

}  // namespace imgbuild
