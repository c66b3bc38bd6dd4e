#include "util/host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {

using Verdict = HostCheck::Verdict;
using Want = HostRequest::Want;

/// A Debian host on which root can do everything.
HostFacts good_host() {
  HostFacts facts;
  facts.kvm = KvmVerdict{.works = KvmVerdict::Works::yes, .why = "guest code ran in 0.2 s"};
  facts.kernels = {{"/boot/vmlinuz-6.1.0-1", KernelFact::Readable::yes, KernelFact::Modules::yes}};
  facts.cache = {.folder = "/cache", .device = 1, .free = 20_GiB};
  facts.output = {.folder = "/out", .device = 2, .free = 20_GiB};
  facts.memory = 8_GiB;
  facts.subuids = 65536;
  facts.subgids = 65536;
  for (const char* program : {"mmdebstrap", "newuidmap", "supermin", "qemu-system-x86_64"}) {
    facts.tools.push_back(
        {.program = program, .package = program, .path = std::string("/usr/bin/") + program});
  }
  facts.tools[1].needed = ToolFact::Needed::no;  // newuidmap
  return facts;
}

HostFacts good_host_of_user() {
  HostFacts facts = good_host();
  facts.uid = 1000;
  facts.user = "ann";
  return facts;
}

HostFacts without_tool(HostFacts facts, const std::string& program) {
  for (ToolFact& tool : facts.tools) {
    if (tool.program == program) tool.path.reset();
  }
  return facts;
}

/// The check of that name, for a request that wants everything.
HostCheck judged(const HostFacts& facts, const std::string& name, HostRequest request = {}) {
  request.machine = Want::yes;
  const std::vector<HostCheck> checks = judge_host(facts, request);
  const auto found =
      std::find_if(checks.begin(), checks.end(), [&](const HostCheck& check) { return check.name == name; });
  return found == checks.end() ? HostCheck{} : *found;
}

TEST(HostJudgement, FindsNothingWrongWithAGoodHost) {
  for (const HostFacts& facts : {good_host(), good_host_of_user()}) {
    for (const HostCheck& check : judge_host(facts, {})) EXPECT_EQ(check.verdict, Verdict::ok) << check.name;
  }
}

TEST(HostJudgement, ChoosesNativeForRoot) {
  EXPECT_EQ(choose_backend(good_host()).backend, TreeBackend::native);
  EXPECT_EQ(judged(good_host(), "backend").finding, "native: we are root and namespaces work");
}

TEST(HostJudgement, ChoosesUserNamespacesWithoutRoot) {
  EXPECT_EQ(choose_backend(good_host_of_user()).backend, TreeBackend::native_unprivileged);
  EXPECT_EQ(judged(good_host_of_user(), "backend").finding,
            "native without root: user namespaces work and 'ann' has sub-uids");
}

TEST(HostJudgement, FallsBackToLibguestfsWithoutNamespaces) {
  HostFacts facts = good_host();
  facts.namespaces_error = "they can't be made: Operation not permitted";
  EXPECT_EQ(judged(facts, "namespaces"),
            (HostCheck{"namespaces", Verdict::warning, "they can't be made: Operation not permitted",
                       "run outside the container, or in one that may mount (docker run --privileged)"}));
  EXPECT_EQ(judged(facts, "backend"),
            (HostCheck{"backend", Verdict::warning, "libguestfs: namespaces can't be had",
                       "run as root where namespaces work: ten times faster"}));
}

TEST(HostJudgement, FailsWhenNoBackendIsLeft) {
  HostFacts facts = good_host();
  facts.namespaces_error = "no";
  facts.kernels.clear();
  EXPECT_EQ(judged(facts, "namespaces").verdict, Verdict::failed);
  EXPECT_EQ(judged(facts, "backend"), (HostCheck{"backend", Verdict::failed,
                                                 "none: namespaces can't be had, and libguestfs can't start",
                                                 "one of the cures above"}));
}

