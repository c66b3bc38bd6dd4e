#include "boot/console.h"

#include <algorithm>
#include <array>
#include <optional>

#include "util/digest.h"

namespace imgbuild {
namespace {

using Kind = ConsoleEvent::Kind;

constexpr std::size_t kLongestLine = 4096;
constexpr std::size_t kKeptLines = 20;
constexpr std::size_t kPlanLength = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Where a kernel time stamp, "[   12.345678] ", begins in 'text', or npos.
std::size_t find_time_stamp(std::string_view text) {
  for (std::size_t open = text.find('['); open != std::string_view::npos; open = text.find('[', open + 1)) {
    std::size_t at = open + 1;
    while (at < text.size() && text[at] == ' ') ++at;
    const std::size_t seconds = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at == seconds || at >= text.size() || text[at] != '.') continue;
    const std::size_t fraction = ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at == fraction + 6 && text.substr(at).starts_with("] ")) return open;
  }
  return std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  while (text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

/// Lines after which a machine only waits for a person. The last two are prompts: they have no newline.
constexpr std::array<std::string_view, 9> kStuck = {
    "Kernel panic - not syncing",
    "You are in emergency mode",
    "Dropping to a shell!",
    "Give root password for maintenance",
    "No bootable device",
    "BdsDxe: No bootable option or device was found",
    "UEFI Interactive Shell",
    "grub rescue>",
    "(initramfs)",
};
constexpr std::size_t kFirstPrompt = 7;

std::optional<std::string> find_stuck(std::string_view line) {
  if (contains(line, "end Kernel panic")) return std::nullopt;  // the line before said it
  for (std::string_view text : kStuck) {
    const std::size_t at = line.find(text);
    if (at != std::string_view::npos) return std::string(trimmed(line.substr(at)));
  }
  return std::nullopt;
}

bool is_prompt(std::string_view line) {
  return std::any_of(kStuck.begin() + kFirstPrompt, kStuck.end(),
                     [line](std::string_view prompt) { return trimmed(line) == prompt; });
}

/// The event of "stage TEXT", "ready ROLE PLAN" or "failed REASON", if 'said' is one.
std::optional<ConsoleEvent> read_statement(std::string machine, std::string_view said) {
  const auto after = [&said](std::string_view word) -> std::optional<std::string_view> {
    if (!said.starts_with(word)) return std::nullopt;
    return said.substr(word.size());
  };
  if (const auto rest = after("ready ")) {
    const std::size_t space = rest->find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const std::string plan(rest->substr(space + 1, kPlanLength));
    if (!is_sha256(plan)) return std::nullopt;
    return ConsoleEvent{.kind = Kind::ready,
                        .machine = std::move(machine),
                        .role = std::string(rest->substr(0, space)),
                        .plan = plan};
  }
  said = said.substr(0, find_time_stamp(said));
  if (const auto rest = after("stage ")) {
    return ConsoleEvent{
        .kind = Kind::stage, .machine = std::move(machine), .text = std::string(trimmed(*rest))};
  }
  if (const auto rest = after("failed")) {
    const std::string_view reason = trimmed(*rest);
    return ConsoleEvent{.kind = Kind::failed,
                        .machine = std::move(machine),
                        .text = std::string(reason.empty() ? "no reason given" : reason)};
  }
  return std::nullopt;
}

std::optional<ConsoleEvent> find_statement(std::string_view line) {
  constexpr std::string_view kOpening = "appliance[";
  for (std::size_t at = line.find(kOpening); at != std::string_view::npos; at = line.find(kOpening, at + 1)) {
    const std::size_t name = at + kOpening.size();
    const std::size_t close = line.find("]: ", name);
    if (close == std::string_view::npos) return std::nullopt;
    auto event = read_statement(std::string(line.substr(name, close - name)), line.substr(close + 3));
    if (event) return event;
  }
  return std::nullopt;
}

}  // namespace

std::vector<ConsoleEvent> ConsoleParser::feed(std::string_view bytes) {
  std::vector<ConsoleEvent> events;
  for (char byte : bytes) take(byte, events);
  if (is_prompt(line_)) end_line(events);
  return events;
}

std::vector<std::string> ConsoleParser::last_lines() const {
  std::vector<std::string> lines(lines_.begin(), lines_.end());
  if (!trimmed(line_).empty()) lines.push_back(line_);
  if (lines.size() > kKeptLines) lines.erase(lines.begin());
  return lines;
}

void ConsoleParser::take(char byte, std::vector<ConsoleEvent>& events) {
  if (take_escape(byte)) return;
  if (byte == '\n' || byte == '\r') {
    end_line(events);
  } else if (byte >= ' ' && byte <= '~') {
    line_ += byte;
    if (line_.size() >= kLongestLine) end_line(events);
  } else if (byte == '\t') {
    line_ += ' ';
  }
}

/// True while inside an escape sequence (ECMA-48): ESC [ … final byte; ESC ] … BEL or ESC \; ESC and one
/// byte.
bool ConsoleParser::take_escape(char byte) {
  switch (escape_) {
    case Escape::none:
      if (byte != '\x1b') return false;
      escape_ = Escape::begun;
      return true;
    case Escape::begun:
      escape_ = byte == '[' ? Escape::sequence : byte == ']' ? Escape::text : Escape::none;
      return true;
    case Escape::sequence:
      if (byte >= '@' && byte <= '~') escape_ = Escape::none;
      if (byte == '\n' || byte == '\r') escape_ = Escape::none;  // a broken sequence does not eat lines
      return byte != '\n' && byte != '\r';
    case Escape::text:
      if (byte == '\x1b') escape_ = Escape::text_escape;
      if (byte == '\a' || byte == '\n' || byte == '\r') escape_ = Escape::none;
      return byte != '\n' && byte != '\r';
    case Escape::text_escape:
      escape_ = byte == '\\' ? Escape::none : Escape::text;
      return true;
  }
  return false;
}

void ConsoleParser::end_line(std::vector<ConsoleEvent>& events) {
  if (trimmed(line_).empty()) {
    line_.clear();
    return;
  }
  read_line(line_, events);
  lines_.push_back(std::move(line_));
  line_.clear();
  if (lines_.size() > kKeptLines) lines_.pop_front();
}

void ConsoleParser::read_line(std::string_view line, std::vector<ConsoleEvent>& events) {
  if (contains(line, "[    0.000000] Linux version ")) phase_ = -1;  // a (re)boot
  const bool from_kernel = find_time_stamp(line) != std::string_view::npos;
  if (contains(line, "cloud-init[") || contains(line, "Cloud-init v. ")) {
    note_phase(Kind::cloud_init, events);
  } else if (contains(line, "systemd[1]:") || contains(line, "[  OK  ]")) {
    note_phase(Kind::init, events);
  } else if (from_kernel) {
    note_phase(Kind::kernel, events);
  } else if (contains(line, "GRUB") || contains(line, "BdsDxe: starting")) {
    note_phase(Kind::boot_loader, events);
  }
  if (std::optional<ConsoleEvent> statement = find_statement(line)) {
    events.push_back(std::move(*statement));
  } else if (std::optional<std::string> stuck = find_stuck(line)) {
    events.push_back({.kind = Kind::stuck, .text = std::move(*stuck)});
  }
}

void ConsoleParser::note_phase(Kind phase, std::vector<ConsoleEvent>& events) {
  if (static_cast<int>(phase) <= phase_) return;
  phase_ = static_cast<int>(phase);
  events.push_back({.kind = phase});
}

}  // namespace imgbuild
