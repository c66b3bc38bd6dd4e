#include "recipe/schema.h"

namespace imgbuild::schema {
namespace {

using enum yaml::Need;
using yaml::Key;

constexpr Key kRecipeKeys[] = {{"role", required},  {"description", required}, {"include", optional},
                               {"base", required},  {"disk", required},        {"settings", optional},
                               {"steps", required}, {"seed", required},        {"formats", optional},
                               {"ready", optional}};
constexpr Key kIncludedKeys[] = {{"include", optional}, {"settings", optional}, {"steps", optional}};
constexpr Key kReadyKeys[] = {{"timeout", required}};
constexpr Key kSettingKeys[] = {
    {"type", required}, {"default", optional}, {"leaves", optional}, {"description", optional}};

constexpr Key kPackagesKeys[] = {{"install", optional}, {"remove", optional}, {"upgrade", optional}};
constexpr Key kOverlayKeys[] = {{"name", required}};
constexpr Key kPayloadKeys[] = {
    {"name", required}, {"file", optional}, {"url", optional}, {"sha256", required}, {"install", required}};
constexpr Key kRunKeys[] = {{"script", required}};
constexpr Key kServicesKeys[] = {{"enable", optional}, {"disable", optional}, {"mask", optional}};

constexpr Key kEnvironmentKeys[] = {{"version", required},  {"deployment", required},
                                    {"domain", required},   {"base", optional},
                                    {"timezone", optional}, {"network", required},
                                    {"machines", required}, {"ssh_authorized_keys", required},
                                    {"keys", optional},     {"lab", optional},
                                    {"settings", optional}};
constexpr Key kNetworkKeys[] = {{"internal", required}, {"ops", required}, {"load_balancers", optional}};
constexpr Key kMachineKeys[] = {{"name", required},      {"role", required},     {"private_ip", required},
                                {"public_ip", optional}, {"director", optional}, {"external", optional},
                                {"disk", optional},      {"memory", optional},   {"cpus", optional},
                                {"keys", optional},      {"node_id", optional}};

}  // namespace

const std::span<const Key> kRecipe = kRecipeKeys, kIncluded = kIncludedKeys, kReady = kReadyKeys,
                           kSetting = kSettingKeys;
const std::span<const Key> kPackages = kPackagesKeys, kOverlay = kOverlayKeys, kPayload = kPayloadKeys,
                           kRun = kRunKeys, kServices = kServicesKeys;
const std::span<const Key> kEnvironment = kEnvironmentKeys, kNetwork = kNetworkKeys, kMachine = kMachineKeys;

const std::vector<Table>& tables() {
  static const std::vector<Table> all = {
      {"recipe", kRecipe},           {"included file", kIncluded}, {"ready", kReady},
      {"setting", kSetting},         {"step packages", kPackages}, {"step overlay", kOverlay},
      {"step payload", kPayload},    {"step run", kRun},           {"step services", kServices},
      {"environment", kEnvironment}, {"network", kNetwork},        {"machine", kMachine},
  };
  return all;
}

}  // namespace imgbuild::schema