TEST(HostJudgement, NamesTheSettingThatForbidsUserNamespaces) {
  HostFacts facts = good_host_of_user();
  facts.namespaces_error = "they can't be made: Permission denied";
  facts.apparmor_restricts_namespaces = "1";
  EXPECT_EQ(judged(facts, "namespaces").finding,
            "they can't be made: Permission denied; AppArmor forbids user namespaces");
  EXPECT_EQ(judged(facts, "namespaces").cure,
            "run as root, or: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
  facts.apparmor_restricts_namespaces = "0";
  facts.unprivileged_namespaces = "0";
  EXPECT_EQ(judged(facts, "namespaces").cure,
            "run as root, or: sudo sysctl -w kernel.unprivileged_userns_clone=1");
  facts.unprivileged_namespaces = "1";
  facts.max_user_namespaces = "0";
  EXPECT_EQ(judged(facts, "namespaces").cure,
            "run as root, or: sudo sysctl -w user.max_user_namespaces=15000");
}

TEST(HostJudgement, WantsSubUidsOnlyWithoutRoot) {
  HostFacts facts = good_host();
  facts.subuids = 0;
  EXPECT_EQ(judged(facts, "sub-uids"), HostCheck{});
  facts.uid = 1000;
  facts.user = "ann";
  EXPECT_EQ(
      judged(facts, "sub-uids"),
      (HostCheck{
          "sub-uids", Verdict::warning,
          "0 in /etc/subuid, 65536 in /etc/subgid for 'ann', 65536 of each are needed",
          "run as root, or: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann"}));
}

TEST(HostJudgement, WantsNewuidmapWithoutRoot) {
  EXPECT_EQ(judged(without_tool(good_host_of_user(), "newuidmap"), "sub-uids"),
            (HostCheck{"sub-uids", Verdict::warning, "newuidmap is missing", "sudo apt-get install uidmap"}));
}

TEST(HostJudgement, GivesThePackageOfAMissingTool) {
  EXPECT_EQ(judged(without_tool(good_host(), "mmdebstrap"), "mmdebstrap"),
            (HostCheck{"mmdebstrap", Verdict::failed, "not installed", "sudo apt-get install mmdebstrap"}));
}

TEST(HostJudgement, AsksOnlyForToolsThatAreNeeded) {
  HostFacts facts = without_tool(good_host(), "supermin");
  facts.tools[2].needed = ToolFact::Needed::no;
  EXPECT_EQ(judged(facts, "supermin"), HostCheck{});
}

TEST(HostJudgement, SaysHowToMakeAKernelReadable) {
  HostFacts facts = good_host_of_user();
  facts.kernels[0].readable = KernelFact::Readable::no;
  EXPECT_EQ(judged(facts, "kernel"),
            (HostCheck{"kernel", Verdict::failed,
                       "'/boot/vmlinuz-6.1.0-1' can't be read by 'ann', and libguestfs needs it",
                       "sudo dpkg-statoverride --update --add root root 0644 /boot/vmlinuz-6.1.0-1"}));
}

TEST(HostJudgement, TellsAKernelWithoutModulesFromNoKernel) {
  HostFacts facts = good_host();
  facts.kernels[0].modules = KernelFact::Modules::no;
  EXPECT_EQ(judged(facts, "kernel").finding,
            "'/boot/vmlinuz-6.1.0-1' has no modules in /lib/modules, and libguestfs needs them");
  facts.kernels.clear();
  EXPECT_EQ(judged(facts, "kernel").finding, "there is none in /boot, and libguestfs needs one");
  EXPECT_EQ(judged(facts, "kernel").cure, "sudo apt-get install linux-image-cloud-amd64");
  facts.distribution = "ubuntu";
  EXPECT_EQ(judged(facts, "kernel").cure, "sudo apt-get install linux-image-kvm");
}

TEST(HostJudgement, OnlyWarnsAboutBrokenKvm) {
  HostFacts facts = good_host();
  facts.kvm = KvmVerdict{.why = "guest code did not come to its end in 3.0 s"};
  EXPECT_EQ(
      judged(facts, "kvm"),
      (HostCheck{"kvm", Verdict::warning,
                 "guest code did not come to its end in 3.0 s; machines are emulated, about ten times slower",
                 "a host (or a virtual machine with nested virtualisation) whose KVM works"}));
}

TEST(HostJudgement, SendsTheUserToTheKvmGroup) {
  HostFacts facts = good_host_of_user();
  facts.kvm = KvmVerdict{.why = "cannot open /dev/kvm: Permission denied"};
  EXPECT_EQ(judged(facts, "kvm").cure, "sudo adduser ann kvm, and log in again");
}

TEST(HostJudgement, ComparesSpaceWithTheNeed) {
  HostFacts facts = good_host();
  facts.cache.free = 1_GiB;
  EXPECT_EQ(judged(facts, "cache space", {.cache_bytes = 3_GiB}),
            (HostCheck{"cache space", Verdict::failed, "1 GiB free in '/cache', 3 GiB needed",
                       "imgbuild cache prune, or set XDG_CACHE_HOME to a larger file system"}));
  EXPECT_EQ(judged(facts, "output space", {.cache_bytes = 3_GiB}).verdict, Verdict::ok);
}

TEST(HostJudgement, AddsUpTheNeedsOfFoldersThatShareAFileSystem) {
  HostFacts facts = good_host();
  facts.output.device = facts.cache.device;
  EXPECT_EQ(judged(facts, "cache space", {.cache_bytes = 15_GiB, .output_bytes = 10_GiB}).finding,
            "20 GiB free in '/cache', 25 GiB needed");
}

TEST(HostJudgement, WarnsAboutLittleMemory) {
  HostFacts facts = good_host();
  facts.memory = 512_MiB;
  EXPECT_EQ(judged(facts, "memory"), (HostCheck{"memory", Verdict::warning, "512 MiB available, 1 GiB wanted",
                                                "end other programs, or expect the kernel to end ours"}));
}

TEST(HostJudgement, WarnsAboutAMirrorOutOfReach) {
  HostFacts facts = good_host();
  facts.proxy = "http://proxy.example:3128";
  facts.mirrors = {{.uri = "http://mirror.example/debian", .error = "Could not connect"}};
  EXPECT_EQ(
      judged(facts, "mirror", {.mirrors = Want::yes}),
      (HostCheck{"mirror", Verdict::warning,
                 "http://mirror.example/debian through proxy http://proxy.example:3128: Could not connect",
                 "check the network, the mirror and apt's proxy (apt-config dump Acquire::http)"}));
}

TEST(HostJudgement, LooksOnlyAtWhatIsWanted) {
  HostFacts facts = good_host();
  facts.kernels.clear();
  facts.kvm.reset();
  for (ToolFact& tool : facts.tools) tool = {.program = tool.program, .needed = ToolFact::Needed::no};
  const HostRequest request = {.tree = Want::no, .appliance = Want::no};
  EXPECT_NO_THROW(require_fit(judge_host(facts, request)));
}

TEST(HostFitness, ReportsAllFailuresWithTheirCures) {
  HostFacts facts = without_tool(good_host(), "mmdebstrap");
  facts.kernels.clear();
  try {
    require_fit(judge_host(facts, {}));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::host_unfit);
    EXPECT_EQ(error.describe(),
              "this host cannot do it, for 2 reasons:\n"
              "  kernel: there is none in /boot, and libguestfs needs one\n"
              "    cure: sudo apt-get install linux-image-cloud-amd64\n"
              "  mmdebstrap: not installed\n"
              "    cure: sudo apt-get install mmdebstrap\n"
              "hint: 'imgbuild doctor' shows all checks");
  }
}

