#include "build/locked_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.h"
#include "unit/recipe/project_fixture.h"
#include "util/digest.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

const PackageLock kPackages = {{.name = "nginx", .version = "1.0", .architecture = "amd64", .file = "nginx_1.0_amd64.deb",
                                .uri = "http://m/nginx.deb", .sha256 = sha256("nginx"), .size = 5}};

class LockedPlan : public test::ProjectFixture {
 protected:
  Plan plan(PlanOptions::Lock lock = PlanOptions::Lock::ignored) {
    return make_plan(project(), root() / "prod.yml", {.role = "web-master", .output_root = root() / "out", .lock = lock});
  }

  LockFile lock_for(const Plan& plan) {
    LockFile lock{.bases = {{.name = plan.base, .digest = sha256("base")}}};
    for (const std::string& key : lock_keys(plan)) {
      if (!key.empty()) lock.steps.push_back({.step = "packages", .key = key, .packages = kPackages});
    }
    return lock;
  }

  std::string complaint(PlanOptions::Lock lock) {
    return replaced(imgbuild::complaint_of([&] { (void)plan(lock); }), root().native() + "/", "");
  }
};

TEST_F(LockedPlan, IsPinnedByTheFileBesideTheEnvironment) {
  write("prod.lock", to_text(lock_for(plan())));
  const Plan pinned = plan(PlanOptions::Lock::used);
  EXPECT_EQ(pinned.base_digest, sha256("base"));
  EXPECT_EQ(pinned.steps[1].lock, kPackages);
  EXPECT_FALSE(pinned.steps[0].lock);
  EXPECT_FALSE(plan().steps[1].lock);
}

TEST_F(LockedPlan, IsAnotherPlanWithAnotherLock) {
  LockFile lock = lock_for(plan());
  write("prod.lock", to_text(lock));
  const std::string first = plan_digest(plan(PlanOptions::Lock::used), "b");
  EXPECT_NE(first, plan_digest(plan(), "b"));
  lock.steps[0].packages[0].uri = "http://another/nginx.deb";
  write("prod.lock", to_text(lock));
  EXPECT_EQ(first, plan_digest(plan(PlanOptions::Lock::used), "b"));
  lock.steps[0].packages[0].sha256 = sha256("another");
  write("prod.lock", to_text(lock));
  EXPECT_NE(first, plan_digest(plan(PlanOptions::Lock::used), "b"));
}

TEST_F(LockedPlan, KeepsItsLockWhenAnOverlayChanges) {
  write("prod.lock", to_text(lock_for(plan())));
  write("overlays/common/motd", "hello");
  EXPECT_EQ(plan(PlanOptions::Lock::used).steps[1].lock, kPackages);
}

TEST_F(LockedPlan, LosesItsLockWhenAPackageIsAdded) {
  write("prod.lock", to_text(lock_for(plan())));
  write("recipes/web-master.yml", replaced(test::kRecipeText, "[nginx, rsync]", "[nginx, rsync, jq]"));
  EXPECT_EQ(complaint(PlanOptions::Lock::used),
            "prod.lock: has nothing for step 2 (packages: install nginx, rsync, jq; remove snapd (upgrade)) of role 'web-master'\n"
            "hint: imgbuild lock --env prod.yml");
}

TEST_F(LockedPlan, NeedsTheBaseInTheLock) {
  LockFile lock = lock_for(plan());
  lock.bases[0].name = "debian-12";
  write("prod.lock", to_text(lock));
  EXPECT_EQ(complaint(PlanOptions::Lock::used), "prod.lock: has no base 'ubuntu-24.04'\nhint: imgbuild lock --env prod.yml");
}

TEST_F(LockedPlan, NeedsALockWhereOneIsRequired) {
  EXPECT_EQ(complaint(PlanOptions::Lock::required), "prod.lock: there is no lock\nhint: imgbuild lock --env prod.yml");
  EXPECT_FALSE(plan(PlanOptions::Lock::used).steps[1].lock);
}

TEST_F(LockedPlan, SaysWhichBaseTheCacheLacks) {
  write("prod.lock", to_text(lock_for(plan())));
  const std::string text = imgbuild::complaint_of([&] { require_everything_here({plan(PlanOptions::Lock::required)}, {root() / "cache"}); });
  EXPECT_EQ(text, "base 'ubuntu-24.04' with the digest " + sha256("base") + " of the lock is not in the cache\n"
                  "hint: build once with a network and without --locked, or: imgbuild bundle --import FILE");
}

}  // namespace
}  // namespace imgbuild
