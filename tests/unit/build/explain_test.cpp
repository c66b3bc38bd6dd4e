#include "build/explain.h"

#include <fmt/ranges.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "build/layer_key.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

/// A plan of three steps, an overlay first, whose layers are all in the cache.
class Explain : public testing::Test {
 protected:
  Explain() {
    put("etc/a", "1");
    put("etc/b", "1");
    plan_.base = "bootstrap";
    plan_.recipe.role = "web";
    plan_.output = folder_.path() / "output";
    base_.digest = sha256("base");
    cache_.root = folder_.path() / "cache";
    for (const fs::path& made : {cache_.layers(), cache_.builds()}) io::make_directories(made, 0700);
    steps_ = {OverlayStep{.name = "web", .folder = folder_.path() / "overlay"}, PackagesStep{.install = {"nginx", "jq"}},
              ServicesStep{.enable = {"nginx"}}};
    build();
  }
  void put(const std::string& name, const std::string& text) {
    io::make_directories((folder_.path() / "overlay" / name).parent_path(), 0755);
    io::write_file(folder_.path() / "overlay" / name, text, 0644);
  }
  void read() {
    plan_.steps.clear();
    for (const Step& step : steps_) {
      const std::vector<StepInput> inputs = inputs_of(step);
      plan_.steps.push_back({.step = step, .inputs = inputs, .digest = digest_of(step, inputs)});
    }
  }
  Layer provide(const Layer& wanted) {
    return LayerStore(cache_.layers()).find_or_make(wanted, [](const fs::path&, const fs::path&) { return PackageLock{}; }, status_);
  }
  std::vector<Layer> layers_named(const std::string& step) {
    std::vector<Layer> layers = LayerStore(cache_.layers()).list();
    std::erase_if(layers, [&](const Layer& layer) { return layer.step != step; });
    return layers;
  }
  void build() {
    read();
    LastBuild last{.imgbuild = IMGBUILD_VERSION, .base = base_.digest};
    Layer below = provide({.key = base_layer_key(base_), .step = "base"});
    for (const PlannedStep& planned : plan_.steps) {
      below = provide({.key = layer_key(below, planned), .step = describe(planned.step)});
      last.steps.push_back({.step = describe(planned.step), .key = below.key, .inputs = planned.inputs});
    }
    keep_last_build(cache_, plan_, last);
  }
  /// "hit", or "miss: REASON, …", for each step.
  std::vector<std::string> explained(bool has_base = true) {
    read();
    std::vector<std::string> lines;
    const std::optional<Base> base = has_base ? std::optional(base_) : std::nullopt;
    for (const ExplainedStep& step : explain(plan_, base, LayerStore(cache_.layers()), find_last_build(cache_, plan_))) {
      lines.push_back(step.layer == ExplainedStep::Layer::hit ? "hit" : fmt::format("miss: {}", fmt::join(step.reasons, ", ")));
    }
    return lines;
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "explain"};
  Cache cache_;
  Plan plan_;
  Base base_;
  std::vector<Step> steps_;
  SilentStatus status_;
};

TEST_F(Explain, SaysThatNothingChanged) { EXPECT_THAT(explained(), ElementsAre("hit", "hit", "hit")); }

TEST_F(Explain, NamesTheFilesThatChangedAndWhatFollowsThem) {
  put("etc/a", "2");
  put("etc/c", "");
  fs::remove(folder_.path() / "overlay/etc/b");
  EXPECT_THAT(explained(), ElementsAre("miss: overlays/web/etc/a changed, overlays/web/etc/b is gone, overlays/web/etc/c is new",
                                       "miss: it follows step 1", "miss: it follows step 1"));
}

TEST_F(Explain, SeesAModeAndALink) {
  fs::permissions(folder_.path() / "overlay/etc/a", fs::perms(0755));
  fs::remove(folder_.path() / "overlay/etc/b");
  fs::create_symlink("a", folder_.path() / "overlay/etc/b");
  EXPECT_EQ(explained()[0], "miss: overlays/web/etc/a changed, overlays/web/etc/b changed");
}

TEST_F(Explain, NamesPackagesAndUnits) {
  steps_[1] = PackagesStep{.install = {"nginx", "rsync"}, .upgrade = PackagesStep::Upgrade::yes};
  steps_[2] = ServicesStep{.enable = {"nginx"}, .mask = {"cron"}};
  EXPECT_THAT(explained(), ElementsAre("hit", "miss: install jq is gone, install rsync is new, upgrade is new", "miss: mask cron is new"));
}

TEST_F(Explain, SeesAnotherOrderAndANewStep) {
  steps_[1] = PackagesStep{.install = {"jq", "nginx"}};
  EXPECT_EQ(explained()[1], "miss: the order changed");
  steps_.insert(steps_.begin(), RunStep{.script = folder_.path() / "overlay/etc/a"});
  EXPECT_EQ(explained()[0], "miss: the step is new");
}

TEST_F(Explain, NamesTheBase) {
  base_.digest = sha256("other");
  EXPECT_THAT(explained(), ElementsAre("miss: the base changed from cae662172fd450bb to d9298a10d1b07358", "miss: the base changed from "
                                       "cae662172fd450bb to d9298a10d1b07358", "miss: the base changed from cae662172fd450bb to d9298a10d1b07358"));
  EXPECT_THAT(explained(false), testing::Each("miss: the cache has no base 'bootstrap'"));
}

TEST_F(Explain, SaysThatALayerWentOrNeverWas) {
  LayerStore(cache_.layers()).remove(layers_named("overlay: web"));
  EXPECT_THAT(explained(), ElementsAre("miss: its layer is no longer in the cache", "miss: it follows step 1", "miss: it follows step 1"));
  LayerStore(cache_.layers()).remove(layers_named("base"));
  EXPECT_THAT(explained(), testing::Each("miss: the base's tree is no longer in the cache"));
  plan_.output = "/elsewhere";
  EXPECT_THAT(explained(), testing::Each("miss: the image was never made here"));
}

TEST_F(Explain, TakesADamagedRecordForNone) {
  for (const auto& entry : fs::directory_iterator(cache_.builds())) io::write_file(entry.path(), "{\"version\":1}", 0600);
  EXPECT_FALSE(find_last_build(cache_, plan_));
}

}  // namespace
}  // namespace imgbuild