TEST(HostFacts, ComeFromThisHost) {
  const io::TemporaryDirectory folder(std::filesystem::temp_directory_path(), "host-test");
  SystemCommandRunner runner;
  SilentStatus status;
  const HostRequest request = {.cache = folder.path() / "not/yet",
                               .output = folder.path(),
                               .appliance = Want::no,
                               .versions = Want::yes};
  const HostFacts facts = gather_host_facts(request, runner, status);
  EXPECT_GT(facts.memory, 1_MiB);
  EXPECT_EQ(facts.cache.device, facts.output.device);
  EXPECT_FALSE(facts.kvm);
  const auto mke2fs = std::find_if(facts.tools.begin(), facts.tools.end(),
                                   [](const ToolFact& tool) { return tool.program == "mke2fs"; });
  ASSERT_NE(mke2fs, facts.tools.end());
  EXPECT_TRUE(mke2fs->version.starts_with("1.")) << mke2fs->version;
}

TEST(HostFacts, TakeTheLongestSubUidRangeOfTheUser) {
  const std::string text = "bob:1:99999999\nann:100000:1000\nann:200000:65536\n1000:300000:70000\nbad line\n";
  EXPECT_EQ(longest_subid_range(text, "ann", 7), 65536u);
  EXPECT_EQ(longest_subid_range(text, "ann", 1000), 70000u);
  EXPECT_EQ(longest_subid_range(text, "eve", 7), 0u);
}

TEST(HostFacts, FindTheNumberInAVersion) {
  EXPECT_EQ(version_number("mke2fs 1.47.0 (5-Feb-2023)"), "1.47.0");
  EXPECT_EQ(version_number("qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7)"), "7.2.22");
  EXPECT_EQ(version_number("gpgv (GnuPG) 2.2.40"), "2.2.40");
  EXPECT_EQ(version_number("no number"), "");
}

}  // namespace
}  // namespace imgbuild
