#include <nlohmann/json.hpp>

#include "image/ovf.h"
#include "image/tarred_disk.h"
#include "unit/image/sample_disk.h"
#include "util/digest.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class Appliance : public SampleDisk {
 protected:
  Appliance() { put_samples(); }
  std::string tar(const std::vector<std::string>& arguments) {
    return run_checked(runner_, {.program = "tar", .arguments = arguments}).out;
  }
  std::string member(const fs::path& archive, const std::string& name) { return tar({"-xOf", archive.native(), name}); }
};

TEST_F(Appliance, OvaHoldsDescriptorDigestsAndDiskInThisOrder) {
  EXPECT_EQ(tar({"-tf", write("ova").native()}), "web.ovf\nweb.mf\nweb-disk1.vmdk\n");
}

TEST_F(Appliance, OvaMembersAreThoseOfItsDigests) {
  const fs::path file = write("ova");
  EXPECT_EQ(member(file, "web.mf"), "SHA256(web.ovf)= " + sha256(member(file, "web.ovf")) + "\nSHA256(web-disk1.vmdk)= " +
                                        sha256(member(file, "web-disk1.vmdk")) + "\n");
}

TEST_F(Appliance, OvaSaysTheSizesOfItsDisk) {
  const fs::path file = write("ova");
  const std::string text = member(file, "web.ovf");
  const std::string reference =
      fmt::format("<File ovf:href=\"web-disk1.vmdk\" ovf:id=\"file1\" ovf:size=\"{}\"/>", member(file, "web-disk1.vmdk").size());
  EXPECT_NE(text.find(reference), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("ovf:capacity=\"{}\"", (100 << 20) + 1536)), std::string::npos) << text;
}

TEST_F(Appliance, OvaIsUstarWithoutExtensions) {
  EXPECT_EQ(tar({"-tvf", write("ova").native(), "--warning=all", "--utc"}).substr(0, 21), "-rw-r--r-- root/root ");
  const std::string bytes = io::read_file(out("disk"), 256_MiB);
  EXPECT_EQ(bytes.substr(257, 8), std::string("ustar\00000", 8));
  EXPECT_EQ(bytes.size() % 512, 0U);
  EXPECT_EQ(bytes.substr(bytes.size() - 1024), std::string(1024, '\0'));
}

TEST_F(Appliance, OvfIsWellFormed) {
  OvfMachine machine = {.name = "web", .systems = "vmx-10", .network_card = "VmxNet3", .capacity = 1 << 30, .disk_file = "a.vmdk", .disk_size = 7};
  const std::string text = ovf(machine);
  const CommandResult result = run_checked(runner_, {.program = "xmllint", .arguments = {"--noout", "-"}, .input = text});
  EXPECT_EQ(result.err, "");
  machine.disk_size = 12345678901;
  EXPECT_EQ(ovf(machine).size(), text.size());
}

TEST_F(Appliance, LibvirtBoxIsOfVersionOne) {
  const fs::path file = write("box-libvirt");
  EXPECT_EQ(tar({"-tf", file.native()}), "metadata.json\nVagrantfile\nbox.img\n");
  EXPECT_EQ(nlohmann::json::parse(member(file, "metadata.json")),
            nlohmann::json::parse(R"({"provider": "libvirt", "format": "qcow2", "virtual_size": 1})"));
}

TEST_F(Appliance, LibvirtBoxHoldsTheBytesOfTheFormatQcow2) {
  EXPECT_EQ(sha256(member(write("box-libvirt"), "box.img")), sha256_file(write("qcow2", "plain")));
}

TEST_F(Appliance, VirtualBoxBoxHoldsTheBytesOfTheFormatVmdk) {
  const fs::path file = write("box-virtualbox");
  EXPECT_EQ(tar({"-tf", file.native()}), "metadata.json\nVagrantfile\nbox.ovf\nbox-disk1.vmdk\n");
  EXPECT_EQ(member(file, "metadata.json"), "{\"provider\":\"virtualbox\"}\n");
  EXPECT_EQ(sha256(member(file, "box-disk1.vmdk")), sha256_file(write("vmdk", "plain")));
}

TEST_F(Appliance, SharesNoFolderWithTheHostByDefault) {
  for (const std::string format : {"box-libvirt", "box-virtualbox"}) {
    const std::string text = member(write(format, format), "Vagrantfile");
    EXPECT_NE(text.find("config.vm.synced_folder \".\", \"/vagrant\", disabled: true\n"), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with("  end\nend\n")) << text;
  }
}

TEST(TarHeader, SizesOf8GiBAndMoreAreReadByOthers) {
  const io::TemporaryDirectory folder(fs::temp_directory_path(), "tar-test");
  const fs::path path = folder.path() / "large.tar";
  const std::uint64_t size = (9ULL << 30) + 7;
  {
    const io::File file = io::create_exclusive(path, 0600);
    io::write_all(file, tar_header("large", size));
    io::set_length(file, {512 + round_up(size, 512) + 1024});
  }
  SystemCommandRunner runner;
  const std::string listing = run_checked(runner, {.program = "tar", .arguments = {"-tvf", path.native(), "--utc"}}).out;
  EXPECT_EQ(listing, "-rw-r--r-- root/root 9663676423 1980-01-01 00:00 large\n");
}

}  // namespace
}  // namespace imgbuild
