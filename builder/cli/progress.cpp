#include "cli/progress.h"

#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/stage_clock.h"

namespace imgbuild {
namespace {

class PlainStatus : public Status {
 public:
  /// 'prefix' goes before every line: "web-master: ".
  explicit PlainStatus(std::string prefix) : prefix_(std::move(prefix)) {}
  void begin(std::string_view stage) override {
    end("");
    clock_.start(stage);
    say(fmt::format("{}{} …\n", prefix_, stage));
  }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) override {
    if (!clock_.is_running() || !clock_.is_due(milliseconds(10'000))) return;
    say(fmt::format("{}{} …{} ({})\n", prefix_, clock_.stage(), amount(done, total, detail), format_duration(clock_.elapsed())));
  }
  void end(std::string_view result) override {
    if (!clock_.is_running()) return;
    const char* separator = result.empty() ? "" : ": ";
    say(fmt::format("{}{} done{}{} ({})\n", prefix_, clock_.stage(), separator, result, format_duration(clock_.elapsed())));
    clock_.stop();
  }
  void note(std::string_view message) override { say(fmt::format("{}note: {}\n", prefix_, message)); }

 private:
  std::string prefix_;
  StageClock clock_;
};

class LiveStatus : public Status {
 public:
  ~LiveStatus() override {
    if (clock_.is_running()) say("\n");  // a stage that failed stays visible above the error
  }
  void begin(std::string_view stage) override {
    end("");
    clock_.start(stage);
    draw("");
  }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) override {
    if (clock_.is_running() && clock_.is_due(milliseconds(100))) draw(amount(done, total, detail));
  }
  void end(std::string_view result) override {
    if (!clock_.is_running()) return;
    draw(result.empty() ? "" : fmt::format(": {}", result));
    say("\n");
    clock_.stop();
  }
  void note(std::string_view message) override {
    say(fmt::format("{}note: {}\n", clock_.is_running() ? "\r\x1b[K" : "", message));
    if (clock_.is_running()) draw("");
  }

 private:
  void draw(std::string_view text) {
    std::string line = fmt::format("[{:>8}] {}{}", format_duration(clock_.elapsed()), clock_.stage(), text);
    say("\r\x1b[K" + cut_to_width(std::move(line)));
  }

  StageClock clock_;
};

class JsonStatus : public Status {
 public:
  /// 'role' is in every event unless it is empty.
  explicit JsonStatus(std::string role) : role_(std::move(role)) {}
  void begin(std::string_view stage) override {
    end("");
    clock_.start(stage);
    emit({{"event", "begin"}, {"stage", stage}});
  }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) override {
    if (!clock_.is_running() || !clock_.is_due(milliseconds(500))) return;
    emit({{"event", "progress"}, {"stage", clock_.stage()}, {"done", done}, {"total", total}, {"detail", detail}});
  }
  void end(std::string_view result) override {
    if (!clock_.is_running()) return;
    const double seconds = static_cast<double>(clock_.elapsed().count()) / 1000;
    emit({{"event", "end"}, {"stage", clock_.stage()}, {"result", result}, {"seconds", seconds}});
    clock_.stop();
  }
  void note(std::string_view message) override { emit({{"event", "note"}, {"message", message}}); }

 private:
  void emit(nlohmann::ordered_json event) const {
    if (!role_.empty()) event["role"] = role_;
    say(event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  std::string role_;
  StageClock clock_;
};

bool is_capable_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(2) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

bool shows_live(ProgressMode mode) {
  return (mode == ProgressMode::automatic || mode == ProgressMode::live) && is_capable_terminal();
}

/// Lines that follow one another, each with its name.
class NamedLines : public ProgressBoard {
 public:
  NamedLines(ProgressMode mode, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (mode == ProgressMode::json)
        lines_.push_back(std::make_unique<JsonStatus>(name));
      else
        lines_.push_back(std::make_unique<PlainStatus>(name + ": "));
    }
  }
  [[nodiscard]] Status& line(std::size_t number) override { return *lines_.at(number); }

 private:
  std::vector<std::unique_ptr<Status>> lines_;
};

}  // namespace

std::unique_ptr<Status> make_progress(ProgressMode mode) {
  if (mode == ProgressMode::json) return std::make_unique<JsonStatus>("");
  if (shows_live(mode)) return std::make_unique<LiveStatus>();
  return std::make_unique<PlainStatus>("");
}

std::unique_ptr<ProgressBoard> make_board(ProgressMode mode, const std::vector<std::string>& names) {
  if (mode != ProgressMode::json && shows_live(mode)) return make_live_board(names);
  return std::make_unique<NamedLines>(mode, names);
}

}  // namespace imgbuild
