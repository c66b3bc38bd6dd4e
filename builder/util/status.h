#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace imgbuild {

/// Tells people (or a program) how the work goes. Libraries report here and never print. Stages do not nest.
class Status {
 public:
  virtual ~Status() = default;

  /// A stage begins: "installing packages". Ends the stage before it.
  virtual void begin(std::string_view stage) = 0;
  /// How far the stage is. total 0: unknown. Units are bytes or items; only their ratio is shown besides 'detail'.
  virtual void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) = 0;
  /// The stage is complete; 'result' says what came out ("412 packages"), may be empty.
  virtual void end(std::string_view result) = 0;
  /// Something people should know and that stops nothing.
  virtual void note(std::string_view message) = 0;
};

/// Says nothing.
class SilentStatus : public Status {
 public:
  void begin(std::string_view) override {}
  void progress(std::uint64_t, std::uint64_t, std::string_view) override {}
  void end(std::string_view) override {}
  void note(std::string_view) override {}
};

}  // namespace imgbuild
