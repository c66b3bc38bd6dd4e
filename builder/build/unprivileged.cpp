#include "build/unprivileged.h"

#include <unistd.h>

#include "build/base_supply.h"
#include "tree/user_namespace.h"
#include "util/guestfs.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// libguestfs keeps the appliance in a folder named after the user id, which is 0 in the namespace.
void make_appliance(const Cache& cache, CommandRunner& runner, Status& status) {
  const fs::path outside = cache.appliance() / fmt::format(".guestfs-{}", ::geteuid());
  const fs::path inside = cache.appliance() / ".guestfs-0";
  if (fs::exists(inside) && !fs::exists(outside)) io::rename(inside, outside);
  status.begin("preparing the libguestfs appliance");
  {
    const io::TemporaryDirectory work(cache.work(), "appliance");
    const fs::path blank = work.path() / "blank.raw";  // it wants at least one drive
    io::set_length(io::create_exclusive(blank, 0600), 1_MiB);
    const GuestfsDrive drive = {.path = blank, .format = "raw", .access = GuestfsDrive::Access::read_write};
    Guestfs({drive}, {.work = work.path(), .acceleration = guestfs_acceleration(cache, runner, status)}, status).close();
  }
  if (fs::exists(outside)) io::rename(outside, inside);
  status.end("");
}

}  // namespace

void enter_build_namespace(const Cache& cache, Appliance appliance, CommandRunner& runner, Status& status) {
  if (::geteuid() == 0) return;
  if (appliance == Appliance::used) make_appliance(cache, runner, status);
  enter_user_namespace();
}

}  // namespace imgbuild
