#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "util/size.h"

namespace imgbuild {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

/// What all displays share: the running stage and its time.
class StageClock {
 public:
  void start(std::string_view stage) {
    stage_ = stage;
    begin_ = last_shown_ = Clock::now();
  }
  void stop() { stage_.clear(); }
  [[nodiscard]] bool is_running() const { return !stage_.empty(); }
  [[nodiscard]] const std::string& stage() const { return stage_; }
  [[nodiscard]] milliseconds elapsed() const { return duration_cast<milliseconds>(Clock::now() - begin_); }
  /// True at most once per 'interval'.
  [[nodiscard]] bool is_due(milliseconds interval) {
    if (Clock::now() - last_shown_ < interval) return false;
    last_shown_ = Clock::now();
    return true;
  }

 private:
  std::string stage_;
  Clock::time_point begin_;
  Clock::time_point last_shown_;
};

std::string amount(std::uint64_t done, std::uint64_t total, std::string_view detail) {
  std::string text;
  if (total != 0) text = fmt::format(" {}%", std::min<std::uint64_t>(100, done * 100 / total));
  if (!detail.empty()) text += fmt::format(" {}", detail);
  return text;
}

void say(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

class PlainStatus : public Status {
 public:
  void begin(std::string_view stage) override {
    end("");
    clock_.start(stage);
    say(fmt::format("{} …\n", stage));
  }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) override {
    if (!clock_.is_running() || !clock_.is_due(milliseconds(10'000))) return;
    say(fmt::format("{} …{} ({})\n", clock_.stage(), amount(done, total, detail), format_duration(clock_.elapsed())));
  }
  void end(std::string_view result) override {
    if (!clock_.is_running()) return;
    const char* separator = result.empty() ? "" : ": ";
    say(fmt::format("{} done{}{} ({})\n", clock_.stage(), separator, result, format_duration(clock_.elapsed())));
    clock_.stop();
  }
  void note(std::string_view message) override { say(fmt::format("note: {}\n", message)); }

 private:
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
    winsize size{};
    const std::size_t width = ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col - 1U : 79U;
    if (line.size() > width) line.resize(width);
    say("\r\x1b[K" + line);
  }

  StageClock clock_;
};

class JsonStatus : public Status {
 public:
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
  static void emit(const nlohmann::ordered_json& event) {
    say(event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  StageClock clock_;
};

bool is_capable_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(2) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

std::unique_ptr<Status> make_progress(ProgressMode mode) {
  if (mode == ProgressMode::json) return std::make_unique<JsonStatus>();
  const bool wants_live = mode == ProgressMode::automatic || mode == ProgressMode::live;
  if (wants_live && is_capable_terminal()) return std::make_unique<LiveStatus>();
  return std::make_unique<PlainStatus>();
}

}  // namespace imgbuild
