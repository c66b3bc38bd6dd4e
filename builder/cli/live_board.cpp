#include "cli/progress.h"
#include "cli/stage_clock.h"

namespace imgbuild {
namespace {

/// One line per work, below one another. The cursor stands below the last.
class LiveBoard : public ProgressBoard {
 public:
  explicit LiveBoard(const std::vector<std::string>& names) {
    std::size_t width = 0;
    for (const std::string& name : names) width = std::max(width, name.size());
    for (const std::string& name : names) rows_.push_back(std::make_unique<Row>(*this, name, width));
    for (const auto& row : rows_) say(row->text() + "\n");
  }
  [[nodiscard]] Status& line(std::size_t number) override { return *rows_.at(number); }

 private:
  class Row : public Status {
   public:
    Row(LiveBoard& board, std::string name, std::size_t width)
        : board_(board), name_(std::move(name)), padded_(fmt::format("{:<{}}", name_, width)) {}
    void begin(std::string_view stage) override {
      clock_.start(stage);
      show("");
    }
    void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) override {
      if (clock_.is_running() && clock_.is_due(milliseconds(100))) show(amount(done, total, detail));
    }
    void end(std::string_view result) override {
      if (!clock_.is_running()) return;
      show(result.empty() ? " done" : fmt::format(" done: {}", result));
      clock_.stop();
    }
    void note(std::string_view message) override { board_.say_above(fmt::format("{}: note: {}", name_, message)); }
    [[nodiscard]] const std::string& text() const { return text_; }

   private:
    void show(const std::string& rest) {
      text_ = fmt::format("[{:>8}] {}  {}{}", format_duration(clock_.elapsed()), padded_, clock_.stage(), rest);
      board_.draw();
    }
    LiveBoard& board_;
    std::string name_;
    std::string padded_;  ///< the names' column
    std::string text_ = fmt::format("[        ] {}  waiting", padded_);
    StageClock clock_;
  };

  void draw() const { say(fmt::format("\x1b[{}A{}", rows_.size(), all_rows())); }
  void say_above(const std::string& line) const {
    say(fmt::format("\x1b[{}A\r\x1b[J{}\n{}", rows_.size(), line, all_rows()));
  }
  [[nodiscard]] std::string all_rows() const {
    std::string text;
    for (const auto& row : rows_) text += "\r\x1b[K" + cut_to_width(row->text()) + "\n";
    return text;
  }

  std::vector<std::unique_ptr<Row>> rows_;
};

}  // namespace

std::unique_ptr<ProgressBoard> make_live_board(const std::vector<std::string>& names) {
  return std::make_unique<LiveBoard>(names);
}

}  // namespace imgbuild
